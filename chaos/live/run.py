"""A run on real processes, from its plan to its outcome, in this process.

What is opened here (network, disks, cluster) is closed again in the opposite order,
however the run ends.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import trio

from chaos.history.writer import HistoryWriter
from chaos.live.messages import Note
from chaos.live.opening import nemeses_here, nodes_of, open_world
from chaos.live.outcome import Ending, Outcome
from chaos.live.pages import HttpPages
from chaos.live.phases import Phases, Tell
from chaos.live.plan_file import RunPlan
from chaos.live.run_file import DRIVER_RECORDS
from chaos.live.watcher import STATUS_TIMEOUT_S, Watcher
from raftleader.cli.exit_codes import one_line, sole_error
from raftleader.errors import RaftLeaderError

logger = logging.getLogger(__name__)


async def run_live(
    plan: RunPlan, folder: Path, *, tell: Tell, cut_short: trio.Event
) -> Outcome:
    """Carry out ``plan``; what came of it. Records are in ``folder`` afterwards.

    Whatever keeps the run from its end is in the outcome, bugs of the run itself too,
    so that what was seen until then is judged.
    """
    outcome = Outcome()
    with HistoryWriter(folder / DRIVER_RECORDS) as journal:
        outcome.began_ns = journal.now_ns()
        try:
            async with open_world(plan, folder, journal) as world:
                outcome.nodes = nodes_of(world)
                cluster = world.cluster
                ask = partial(cluster.client.status_of, timeout_s=STATUS_TIMEOUT_S)
                phases = Phases(
                    world=world,
                    watcher=Watcher(cluster=cluster, journal=journal, ask=ask),
                    pages=HttpPages(cluster.client),
                    nemeses=nemeses_here(plan.disks),
                    schedule=plan.schedule,
                    shape=plan.shape,
                    faults_s=plan.request.for_s,
                    tell=tell,
                    cut_short=cut_short,
                    outcome=outcome,
                )
                await phases.run()
        except Exception as error:
            cause = sole_error(error)
            outcome.ending, outcome.why = Ending.FAILED, one_line(cause)
            if not isinstance(cause, (RaftLeaderError, OSError)):
                logger.exception("a bug of the run itself")
                outcome.why = f"{type(cause).__name__}: {outcome.why}"
            tell(Note(text=outcome.why, is_problem=True))
        finally:
            outcome.ended_ns = journal.now_ns()
    return outcome
