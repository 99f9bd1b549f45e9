"""What a containerizer promises: it runs the processes of tasks, and says when
they are over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio

from agent.machine.effects import Signal
from agent.machine.events import ProcessExit
from agent.records import ProcessMark
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import CommandInfo


class StartError(Exception):
    """A task could not be started; nothing of it runs. The text is for its owner."""


@attrs.frozen(kw_only=True)
class Launch:
    """A task to start.

    Attributes:
        sandbox: Path of the folder to make and to run it in. It must not exist.
        data: Content of its file ``task.data``; None is no such file.
        agent_id: For the task's environment.
    """

    key: TaskKey
    command: CommandInfo
    sandbox: str
    data: bytes | None = None
    agent_id: str = ""


@attrs.frozen
class Leftover:
    """A task of a dead agent of which something may still run.

    ``mark`` is its process; None if the agent died before it could note it.
    """

    key: TaskKey
    sandbox: str
    mark: ProcessMark | None


OnExit = Callable[[TaskKey, ProcessExit], None]


class Containerizer(Protocol):
    """Runs tasks, each in a session and process group of its own."""

    async def run(
        self,
        on_exit: OnExit,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Watch over tasks until cancelled; call ``on_exit`` once for each that
        ended, after what was left of its group has been sent KILL.

        On cancellation tasks go on running, unwatched.
        """

    def start_nowait(self, launch: Launch) -> ProcessMark:
        """Make the sandbox and start the task. Raises StartError.

        Takes about a millisecond, in which the caller stands still. Its exit is
        reported later, never from within this call.
        """

    def signal_nowait(self, key: TaskKey, signal: Signal) -> None:
        """Send a signal to the whole group; nothing if the task has ended."""

    async def kill_leftovers(self, leftovers: Sequence[Leftover]) -> int:
        """Kill what still runs of these tasks; the number of processes.

        Never signals a process that is not proven to belong to one of them.
        Returns when they are gone, or have been sent KILL and do not go.
        """
