from __future__ import annotations

import json
import shutil
from pathlib import Path

from chaos.history.records import Op, OpType
from chaos.reports.material import read_material


def copied(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


def test_material_of_a_whole_run_lacks_nothing(valid_run: Path) -> None:
    found = read_material(valid_run)
    assert found.missing == []
    assert found.operations
    assert found.faults
    assert found.stream.entries
    assert found.node_of("leader-1:5050") == "leader-1"
    assert found.wall(found.began_ns)
    assert found.began_ns < found.ended_ns


def test_material_of_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    found = read_material(tmp_path)
    assert found.records == []
    assert found.judgement is None
    assert found.span_ms == 1.0
    assert len(found.missing) == 4


def test_material_merges_histories_where_that_was_not_done(
    valid_run: Path, tmp_path: Path
) -> None:
    folder = copied(valid_run, tmp_path)
    lines = (folder / "history.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "history.jsonl").unlink()
    (folder / "workloads").mkdir()
    (folder / "driver.jsonl").write_bytes(b"".join(lines[1::2]))
    (folder / "workloads" / "one.jsonl").write_bytes(b"".join(lines[::2]))
    found = read_material(folder)
    assert len(found.records) == len(lines)
    assert found.missing == ["there is no history.jsonl: 2 files were merged for it"]
    whole = read_material(valid_run).operations
    assert sorted(found.operations, key=str) == sorted(whole, key=str)


def test_material_leaves_out_what_is_torn(valid_run: Path, tmp_path: Path) -> None:
    folder = copied(valid_run, tmp_path)
    with (folder / "history.jsonl").open("ab") as file:
        file.write(b'{"kind":"op","proc')
    log = folder / "nodes" / "leader-2" / "applied-1.rec"
    log.write_bytes(log.read_bytes() + b"\0\0\0\2\xc1\xc1")
    found = read_material(folder)
    assert "1 lines of the history are torn, and were left out" in found.missing
    assert any("leader-2/applied-1.rec" in words for words in found.missing)
    assert found.stream.entries


def test_material_leaves_out_operations_that_do_not_fit(
    valid_run: Path, tmp_path: Path
) -> None:
    folder = copied(valid_run, tmp_path)
    whole = read_material(valid_run)
    at_ns = whole.ended_ns
    odd = Op(process="nobody/1", id=1, type=OpType.OK, f="read", at_ns=at_ns)
    with (folder / "history.jsonl").open("a") as file:
        row = {"kind": "op", "process": odd.process, "id": 1, "type": "ok"}
        file.write(json.dumps(row | {"f": odd.f, "at_ns": at_ns}) + "\n")
    found = read_material(folder)
    assert found.operations == whole.operations
    assert any("nobody/1" in words for words in found.missing)


def test_material_dates_problems_by_the_entry_they_name(
    valid_run: Path, tmp_path: Path
) -> None:
    folder = copied(valid_run, tmp_path)
    entry = read_material(folder).stream.entries[100]
    run = json.loads((folder / "run.json").read_text())
    problems = [{"text": "a", "index": entry.index}, {"text": "b", "index": 10**9}]
    run["judgement"]["results"][0]["problems"] = problems
    (folder / "run.json").write_text(json.dumps(run))
    judgement = read_material(folder).judgement
    assert judgement is not None
    times = [problem.at_ns for problem in judgement.results[0].problems]
    assert times == [entry.at_ns, None]


def test_material_takes_a_run_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[1]")
    assert any("no object" in words for words in read_material(tmp_path).missing)
    (tmp_path / "run.json").write_text('{"judgement": {"verdict": "perhaps"}}')
    found = read_material(tmp_path)
    assert any("another version" in words for words in found.missing)
    assert any("cannot be read" in words for words in found.missing)
    assert found.part("request") == {}
    assert found.rows("nodes") == []
