"""A process that runs seeds for ``runner.py``: ``python -P -m chaos.sim.worker``.

Takes the simulation as one line of JSON on standard input, says that it is ready, and
from then on answers each line with a seed by a line with its report. Standard output
belongs to these answers; whatever else is printed goes to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any, BinaryIO

import attrs
import msgspec

from chaos.results import Verdict
from chaos.sim.levels import Simulate, Simulation
from chaos.sim.options import Fault
from chaos.sim.report import Report, Violation
from raftleader.errors import ConfigError

LAST_WORD_S = 30
"""After the time for a seed we end by ourselves so much later: whoever started us
would have ended us, if it still lived."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says.

    Attributes:
        refused: Why it cannot work at all.
        report: As ``Report.as_json`` and its options.
        wall_s: Real time that the seed took.
        cpu_s: Time of the processor that it took.
    """

    refused: str = ""
    report: dict[str, Any] = msgspec.field(default_factory=dict)
    wall_s: float = 0.0
    cpu_s: float = 0.0


def encode_report(report: Report) -> dict[str, Any]:
    """As plain values, from which ``decode_report`` makes the same again."""
    return {**report.as_json(), "options": report.options}


def decode_report(value: dict[str, Any]) -> Report:
    """The inverse of ``encode_report``."""
    by_label = {fault.label: fault for fault in Fault}
    return Report(
        seed=value["seed"],
        level=value["level"],
        engine=value["engine"],
        verdict=Verdict(value["verdict"]),
        violations=tuple(Violation(**one) for one in value["violations"]),
        lacking=tuple(value["lacking"]),
        counts=value["counts"],
        coverage={by_label[name]: n for name, n in value["coverage"].items()},
        sim_seconds=value["sim_seconds"],
        trace_hash=value["trace_hash"],
        options=value["options"],
    )


def serve(lines: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends."""

    def say(answer: object) -> None:
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()

    order = msgspec.json.decode(lines.readline())
    try:
        simulate = Simulation(**order["simulation"]).load()
    except ConfigError as error:
        say(Answer(refused=str(error)))
        return
    say(Answer())
    for line in lines:
        signal.alarm(int(order["seed_s_max"]) + LAST_WORD_S)
        say(run_seed(simulate, int(line)))
        signal.alarm(0)


def run_seed(simulate: Simulate, seed: int) -> Answer:
    """One seed, measured."""
    wall, processor = time.perf_counter(), time.process_time()
    try:
        report = simulate(seed)
    except ConfigError as error:
        return Answer(refused=str(error))
    return Answer(
        report=encode_report(report),
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - processor,
    )


def order_for(simulation: Simulation, seed_s_max: float) -> bytes:
    """The first line to a worker."""
    order = {"simulation": attrs.asdict(simulation), "seed_s_max": seed_s_max}
    return msgspec.json.encode(order) + b"\n"


if __name__ == "__main__":
    answers_fd = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(answers_fd, "wb") as answers:
        serve(sys.stdin.buffer, answers)
