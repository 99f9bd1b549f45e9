"""What is said of a run: for each checker a verdict with its evidence, and figures.

A judgement lies in ``run.json`` as it is here; names of keys are those of the fields.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chaos.results import Result, Verdict, worst

PROBLEMS_MAX = 50
"""Of one checker. Whoever reads a report reads the first few; a broken log has a
problem for each of its entries."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong, or that keeps us from telling.

    Attributes:
        at_ns: CLOCK_MONOTONIC, as in the history; None if it is of no moment.
        node: The node, or the workload's process, it was seen at.
        index: The log index it is about.
    """

    text: str
    at_ns: int | None = None
    node: str = ""
    index: int | None = None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A checker's answer.

    Attributes:
        promises: Names of ``chaos.judging.promises``, e.g. ``P4``, ``I4``.
        checked: How many observations it judged.
        problems: Of what is invalid; of what is unknown if nothing is invalid.
    """

    checker: str
    promises: tuple[str, ...]
    verdict: Verdict
    checked: int
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(
        cls,
        checker: str,
        promises: Iterable[str],
        *,
        checked: int,
        problems: Iterable[Problem],
    ) -> Judged:
        """INVALID if there are problems, UNKNOWN if nothing was seen, else VALID."""
        found = tuple(problems)
        if found:
            verdict = Verdict.INVALID
        else:
            verdict = Verdict.VALID if checked else Verdict.UNKNOWN
        return cls(
            checker=checker,
            promises=tuple(promises),
            verdict=verdict,
            checked=checked,
            problems=_shortened(found),
        )

    @classmethod
    def unknown(cls, checker: str, promises: Iterable[str], *texts: str) -> Judged:
        """Nobody can tell, for these reasons."""
        return cls(
            checker=checker,
            promises=tuple(promises),
            verdict=Verdict.UNKNOWN,
            checked=0,
            problems=tuple(Problem(text=text) for text in texts),
        )

    @classmethod
    def of_result(cls, result: Result, promises: Iterable[str]) -> Judged:
        """What a checker of both levels of the simulator says."""
        return cls(
            checker=result.checker,
            promises=tuple(promises),
            verdict=result.verdict,
            checked=result.checked,
            problems=_shortened(tuple(Problem(text=text) for text in result.problems)),
        )


class OpFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one workload: how its operations ended, and how many per second ended ok
    from the first phase to the end of the faults."""

    kind: str = ""
    ok: int = 0
    fail: int = 0
    info: int = 0
    per_s: float = 0.0
    required_per_s: float = 0.0


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Longest times without an operation that ended ok, in seconds: of each workload,
    and over all workloads while a class of faults was in force."""

    longest_gap_s: dict[str, float] = {}
    longest_gap_by_fault_s: dict[str, float] = {}


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """How a class of faults that took the leader away was got over.

    Times in seconds, one for each that did: until another term had a leader, until it
    had committed an entry, until it had made an offer. They begin with the injection;
    with the loss of the leader where an injection takes its time (rolling restarts).

    Attributes:
        count: Injections.
    """

    count: int
    to_leader_s: tuple[float, ...] = ()
    to_commit_s: tuple[float, ...] = ()
    to_reoffer_s: tuple[float, ...] = ()


class FaultFigures(msgspec.Struct, frozen=True, kw_only=True):
    fired: int = 0
    impossible: int = 0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. Counts are of the whole run.

    Attributes:
        elections: Terms that somebody led.
        kills: Processes that died, but for those stopped on purpose at the end.
        snapshots_installed: States that were replaced by one from another node, or
            read from disk at a start.
        not_judged: Checkers that had nothing to look at in a run like this, and why.
    """

    ops: dict[str, OpFigures] = {}
    availability: Availability = Availability()
    recovery: dict[str, Recovery] = {}
    faults: dict[str, FaultFigures] = {}
    entries: int = 0
    records: int = 0
    elections: int = 0
    kills: int = 0
    snapshots_installed: int = 0
    offers: int = 0
    launches: int = 0
    duration_s: float = 0.0
    not_judged: dict[str, str] = {}


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. ``verdict`` is the worst of the results."""

    verdict: Verdict
    results: tuple[Judged, ...]
    figures: Figures

    @classmethod
    def of(cls, results: Iterable[Judged], figures: Figures) -> Judgement:
        """With the worst verdict; UNKNOWN without any result."""
        judged = tuple(results)
        verdict = worst(one.verdict for one in judged)
        return cls(verdict=verdict, results=judged, figures=figures)


_decoder: msgspec.json.Decoder[Judgement] = msgspec.json.Decoder(Judgement)


def judgement_as_dict(judgement: Judgement) -> dict[str, object]:
    """For ``run.json``."""
    built: dict[str, object] = msgspec.to_builtins(judgement)
    return built


def judgement_from_dict(value: object) -> Judgement:
    """What ``judgement_as_dict`` gave. Raises msgspec.ValidationError."""
    return msgspec.convert(value, Judgement)


def encode_judgement(judgement: Judgement) -> bytes:
    """As JSON."""
    return msgspec.json.encode(judgement)


def decode_judgement(data: bytes) -> Judgement:
    """From JSON. Raises msgspec.DecodeError."""
    return _decoder.decode(data)


def _shortened(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    if len(problems) <= PROBLEMS_MAX:
        return problems
    rest = Problem(text=f"and {len(problems) - PROBLEMS_MAX} more")
    return (*problems[:PROBLEMS_MAX], rest)
