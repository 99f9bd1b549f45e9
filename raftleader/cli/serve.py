"""Running something until a signal, or until whoever started us is gone."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import trio

from raftleader.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK

STOP_TIMEOUT_S = 10
"""Once our lifeline is cut nobody watches over us: then a clean stop may take so
long, and the kernel ends us."""

Service = Callable[[], Awaitable[None]]


@attrs.define
class Ending:
    """Why a service was ended; ``signal_number`` is None when it returned."""

    signal_number: int | None = None

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C; TERM, HUP and a cut lifeline are orderly ends."""
        return EXIT_INTERRUPTED if self.signal_number == signal.SIGINT else EXIT_OK


async def run_until_ended(service: Service, *, lifeline_fd: int | None = None) -> int:
    """Run ``service``; on a signal or a cut lifeline cancel it. Returns the exit code.

    Signals are INT, TERM, and HUP, which comes when a terminal is closed: folders and
    tasks must not stay behind then either. Under ``nohup`` HUP stays ignored.
    The service's own cleanup is awaited, however long it takes, unless the lifeline
    was cut: then the process ends after STOP_TIMEOUT_S at the latest.
    """
    ending = Ending()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    with trio.open_signal_receiver(*numbers) as signals:
        async with trio.open_nursery() as watchers:
            with trio.CancelScope() as scope:
                watchers.start_soon(_cancel_on_signal, signals, scope, ending)
                if lifeline_fd is not None:
                    watchers.start_soon(_cancel_on_close, lifeline_fd, scope)
                await service()
            # The watchers outlive the service's cleanup: a second Ctrl-C must not
            # break into that.
            watchers.cancel_scope.cancel()
    return ending.exit_code


async def _cancel_on_signal(
    signals: AsyncIterator[int], scope: trio.CancelScope, ending: Ending
) -> None:
    async for number in signals:
        if not scope.cancel_called:
            ending.signal_number = number
            scope.cancel()


async def _cancel_on_close(lifeline_fd: int, scope: trio.CancelScope) -> None:
    """Nobody writes to a lifeline, so it becomes readable only by its end."""
    await trio.lowlevel.wait_readable(lifeline_fd)
    signal.setitimer(signal.ITIMER_REAL, STOP_TIMEOUT_S)
    scope.cancel()
