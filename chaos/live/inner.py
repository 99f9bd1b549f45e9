"""The inner process of a run: it stands where the cluster stands, and makes the faults.

``python -P -m chaos.live.inner FOLDER`` carries out what FOLDER/run.json says, tells
of it on standard output (``messages``), and leaves FOLDER/outcome.json. The first INT
or TERM ends the faults: the cluster is healed, settles and is read. The second one ends
everything. It runs in a house (``chaos.machine.house``), which ends it with the outer
process.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

import msgspec
import trio

from chaos.live.messages import Message, encode_message
from chaos.live.outcome import Ending, Outcome
from chaos.live.plan_file import plan_of_run
from chaos.live.run_file import OUTCOME, read_run, write_json
from raftleader.cli.log_lines import set_up_logging

DRIVER_LOG = "driver.log"


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="chaos.live.inner")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    log = (folder / DRIVER_LOG).open("a", encoding="utf-8", buffering=1)
    set_up_logging("info", stream=log)
    outcome = trio.run(carry_out, folder)
    write_json(folder / OUTCOME, msgspec.to_builtins(outcome))


async def carry_out(folder: Path) -> Outcome:
    """The run that the folder's ``run.json`` plans."""
    from chaos.live.run import run_live

    plan = plan_of_run(read_run(folder))
    cut_short = trio.Event()
    outcome: Outcome | None = None
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

            async def listen() -> None:
                async for _ in signals:
                    if cut_short.is_set():
                        run_scope.cancel()
                    cut_short.set()

            with trio.CancelScope() as run_scope:
                nursery.start_soon(listen)
                outcome = await run_live(plan, folder, tell=say, cut_short=cut_short)
            nursery.cancel_scope.cancel()
    if outcome is None:
        return Outcome(ending=Ending.CUT_SHORT, why="a second signal was received")
    return outcome


def say(message: Message) -> None:
    """To whoever started us; if they are gone, to nobody."""
    try:
        sys.stdout.buffer.write(encode_message(message))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        logging.getLogger(__name__).warning("nobody listens any more")


if __name__ == "__main__":
    main()
