"""What is done with a run's folder once its processes are gone: judged, and shown."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec

from chaos.history.merge import merge_histories
from chaos.judging.judgement import Judgement, judgement_as_dict
from chaos.live.outcome import Ending, Outcome
from chaos.live.run_file import (
    DRIVER_RECORDS,
    HISTORY,
    OUTCOME,
    change_run,
    read_json,
    read_run,
)
from raftleader.cli.exit_codes import one_line
from raftleader.errors import ConfigError

logger = logging.getLogger(__name__)


def gather(folder: Path, *, why_not: str = "") -> dict[str, Any]:
    """Put what the inner process left into ``run.json`` and merge the histories.

    ``why_not`` says how it ended, if it left no outcome. Returns ``run.json``.
    """
    outcome = read_outcome(folder, why_not)
    run = change_run(
        folder,
        outcome=msgspec.to_builtins(outcome),
        nodes=outcome.nodes,
        began_ns=outcome.began_ns,
        ended_ns=outcome.ended_ns,
    )
    sources = [folder / DRIVER_RECORDS, *sorted(folder.glob("workloads/*.jsonl"))]
    merge_histories(sources, folder / HISTORY)
    return run


def read_outcome(folder: Path, why_not: str = "") -> Outcome:
    """Of the inner process; one that failed if it left none."""
    try:
        return msgspec.convert(read_json(folder / OUTCOME), Outcome)
    except (ConfigError, msgspec.ValidationError) as error:
        why = why_not or f"the run left no {OUTCOME}: {one_line(error)}"
        return Outcome(ending=Ending.FAILED, why=why)


def conclude(folder: Path) -> tuple[dict[str, Any], Judgement]:
    """Judge what is in the folder; the judgement is also in ``run.json`` then.

    Raises ConfigError if it is no run's folder.
    """
    from chaos.judging.judge import judge

    run = read_run(folder)
    judgement = judge(folder)
    outcome = read_outcome(folder, str((run.get("outcome") or {}).get("why", "")))
    seen = {one.checker for one in judgement.results}
    more = [one for one in outcome.judged() if one.checker not in seen]
    judgement = Judgement.of([*judgement.results, *more], judgement.figures)
    run = change_run(folder, judgement=judgement_as_dict(judgement))
    return run, judgement


def report(folder: Path) -> Path | None:
    """Write the report of a judged run, and the index beside it. None if that failed:
    a verdict is worth something without its picture."""
    try:
        from chaos.reports import write_index, write_report

        path: Path = write_report(folder)
        write_index(folder.parent)
    except Exception:
        logger.exception("the report could not be written")
        return None
    change_run(folder, report=str(path))
    return path
