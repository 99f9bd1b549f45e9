"""A clean stop: all tasks and executors are ended, and that is on disk before we go."""

from __future__ import annotations

from collections.abc import Callable

import trio

from agent.machine.events import GraceOver, StopOrdered
from agent.machine.held import Stage
from agent.performer import Performer

GOODBYE_TIMEOUT_S = 1.0
"""After the last task has ended, how long a stopping agent waits for the leader to
confirm the ends. They are on disk: what is not confirmed is sent at the next start."""

KILL_TIMEOUT_S = 2.0
"""After KILL, how long a stopping agent waits for processes the kernel holds."""


async def stop_tasks(performer: Performer) -> None:
    """End everything and wait until the ends are noted; bounded."""
    table = performer.machine.tasks
    rows = performer.machine.executors.rows
    performer.inbox.post_nowait(StopOrdered())

    async def wait_until(is_done: Callable[[], bool], timeout_s: float) -> None:
        with trio.move_on_after(timeout_s):
            while not is_done():
                await performer.turned.wait()

    def is_all_ended() -> bool:
        return performer.machine.is_stopping and all(
            [
                *(held.stage is Stage.ENDED for held in table.held.values()),
                *(row.report is not None for row in rows.values()),
            ]
        )

    await wait_until(is_all_ended, performer.config.stop_grace_s)
    for key in table.held:
        performer.inbox.post_nowait(GraceOver(key))
    for row in rows.values():
        performer.inbox.post_nowait(GraceOver(row.run))
    await wait_until(is_all_ended, KILL_TIMEOUT_S)
    if performer.machine.is_registered:
        await wait_until(lambda: not (table.held or rows), GOODBYE_TIMEOUT_S)
