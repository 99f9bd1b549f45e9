"""Judges a run by what lies in its folder: each promise for itself."""

from __future__ import annotations

from pathlib import Path

from chaos.judging.check import Check, NotJudgedError
from chaos.judging.checks import (
    answers,
    clients,
    end,
    enough,
    log,
    nodes,
    offers,
    tasks,
)
from chaos.judging.evidence import Evidence
from chaos.judging.figures import figures_of
from chaos.judging.judgement import Judged, Judgement

CHECKS: tuple[Check, ...] = (
    *log.CHECKS,
    *answers.CHECKS,
    *tasks.CHECKS,
    *offers.CHECKS,
    *clients.CHECKS,
    *end.CHECKS,
    *nodes.CHECKS,
    *enough.CHECKS,
)


def judge(folder: Path) -> Judgement:
    """What is to be said of the run in ``folder``; nothing in it is changed.

    Raises nothing for what it finds there: what cannot be read, and a check that
    fails, make checks unknown, which the verdict then is, if nothing is invalid.
    """
    evidence = Evidence(folder)
    results: list[Judged] = []
    not_judged: dict[str, str] = {}
    for check in CHECKS:
        try:
            results.append(check.judge(evidence))
        except NotJudgedError as why:
            not_judged[check.name] = str(why)
    return Judgement.of(results, figures_of(evidence, not_judged))
