"""The verdict of a run in words, and that of every promise."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from chaos.judging.judgement import Judged, Judgement, Problem
from chaos.judging.promises import PROMISES
from chaos.reports.material import Material
from chaos.results import Verdict, worst

NOT_JUDGED = "not judged"
WORDS = {
    Verdict.VALID: "valid",
    Verdict.INVALID: "violated",
    Verdict.UNKNOWN: "unknown",
}
SIGNS = {"valid": "✓", "violated": "✕", "unknown": "?", NOT_JUDGED: "\u2013"}


@attrs.frozen(kw_only=True)
class Evidence:
    """A problem, with where to look for it. ``at_s`` is None if it has no time."""

    text: str
    at_s: float | None = None
    wall: str = ""
    node: str = ""
    index: int | None = None
    diagram: str = ""


@attrs.frozen(kw_only=True)
class CheckRow:
    """One check."""

    name: str
    word: str
    checked: int
    promises: tuple[str, ...]
    problems: list[Evidence]
    why: str = ""

    @property
    def sign(self) -> str:
        return SIGNS[self.word]


@attrs.frozen(kw_only=True)
class PromiseRow:
    """A promise or invariant, and what the checks that tell of it say.

    Attributes:
        rest: What no check of a real run sees.
    """

    name: str
    text: str
    rest: str
    word: str
    checked: int
    checks: list[CheckRow]

    @property
    def sign(self) -> str:
        return SIGNS[self.word]


@attrs.frozen(kw_only=True)
class Headline:
    """``word`` is one of ``WORDS`` or ``not judged``."""

    word: str
    sentence: str
    problems: list[CheckRow]

    @property
    def sign(self) -> str:
        return SIGNS[self.word]


def headline(material: Material, checks: Iterable[CheckRow]) -> Headline:
    """What a person should read first."""
    judgement = material.judgement
    if judgement is None:
        return Headline(
            word=NOT_JUDGED,
            sentence="Nobody has judged this run; here is what was recorded.",
            problems=[],
        )
    word = WORDS[judgement.verdict]
    rows = list(checks)
    bad = [row for row in rows if row.word == word and word != "valid"]
    observations = sum(row.checked for row in rows)
    if judgement.verdict is Verdict.VALID:
        sentence = f"All {len(rows)} checks held, over {observations:,} observations."
    elif judgement.verdict is Verdict.INVALID:
        sentence = (
            f"{_of(bad, rows)} found something that must never be,"
            f" in {observations:,} observations."
        )
    else:
        sentence = (
            f"Nothing wrong was found, but {_of(bad, rows)} cannot tell:"
            " this is no pass."
        )
    return Headline(word=word, sentence=sentence, problems=bad)


def _of(some: list[CheckRow], rows: list[CheckRow]) -> str:
    return f"{len(some)} of {len(rows)} checks"


def check_rows(
    material: Material, diagrams: dict[tuple[str, int], str]
) -> list[CheckRow]:
    """Of every check that was made. ``diagrams``: by (check, place of the problem), the
    id of the one that shows it."""
    judgement = material.judgement
    if judgement is None:
        return []
    return [
        CheckRow(
            name=judged.checker,
            word=WORDS[judged.verdict],
            checked=judged.checked,
            promises=judged.promises,
            problems=[
                _evidence(material, problem, diagrams.get((judged.checker, place), ""))
                for place, problem in enumerate(judged.problems)
            ],
        )
        for judged in judgement.results
    ]


def not_judged_rows(judgement: Judgement | None) -> list[CheckRow]:
    """Of checks that had nothing to look at."""
    if judgement is None:
        return []
    return [
        CheckRow(
            name=name, word=NOT_JUDGED, checked=0, promises=(), problems=[], why=why
        )
        for name, why in judgement.figures.not_judged.items()
    ]


def promise_rows(
    judgement: Judgement | None, checks: list[CheckRow]
) -> list[PromiseRow]:
    """Every promise and invariant there is, in order."""
    rows = []
    results: tuple[Judged, ...] = judgement.results if judgement else ()
    for name, promise in PROMISES.items():
        about = [row for row in checks if name in row.promises]
        verdicts = [one.verdict for one in results if name in one.promises]
        word = WORDS[worst(verdicts)] if verdicts else NOT_JUDGED
        rows.append(
            PromiseRow(
                name=name,
                text=promise.text,
                rest=promise.rest,
                word=word,
                checked=sum(row.checked for row in about),
                checks=about,
            )
        )
    return rows


def _evidence(material: Material, problem: Problem, diagram: str) -> Evidence:
    at_ns = problem.at_ns
    return Evidence(
        text=problem.text,
        at_s=None if at_ns is None else material.ms(at_ns) / 1000,
        wall="" if at_ns is None else material.wall(at_ns),
        node=problem.node,
        index=problem.index,
        diagram=diagram,
    )
