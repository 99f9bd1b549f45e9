"""Mutants of agents."""

from __future__ import annotations

from agent.machine.held import Held
from agent.machine.machine import Machine, Session
from agent.machine.tasks import TaskTable
from agent.records import Taken
from agent.status_updates import UpdateStreams
from chaos.zoo.patch import Patch, Patches
from raftleader.protocol.agent_rpc import TaskOrder


def _run_again(self: TaskTable, order: TaskOrder) -> None:
    """An agent forgets which tasks it has finished."""
    self.used.clear()
    _run(self, order)


def _take_unwritten(self: TaskTable, held: Held) -> None:
    """A task is started, and written down once it runs."""


def _take_unsynced(self: TaskTable, held: Held) -> None:
    """A task is written down, and nobody waits until it is on the disk."""
    executor_id = held.run.executor_id if held.run else None
    self.turn.records.append(Taken(*held.key, executor_id))


def _is_never_fenced(self: Machine, session: Session, term: int) -> bool:
    """Whoever says that it leads is obeyed, in whatever term."""
    return not session.cluster_id


def _send_nothing_again(self: UpdateStreams) -> None:
    """An update is sent once."""


_run = TaskTable.run

MUTANTS: Patches = {
    "relaunch-finished-task": (Patch(TaskTable, "run", _run_again),),
    "start-before-it-is-written": (Patch(TaskTable, "take", _take_unwritten),),
    "forget-the-checkpoint-sync": (Patch(TaskTable, "take", _take_unsynced),),
    "obey-old-orders": (Patch(Machine, "_is_fenced", _is_never_fenced),),
    "say-updates-once": (
        Patch(UpdateStreams, "tick", _send_nothing_again),
        Patch(UpdateStreams, "send_everything_again", _send_nothing_again),
    ),
}
