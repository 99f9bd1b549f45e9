"""Judges a run by what lies in its folder: each promise for itself."""

from __future__ import annotations

from pathlib import Path

from chaos.judging.check import NOTHING_SEEN, Check, NotJudgedError
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
from raftleader.errors import ConfigError

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
            result = check.judge(evidence)
        except NotJudgedError as why:
            not_judged[check.name] = str(why)
            continue
        if _is_unasked(result, evidence):
            not_judged[check.name] = NOTHING_SEEN
        else:
            results.append(result)
    return Judgement.of(results, figures_of(evidence, not_judged))


def _is_unasked(result: Judged, evidence: Evidence) -> bool:
    """Whether nothing was seen in a test with a cluster, which sets out to show some
    things and not others. In a run all must be shown."""
    if [one.text for one in result.problems] != [NOTHING_SEEN]:
        return False
    try:
        return "test" in evidence.run
    except ConfigError:
        return False
