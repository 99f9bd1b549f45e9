"""A workload as a process of its own.

    python -P -m chaos.workloads.main KIND --name framework-1 --leaders H:P,H:P \
        --seed 7 --history FILE --state FILE

It works until TERM, then ends within seconds and leaves its framework registered. USR1
tells it to *settle*: to begin nothing more, and to write ``settled`` with a list of
what is left, as soon as nothing is or when SETTLE_TIMEOUT_S are over. Told again it
settles again. Killed and started again it goes on under its framework id, and settles
at once if it was told to before.

Exit codes: 0 after TERM; 1 for a bug of its own; 2 usage.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import trio

from chaos.history.writer import HistoryWriter
from chaos.workloads.catalog import KINDS, kind_named
from chaos.workloads.interface import Surroundings, Workload
from chaos.workloads.recorder import Recorder, earlier_lives
from chaos.workloads.state_file import StateFile
from chaos.workloads.via import dial_via, parse_via
from raftleader.cli.serve import run_until_ended
from raftleader.errors import RaftLeaderError
from raftleader.framework.addresses import parse_address

SETTLE_TIMEOUT_S = 60.0
"""Tasks end within seconds, but an agent that was away comes back before."""
END_TIMEOUT_S = 5.0
"""For a last word to the cluster."""
EXIT_BUG, EXIT_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one workload; the exit code."""
    # From here on USR1 waits until somebody listens, rather than end us.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    options = _parser().parse_args(arguments)
    try:
        kind = kind_named(options.kind)
        leaders = [text.strip() for text in options.leaders.split(",")]
        for address in leaders:
            parse_address(address)
        dial_via(parse_via(options.via))
        state = StateFile(options.state)
    except RaftLeaderError as error:
        print(f"{options.name}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    lives, processes = earlier_lives(options.history)
    life = state.begin_life(at_least=lives + 1)
    with HistoryWriter(options.history) as history:
        recorder = Recorder(options.name, history, first_process=processes + 1)
        around = Surroundings(
            name=options.name,
            leaders=leaders,
            life=life,
            rng=random.Random(f"{options.seed}/{options.name}/{life}"),
            recorder=recorder,
            state=state,
            pace=options.pace,
        )
        recorder.tell(
            "began", kind=kind.name, seed=options.seed, life=life, pid=os.getpid()
        )
        try:
            return trio.run(_live, kind.make(around), around, options.die_with_fd)
        except Exception as error:
            traceback.print_exc()
            recorder.tell("crashed", message=f"{type(error).__name__}: {error}")
            return EXIT_BUG


async def _live(
    workload: Workload, around: Surroundings, lifeline_fd: int | None
) -> int:
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_settle_when_told, workload, around)
            await workload.run()

    code = await run_until_ended(work, lifeline_fd=lifeline_fd)
    figures = workload.figures()
    with trio.move_on_after(END_TIMEOUT_S):
        await workload.end()
    around.recorder.tell("ended", counts=around.recorder.summary(), figures=figures)
    return code


async def _settle_when_told(workload: Workload, around: Surroundings) -> None:
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        if around.state.is_settling:
            await _settle(workload, around)
        async for _ in signals:
            around.state.set_settling()
            await _settle(workload, around)


async def _settle(workload: Workload, around: Surroundings) -> None:
    began = trio.current_time()
    around.recorder.tell("settling")
    with trio.move_on_after(SETTLE_TIMEOUT_S):
        await workload.settle()
    took_s = round(trio.current_time() - began, 3)
    around.recorder.tell("settled", left=workload.left(), took_s=took_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos.workloads.main",
        description="Keep a cluster busy, and write down all that is asked and told.",
    )
    parser.add_argument("kind", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--name", required=True)
    parser.add_argument("--leaders", required=True, metavar="HOST:PORT,...")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--history", required=True, type=Path, metavar="FILE")
    parser.add_argument("--state", required=True, type=Path, metavar="FILE")
    parser.add_argument("--pace", type=_positive, default=1.0, metavar="FACTOR")
    parser.add_argument(
        "--via",
        action="append",
        default=[],
        metavar="HOST:PORT=HOST:PORT",
        help="for the leader on the left dial the proxy on the right",
    )
    parser.add_argument("--die-with-fd", type=int, metavar="N")
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
