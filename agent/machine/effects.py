"""What an agent must do, as its machine decided. Values.

The records of a turn are written first, in one write, and synced if it says so;
its effects are performed after that, in order.
"""

from __future__ import annotations

import enum

import attrs

from agent.records import Identity, Record
from raftleader.protocol.agent_rpc import FromAgent, TaskOrder
from raftleader.protocol.ids import TaskKey


class Signal(enum.Enum):
    """The two signals an agent sends, by name."""

    TERM = "SIGTERM"
    KILL = "SIGKILL"


@attrs.frozen
class Send:
    """Tell the leader node behind a session."""

    session: int
    message: FromAgent


@attrs.frozen
class CloseSession:
    """Give this session up and dial again; slowly if ``is_refusal``, since then a
    person must look."""

    session: int
    problem: str
    is_refusal: bool


@attrs.frozen
class StartTask:
    """Start this task. Answered by ProcessStarted, StartFailed or StartCancelled."""

    order: TaskOrder


@attrs.frozen
class CancelStart:
    """If it still waits to be started, drop it (StartCancelled); else do nothing."""

    key: TaskKey


@attrs.frozen
class SignalTask:
    """Send a signal to all processes of a task, if it still runs."""

    key: TaskKey
    signal: Signal


@attrs.frozen
class SetTimer:
    """Report GraceOver after this time. Earlier timers of the task stay."""

    key: TaskKey
    after_ms: int


@attrs.frozen
class TaskEnded:
    """Its sandbox is of the past: cleanup may take it in due time."""

    key: TaskKey


Effect = (
    Send | CloseSession | StartTask | CancelStart | SignalTask | SetTimer | TaskEnded
)


@attrs.define
class Turn:
    """The outcome of one turn.

    Attributes:
        identity: Who the agent is from now on, if that changed: on disk first.
        records: To be written next, all in one write.
        is_sync_needed: The effects may only be performed when ``records`` have
            reached the disk.
    """

    identity: Identity | None = None
    records: list[Record] = attrs.field(factory=list)
    is_sync_needed: bool = False
    effects: list[Effect] = attrs.field(factory=list)
