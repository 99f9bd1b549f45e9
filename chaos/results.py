"""What a checker says: valid, invalid, or not enough seen to tell."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs


class Verdict(enum.Enum):
    """Ordered from best to worst when verdicts are merged."""

    VALID = "valid"
    UNKNOWN = "unknown"
    INVALID = "invalid"


@attrs.frozen(kw_only=True)
class Result:
    """A checker's answer.

    Attributes:
        problems: One line each, of what is invalid, or of what is unknown.
        checked: How many observations it judged. None seen is UNKNOWN: a checker
            that saw nothing has shown nothing.
    """

    checker: str
    verdict: Verdict
    checked: int
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, checker: str, *, checked: int, problems: Iterable[str]) -> Result:
        """INVALID if there are problems, UNKNOWN if nothing was seen, else VALID."""
        found = tuple(problems)
        if found:
            verdict = Verdict.INVALID
        else:
            verdict = Verdict.VALID if checked else Verdict.UNKNOWN
        return cls(checker=checker, verdict=verdict, checked=checked, problems=found)


def merge(results: Iterable[Result]) -> Verdict:
    """The worst verdict; UNKNOWN when there is none at all."""
    return worst(result.verdict for result in results)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of these; UNKNOWN when there is none at all."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.UNKNOWN)
