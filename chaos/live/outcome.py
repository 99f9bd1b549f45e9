"""What became of a run, apart from what its history shows.

A cluster that does not come back once everything is healed breaks a promise; a run that
could not be carried out shows nothing. The one is invalid, the other unknown.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from chaos.judging.judgement import Judged, Problem

READY = "liveness: ready after healing"
SETTLED = "liveness: everything gets done"
SEEN_BROKEN = "nodes bear what is done to them"
CARRIED_OUT = "the run was carried out"
LIVENESS = ("I16",)


class Ending(enum.Enum):
    """How a run ended."""

    COMPLETE = "complete"
    CUT_SHORT = "cut short"
    """By a signal: what was seen until then is judged."""
    FAILED = "failed"


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must happen within a stated time. ``took_s`` is None if it did
    not; ``why`` then says what was missing."""

    within_s: float
    took_s: float | None = None
    why: str = ""


class Outcome(msgspec.Struct, kw_only=True):
    """Filled while the run goes on.

    Attributes:
        why: Of an ending that is not complete.
        started, ready, settled: From the beginning, the end of the faults, the healed
            cluster; None for what was not come to.
        wounds: How many faults were made.
        violations: Promises that nemeses saw broken.
        problems: With the run itself: nemeses that failed, documents that could not
            be read.
        nodes: ``name``, ``kind`` and ``log`` (below the folder) of every process.
    """

    ending: Ending = Ending.FAILED
    why: str = ""
    started: Bound | None = None
    ready: Bound | None = None
    settled: Bound | None = None
    wounds: int = 0
    violations: list[str] = []
    problems: list[str] = []
    nodes: list[dict[str, Any]] = []
    began_ns: int = 0
    ended_ns: int = 0

    def judged(self) -> list[Judged]:
        """What this says of the promises."""
        judged = [_of_bound(READY, self.ready, "the cluster was not ready")]
        if not self.nodes or any(node["kind"] == "framework" for node in self.nodes):
            # Without workloads nobody says what was begun, and is to be done.
            judged.append(_of_bound(SETTLED, self.settled, "not everything was done"))
        if self.wounds:
            judged.append(self._seen_by_nemeses())
        return [*judged, self._carried_out()]

    def _seen_by_nemeses(self) -> Judged:
        return Judged.of(
            SEEN_BROKEN,
            ("P10",),
            checked=self.wounds,
            problems=[Problem(text=text) for text in self.violations],
        )

    def _carried_out(self) -> Judged:
        problems = [*self.problems]
        if self.ending is not Ending.COMPLETE:
            problems.insert(0, f"{self.ending.value}: {self.why or 'for no reason'}")
        if problems:
            return Judged.unknown(CARRIED_OUT, (), *problems)
        return Judged.of(CARRIED_OUT, (), checked=1, problems=())


def _of_bound(checker: str, bound: Bound | None, problem: str) -> Judged:
    if bound is None:
        return Judged.unknown(checker, LIVENESS, "the run did not get that far")
    problems = []
    if bound.took_s is None:
        words = f"{problem} within {bound.within_s:g} s: {bound.why}"
        problems.append(Problem(text=words))
    return Judged.of(checker, LIVENESS, checked=1, problems=problems)
