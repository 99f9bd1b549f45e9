"""A check of a run: its name, what it judges, and how."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable

import attrs

from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Judged, Problem
from chaos.results import Verdict

logger = logging.getLogger(__name__)

NOTHING_SEEN = "nothing of it was seen"


class NotJudgedError(Exception):
    """There is nothing to look at in a run like this; says why. A check that should
    have seen something, and did not, is *unknown* instead."""


@attrs.frozen(kw_only=True)
class Seen:
    """What a check saw.

    Attributes:
        lacking: Why it cannot tell; without problems that makes it unknown.
    """

    checked: int
    problems: tuple[Problem, ...] = ()
    lacking: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        checked: int,
        problems: Iterable[Problem] = (),
        lacking: Iterable[str] = (),
    ) -> Seen:
        return cls(checked=checked, problems=tuple(problems), lacking=tuple(lacking))


@attrs.frozen(kw_only=True)
class Check:
    """``promises`` are names of ``chaos.judging.promises``."""

    name: str
    promises: tuple[str, ...]
    look: Callable[[Evidence], Seen]

    def judge(self, evidence: Evidence) -> Judged:
        """Never raises but NotJudgedError: a check that fails can tell nothing, and
        says so with the last line of its traceback."""
        try:
            seen = self.look(evidence)
        except NotJudgedError:
            raise
        except Exception as error:
            logger.debug("%s failed", self.name, exc_info=True)
            last = traceback.format_exception_only(error)[-1].strip()
            return Judged.unknown(self.name, self.promises, f"the check failed: {last}")
        judged = Judged.of(
            self.name, self.promises, checked=seen.checked, problems=seen.problems
        )
        if judged.verdict is Verdict.INVALID:
            return judged
        if seen.lacking:
            return Judged.unknown(self.name, self.promises, *seen.lacking)
        if judged.verdict is Verdict.UNKNOWN:
            return Judged.unknown(self.name, self.promises, NOTHING_SEEN)
        return judged


def check(name: str, *promises: str) -> Callable[[Callable[[Evidence], Seen]], Check]:
    """Make a check of a function."""

    def make(look: Callable[[Evidence], Seen]) -> Check:
        return Check(name=name, promises=promises, look=look)

    return make
