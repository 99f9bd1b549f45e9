"""What the HTTP API sees of a leader node. ``service.py`` implements it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from raftleader.leader.figures import Figures
from raftleader.leader.tickets import Settled
from raftleader.loop_lag import LoopLag
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.scheduler_api import (
    Event,
    ReconcileOperation,
    ReconcileTask,
)
from raftleader.replication.interface import Leadership, LogStatistics, Reconfigurable
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import Command
from raftleader.state.outcomes import Applied, Outcome

Observer = Callable[[Applied], None]
"""Hears of an entry that was just applied. Must not block, raise or await."""


class Ticket(Protocol):
    """A command on its way into the log."""

    async def wait(self) -> Outcome:
        """Its outcome, once committed and applied here.

        Raises NotLeaderError, OverloadedError (definite) or OutcomeUnknownError,
        within PROPOSE_TIMEOUT_S. May be called by one task, once.
        """


class EventStream(Protocol):
    """One framework's events, in order, bounded."""

    @property
    def stream_id(self) -> str:
        """What the framework must send as ``Mesos-Stream-Id``."""

    async def receive(self) -> Sequence[Event]:
        """At least one event, with others that wait: so many as may be encoded in
        one go, and never one that is true no more.

        Heartbeats are among them. Raises trio.EndOfChannel when the stream is
        over (failed over, torn down, too slow, leadership lost); what is due
        before the end (ERROR) has been received by then.
        """

    def close(self) -> None:
        """The client is gone. Its failover timeout begins. Idempotent."""


class LeaderNode(Protocol):
    """A leader node, leading or not."""

    @property
    def state(self) -> ClusterState:
        """The local replica; to be read only, and only between awaits."""

    @property
    def node_id(self) -> str:
        """This node's name among the leaders."""

    @property
    def http_address(self) -> str:
        """``HOST:PORT`` under which clients reach this node."""

    @property
    def leadership(self) -> Leadership:
        """``leading`` is true once this node's BeginTerm is applied."""

    @property
    def leader_address(self) -> str | None:
        """``HOST:PORT`` of the current leader's API, or None while unknown."""

    def statistics(self) -> LogStatistics:
        """The log's counters."""

    @property
    def loop_lag(self) -> LoopLag:
        """How late the event loop is."""

    @property
    def figures(self) -> Figures:
        """What this node counted while it led, to be read, and added to by whoever
        serves frameworks."""

    def events_counted(self) -> Mapping[str, int]:
        """What happened since the start, by name."""

    @property
    def group(self) -> Reconfigurable | None:
        """The members of the log, if its engine can change them."""

    def submit(self, command: Command, told: Settled | None = None) -> Ticket:
        """Put a command in the queue, in order. Never blocks.

        ``told`` hears how it ends, as ``Ticket.wait`` would; it costs no task.
        Raises NotLeaderError or OverloadedError.
        """

    async def barrier(self) -> None:
        """Afterwards ``state`` includes everything answered before the call.

        Raises like ``Ticket.wait``.
        """

    def open_stream(self, framework_id: FrameworkId, subscription: int) -> EventStream:
        """The event stream of an accepted subscription.

        An older stream of the framework gets ERROR ``Framework failed over`` and
        ends. Its first events are SUBSCRIBED and HEARTBEAT, then every
        outstanding offer, remembered rescinds and every first pending update.
        """

    def stream_of(self, framework_id: FrameworkId) -> EventStream | None:
        """The open stream, or None: then the framework is not subscribed."""

    async def reconcile(
        self, framework_id: FrameworkId, tasks: Sequence[ReconcileTask]
    ) -> None:
        """Put the answers (UPDATE without uuid) on the framework's stream.

        Passes a barrier first. Raises like ``Ticket.wait``.
        """

    async def reconcile_operations(
        self, framework_id: FrameworkId, operations: Sequence[ReconcileOperation]
    ) -> None:
        """Put the answers (UPDATE_OPERATION_STATUS without uuid) on the framework's
        stream; of all known operations if none is named.

        Passes a barrier first. Raises like ``Ticket.wait``.
        """

    def send_to_executor(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        executor_id: str,
        data: bytes,
    ) -> None:
        """Pass a scheduler's message on, once: it may be lost, and is dropped at once
        when the agent has no session here or reads too slowly. Never raises."""

    def observe(
        self, observer: Observer, *, ended: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        """Call ``observer`` after each entry applied from now on in this term.

        It is called synchronously, when ``state`` has the entry and before anything
        else is applied: what it needs of the rows touched it must copy. ``ended`` is
        called once when this node leads no more. The function returned ends it
        earlier, without that call; it is idempotent. Raises NotLeaderError.
        """

    def agent_is_connected(self, agent_id: str) -> bool:
        """Whether the agent has a session with this node right now."""

    def agent_silent_s(self, agent_id: str) -> float | None:
        """Seconds since the agent's last sign of life in this term; None if it gave
        none yet, or this node does not lead."""

    @property
    def started_ms(self) -> int:
        """Wall time of this node's start."""

    @property
    def elected_ms(self) -> int | None:
        """Wall time at which this node began to lead; None while it does not."""
