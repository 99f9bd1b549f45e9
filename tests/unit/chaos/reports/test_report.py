"""The page as a whole: what is on it, that it needs nothing, and that nothing which
somebody else wrote gets out of its text."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chaos.history.records import FaultPhase, FaultRecord, Op, OpType
from chaos.history.writer import HistoryWriter
from chaos.live.run_file import change_run
from chaos.reports import write_report
from chaos.reports.page import as_script

SECTIONS = (
    "verdict",
    "run",
    "promises",
    "figures",
    "plots",
    "faults",
    "rates",
    "latency",
    "timeline",
    "roles",
    "resources",
    "recovery",
    "workloads",
    "schedule",
    "machine",
    "logs",
)
VOID = {"meta", "br"}
EVIL = "</script><img src=x onerror=alert(1)>\"'&"


class Page(HTMLParser):
    """Tags with their attributes, all words, and whether all is closed again."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.script = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.script += data
        elif self._open[-1:] != ["style"]:
            self.words += " " + data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> Iterator[str]:
        for _, attributes in self.tags:
            for name in ("src", "href", "action", "data", "poster", "srcset"):
                if name in attributes:
                    yield attributes[name]

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def text(self) -> str:
        return " ".join(self.words.split())


def report(run: Path, folder: Path) -> Page:
    copy = Path(shutil.copytree(run, folder / "copy"))
    return Page(write_report(copy))


def test_report_of_a_valid_run_says_so(valid_run: Path, tmp_path: Path) -> None:
    page = report(valid_run, tmp_path)
    text = page.text()
    assert "✓ Valid" in text
    assert "checks held" in text
    assert "raftleader chaos live --seed 7 --for 6s" in text
    assert "no loop device (cannot be made here) : power-cut" in text
    assert "P4 no resource is given twice" in text
    assert "What went wrong" not in text
    assert "Missing" not in text
    assert set(SECTIONS) <= set(page.ids())
    assert "diagram-1" not in page.ids()


def test_report_of_a_violation_shows_it(violated_run: Path, tmp_path: Path) -> None:
    page = report(violated_run, tmp_path)
    text = page.text()
    assert "✕ Violated" in text
    assert "What went wrong" in text
    judgement = json.loads((violated_run / "run.json").read_text())["judgement"]
    (bad,) = [one for one in judgement["results"] if one["verdict"] == "invalid"]
    assert bad["problems"][0]["text"] in text
    assert "diagram-1" in page.ids()
    assert "#diagram-1" in set(page.links())
    jumps = [one for one in page.of("button") if one.get("class") == "jump"]
    assert jumps


def test_report_of_too_little_is_unknown_and_no_pass(
    valid_run: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(valid_run, tmp_path / "run"))
    judgement = json.loads((folder / "run.json").read_text())["judgement"]
    judgement["verdict"] = judgement["results"][0]["verdict"] = "unknown"
    judgement["results"][0]["problems"] = [{"text": "nothing of it was seen"}]
    change_run(folder, judgement=judgement)
    text = Page(write_report(folder)).text()
    assert "? Unknown" in text
    assert "this is no pass" in text
    assert "nothing of it was seen" in text


def test_report_needs_nothing_but_itself(violated_run: Path, tmp_path: Path) -> None:
    page = report(violated_run, tmp_path)
    source = (tmp_path / "copy" / "report.html").read_text(encoding="utf-8")
    for link in page.links():
        assert re.match(r"#[\w-]+$|nodes/[\w-]+/log$|run\.json$|history\.jsonl$", link)
        if not link.startswith("#"):
            assert (tmp_path / "copy" / link).is_file()
    for tag in ("link", "img", "iframe", "object", "embed", "base", "form"):
        assert page.of(tag) == []
    assert not re.search(r"https?://|//cdn|@import|url\(", source)
    (policy,) = [
        one["content"]
        for one in page.of("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")


def test_report_has_no_id_twice_and_links_to_those_there_are(
    violated_run: Path, tmp_path: Path
) -> None:
    page = report(violated_run, tmp_path)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    targets = {link[1:] for link in page.links() if link.startswith("#")}
    assert targets <= set(ids)


def test_report_escapes_what_others_wrote(violated_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(violated_run, tmp_path / "run"))
    run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    run["command"] = run["raftleader"] = EVIL
    run["request"] = dict.fromkeys(run["request"], EVIL)
    run["machine"] = [{"name": EVIL, "ok": False, "why": EVIL, "remedy": EVIL}]
    run["left_out"] = [{"fault": EVIL, "why": EVIL}]
    run["schedule"] = [{"number": EVIL, "fault": EVIL, "target": EVIL}]
    run["nodes"] += [{"name": EVIL, "kind": EVIL, "log": "javascript:alert(1)"}]
    for result in run["judgement"]["results"]:
        result["checker"] = EVIL
        for problem in result["problems"]:
            problem["text"] = problem["node"] = EVIL
    run["judgement"]["figures"]["not_judged"] = {EVIL: EVIL}
    run["judgement"]["figures"]["ops"] = {EVIL: {"kind": EVIL, "ok": 1}}
    change_run(folder, **run)
    at_ns = run["began_ns"] + 5_000_000
    with HistoryWriter(folder / "history.jsonl") as history:
        common: dict[str, Any] = {"process": EVIL, "id": 1, "f": EVIL, "key": EVIL}
        history.write(Op(**common, type=OpType.INVOKE, at_ns=at_ns))
        history.write(Op(**common, type=OpType.FAIL, at_ns=at_ns + 9, error=EVIL))
        history.write(
            FaultRecord(
                id=99,
                fault=EVIL,
                phase=FaultPhase.INJECT,
                at_ns=at_ns,
                targets=(EVIL,),
                means=EVIL,
                detail={EVIL: EVIL},
            )
        )
    page = Page(write_report(folder))
    assert page.of("img") == []
    assert not [name for _, one in page.tags for name in one if name.startswith("on")]
    assert "javascript:alert(1)" not in set(page.links())
    assert len(page.of("script")) == 2
    assert EVIL in page.words  # as it is, but as text


def test_report_of_a_killed_run_says_what_is_missing(
    valid_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    run = json.loads((valid_run / "run.json").read_text())
    kept = {key: run[key] for key in ("version", "request", "command")}
    (folder / "run.json").write_text(json.dumps(kept))
    text = Page(write_report(folder)).text()
    assert "Not judged" in text
    assert "there is no history.jsonl: no history" in text
    assert "no leader node left an applied log" in text
    assert run["command"] in text


def test_report_of_an_empty_folder_is_written(tmp_path: Path) -> None:
    assert "Not judged" in Page(write_report(tmp_path)).text()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 9}', '{"version": 1, "request": 7, "nodes": 3}']
)
def test_report_of_a_strange_run_file_is_written(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    assert "Missing" in Page(write_report(tmp_path)).text()


def test_report_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text().startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_script_data_cannot_end_its_element() -> None:
    made = as_script({"a": "</script><!--&", "b": "\u2028"})
    assert not set("<>&\u2028") & set(made)
    assert json.loads(made) == {"a": "</script><!--&", "b": "\u2028"}
