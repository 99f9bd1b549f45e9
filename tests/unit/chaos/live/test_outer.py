"""What the outer process does with the folder of a run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaos.history.records import Happening, PhaseRecord
from chaos.history.writer import HistoryWriter
from chaos.judging.judgement import (
    Availability,
    FaultFigures,
    Figures,
    Judged,
    Judgement,
    OpFigures,
    Problem,
    Recovery,
)
from chaos.live.commands import as_json, live_request
from chaos.live.concluding import gather, read_outcome
from chaos.live.launching import read_lines, shown_lines
from chaos.live.messages import (
    FaultChanged,
    Message,
    Note,
    PhaseBegan,
    Tick,
    encode_message,
)
from chaos.live.outcome import Bound, Ending, Outcome
from chaos.live.plan_file import LeftOut, RunPlan
from chaos.live.progress import display
from chaos.live.request import LiveRequest
from chaos.live.run_file import OUTCOME, RUN, read_run, write_json
from chaos.live.showing import exit_code, show_plan, show_run
from chaos.results import Verdict
from raftleader.cli.output import Output
from raftleader.errors import ConfigError

FIGURES = Figures(
    ops={"framework-1": OpFigures(kind="churn", ok=120, per_s=10.0)},
    availability=Availability(longest_gap_s={"framework-1": 1.25}),
    recovery={"kill": Recovery(count=3, to_leader_s=(0.2, 0.1, 0.9))},
    faults={"kill": FaultFigures(fired=3), "drain": FaultFigures(impossible=1)},
    entries=300,
    elections=4,
    launches=40,
)


def judgement(verdict: Verdict = Verdict.VALID, *texts: str) -> Judgement:
    problems = tuple(Problem(text=text, node="leader-1") for text in texts)
    judged = Judged(
        checker="P4 no resource twice",
        promises=("P4", "I4"),
        verdict=verdict,
        checked=7,
        problems=problems,
    )
    return Judgement.of([judged], FIGURES)


def run_of(**keys: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "command": "raftleader chaos live --seed 7",
        "request": {"seed": 7},
        "left_out": [],
        "machine": [],
        "drawn": {},
        "report": "/r/report.html",
        **keys,
    }


def shown(run: dict[str, Any], judged: Judgement) -> str:
    output = Output(out=io.StringIO(), err=io.StringIO())
    show_run(run, judged, output)
    assert isinstance(output.out, io.StringIO)
    return output.out.getvalue()


def test_what_is_shown_ends_with_the_verdict_and_how_to_repeat_it() -> None:
    text = shown(run_of(), judgement())
    lines = text.splitlines()
    assert lines[-1] == "valid"
    assert "repeat       raftleader chaos live --seed 7" in lines
    assert "report       /r/report.html" in lines
    assert "recovery     0.2 s at the median" in text
    assert "0.9 s at the most (3 kills)" in text
    assert "longest gap  1.25 s without success, of framework-1" in text
    assert "120 went well" in text


def test_problems_are_shown_up_to_a_few() -> None:
    texts = [f"agent-1 has too little at {number}" for number in range(9)]
    text = shown(run_of(), judgement(Verdict.INVALID, *texts))
    assert "invalid: P4 no resource twice" in text
    assert "  leader-1: agent-1 has too little at 4" in text
    assert "at 5" not in text
    assert "and 4 more; see the report" in text
    assert text.splitlines()[-1] == "invalid"


@pytest.mark.parametrize(
    ("verdict", "ending", "code"),
    [
        (Verdict.VALID, "complete", 0),
        (Verdict.INVALID, "complete", 1),
        (Verdict.UNKNOWN, "complete", 2),
        (Verdict.INVALID, "failed", 1),
        (Verdict.UNKNOWN, "cut short", 130),
        (Verdict.INVALID, "cut short", 130),
    ],
)
def test_the_exit_code_follows_from_verdict_and_ending(
    verdict: Verdict, ending: str, code: int
) -> None:
    run = run_of(outcome={"ending": ending})
    assert exit_code(run, judgement(verdict)) == code


def test_the_document_has_all_that_is_shown() -> None:
    run = run_of(outcome={"ending": "complete"})
    document = json.loads(msgspec.json.encode(as_json(run, judgement())))
    assert document["verdict"] == "valid"
    assert document["seed"] == 7
    assert document["figures"]["recovery"]["kill"]["to_leader_s"] == [0.2, 0.1, 0.9]
    assert document["results"][0]["promises"] == ["P4", "I4"]


def test_what_cannot_be_made_is_said_before_the_run(tmp_path: Path) -> None:
    plan = RunPlan(
        request=LiveRequest(seed=7),
        network="proxies",
        disks="plain",
        drawn=("kill",),
        schedule=(),
        workloads=(),
        left_out=(
            LeftOut(fault="loss", why="no TAP here", is_missing=True),
            LeftOut(fault="pause", why="no time", is_missing=False),
        ),
    )
    output = Output(out=io.StringIO(), err=io.StringIO())
    show_plan(plan, tmp_path, output)
    assert isinstance(output.err, io.StringIO) and isinstance(output.out, io.StringIO)
    text = output.err.getvalue()
    assert "This machine cannot make everything that was asked for" in text
    assert "no TAP here" in text
    assert "Not drawn by this seed, for want of time: pause" in text
    assert "seed 7" in text
    assert output.out.getvalue() == ""


def test_a_seed_is_drawn_if_there_is_none() -> None:
    first = live_request(seed=None, for_time="5s", faults="kill")
    second = live_request(seed=None, for_time="5s", faults="kill")
    assert first.seed != second.seed
    assert first.for_s == 5.0
    with pytest.raises(ConfigError, match="--leaders"):
        live_request(seed=1, for_time="5s", leaders=0)


def folder_of_run(folder: Path) -> None:
    write_json(folder / RUN, run_of())
    with HistoryWriter(folder / "driver.jsonl") as history:
        history.write(PhaseRecord(name="start", at_ns=5))
        history.write(PhaseRecord(name="end", at_ns=50))
    (folder / "workloads").mkdir()
    with HistoryWriter(folder / "workloads" / "framework-1.jsonl") as history:
        history.write(Happening(process="framework-1", what="began", at_ns=20))


def test_what_the_inner_process_left_is_gathered(tmp_path: Path) -> None:
    folder_of_run(tmp_path)
    outcome = Outcome(
        ending=Ending.COMPLETE,
        ready=Bound(within_s=60.0, took_s=1.0),
        nodes=[{"name": "leader-1", "kind": "leader", "log": "nodes/leader-1/log"}],
        began_ns=3,
        ended_ns=60,
    )
    write_json(tmp_path / OUTCOME, msgspec.to_builtins(outcome))
    gather(tmp_path)
    run = read_run(tmp_path)
    assert run["outcome"]["ending"] == "complete"
    assert (run["began_ns"], run["ended_ns"]) == (3, 60)
    assert run["nodes"] == outcome.nodes
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["at_ns"] for line in lines] == [5, 20, 50]


def test_an_inner_process_that_died_leaves_a_run_that_failed(tmp_path: Path) -> None:
    folder_of_run(tmp_path)
    gather(tmp_path, why_not="the inner process ended with signal SIGKILL")
    run = read_run(tmp_path)
    assert run["outcome"]["ending"] == "failed"
    assert run["outcome"]["why"] == "the inner process ended with signal SIGKILL"
    assert (tmp_path / "history.jsonl").is_file()
    results = read_outcome(tmp_path, "it died").judged()
    assert {one.verdict for one in results} == {Verdict.UNKNOWN}


def test_a_folder_of_something_else_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run's folder"):
        read_run(tmp_path)
    (tmp_path / RUN).write_text('{"version": 99}')
    with pytest.raises(ConfigError, match="another version"):
        read_run(tmp_path)
    (tmp_path / RUN).write_text("{")
    with pytest.raises(ConfigError, match=r"run\.json: "):
        read_run(tmp_path)


class Chunks:
    """A stream of these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = iter(pieces)

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        for piece in self.pieces:
            return piece
        raise StopAsyncIteration


async def test_what_the_inner_process_says_is_shown() -> None:
    messages: list[Message] = [
        PhaseBegan(name="faults", for_s=60.0),
        Tick(second=1.0, ops=10, leader="leader-1"),
        FaultChanged(number=1, fault="kill", phase="inject", targets=("leader-1",)),
        FaultChanged(number=2, fault="drain", phase="impossible", why="nobody leads"),
        FaultChanged(number=1, fault="kill", phase="heal"),
        Note(text="a nemesis failed", is_problem=True),
    ]
    data = b"".join(map(encode_message, messages)) + b"a [library] warns\nno end"
    output = Output(out=io.StringIO(), err=io.StringIO())
    with display(output) as bar:
        pieces = Chunks(data[:50], data[50:51], data[51:])
        await read_lines(pieces, shown_lines(bar))  # type: ignore[arg-type]
        assert bar.phase == "faults"
        assert bar.in_force == {}
    assert isinstance(output.err, io.StringIO)
    text = output.err.getvalue()
    for line in (
        "  kill: leader-1",
        "  drain: not now: nobody leads",
        "problem: a nemesis failed",
        "a [library] warns",
        "no end",
    ):
        assert line in text
