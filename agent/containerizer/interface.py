"""What a containerizer promises: it runs the processes of tasks and executors, and
says when they are over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs
import trio

from agent.environment import process_environment
from agent.machine.effects import Signal
from agent.machine.events import ProcessExit
from agent.records import ProcessKey, ProcessMark
from agent.volumes import VolumeLink
from raftleader.protocol.tasks import CommandInfo


class StartError(Exception):
    """It could not be started; nothing of it runs. The text is for its owner."""


@attrs.frozen(kw_only=True)
class Launch:
    """A task or an executor to start.

    Attributes:
        sandbox: Path of the folder to make and to run it in. It must not exist.
        data: Content of its file ``task.data``; None is no such file.
        agent_id: For its environment.
        variables: More of its environment; its command cannot override them.
        volumes: To be shown in the sandbox.
        run_sandbox: The sandbox of the executor that it is, or is a task of.
        is_fetched: Its sandbox is there, with all that its command names in it.
    """

    key: ProcessKey
    command: CommandInfo
    sandbox: str
    data: bytes | None = None
    agent_id: str = ""
    variables: Mapping[str, str] = attrs.field(factory=dict)
    volumes: tuple[VolumeLink, ...] = ()
    run_sandbox: str | None = None
    is_fetched: bool = False

    def environment(self) -> dict[str, str]:
        """All of its environment."""
        return process_environment(
            self.key,
            self.command,
            sandbox=self.sandbox,
            agent_id=self.agent_id,
            variables=self.variables,
        )


@attrs.frozen
class Leftover:
    """A task or executor of a dead agent of which something may still run.

    ``mark`` is its process; None if the agent died before it could note it.
    """

    key: ProcessKey
    sandbox: str
    mark: ProcessMark | None


OnExit = Callable[[ProcessKey, ProcessExit], None]


class Containerizer(Protocol):
    """Runs tasks and executors, each in a session and process group of its own."""

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

    async def fetch(self, launch: Launch) -> None:
        """Make the sandbox, and fetch into it what the command names. Raises
        StartError. Cancelled, nothing of the fetch goes on.

        Then it may be started, with ``is_fetched``.
        """

    def start_nowait(self, launch: Launch) -> ProcessMark:
        """Make the sandbox, unless it is fetched, and start it. Raises StartError.

        Takes about a millisecond, in which the caller stands still. Its exit is
        reported later, never from within this call.
        """

    def signal_nowait(self, key: ProcessKey, signal: Signal) -> None:
        """Send a signal to the whole group; nothing if it has ended."""

    def signal_number_nowait(self, key: ProcessKey, number: int) -> None:
        """The same for any signal, by its number."""

    async def kill_leftovers(self, leftovers: Sequence[Leftover]) -> int:
        """Kill what still runs of these; the number of processes.

        Never signals a process that is not proven to belong to one of them.
        Returns when they are gone, or have been sent KILL and do not go.
        """
