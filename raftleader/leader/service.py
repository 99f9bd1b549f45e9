"""A leader node: it follows, or it leads, as the log says.

``run`` is a loop over leadership. To lead is to commit BeginTerm, which proves the
term and fences the leaders before, and then to run the services of the term until
leadership is lost. A deposed leader has nothing to undo: what it proposed in vain
is answered as such, and what it sends late carries an old term.
"""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import trio
from msgspec.structs import replace

from raftleader.errors import NotLeaderError, RaftLeaderError
from raftleader.leader.agent_sessions import AgentSessions
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.figures import Figures
from raftleader.leader.interface import EventStream, Observer, Ticket
from raftleader.leader.operation_answers import operation_answers
from raftleader.leader.proposals import Proposals
from raftleader.leader.replica import Replica
from raftleader.leader.term import LeaderSettings, LeadingTerm
from raftleader.leader.tickets import Settled
from raftleader.limits import PROPOSE_TIMEOUT_S
from raftleader.loop_lag import LoopLag
from raftleader.protocol.agents import Domain
from raftleader.protocol.ids import AgentId, FrameworkId, NodeId
from raftleader.protocol.scheduler_api import (
    LeaderInfo,
    OperationUpdate,
    ReconcileOperation,
    ReconcileTask,
    Update,
)
from raftleader.protocol.served import MESOS_VERSION
from raftleader.replication.interface import (
    Leadership,
    LogStatistics,
    Reconfigurable,
    ReplicatedLog,
)
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import BeginTerm, Command
from raftleader.state.outcomes import Accepted
from raftleader.state.queries import implicit_reconciliation, reconciliation_status

BEGIN_RETRY_S = 0.1
"""Between two attempts to begin a term that the log still says is ours."""

_log = logging.getLogger(__name__)


class LeaderService:
    """The ``LeaderNode`` that the HTTP API talks to. ``run`` it once.

    Attributes:
        http_address: ``HOST:PORT`` under which clients reach this node; may be set
            until the log runs.
        counts: What happened since the start, by name, for metrics.
        loop_lag: How late the event loop is.
        figures: What this node counted while it led.
    """

    def __init__(
        self,
        log: ReplicatedLog,
        *,
        replica: Replica,
        clock: ClusterClock,
        sessions: AgentSessions,
        node_id: str,
        http_address: str,
        rng: random.Random,
        settings: LeaderSettings,
        domain: Domain | None = None,
        counts: Counter[str] | None = None,
        loop_lag: LoopLag | None = None,
    ) -> None:
        """``log`` was given ``replica.apply``; ``sessions`` looks at its state.

        ``domain`` is where the node stands, for frameworks to know.
        """
        self.counts: Counter[str] = counts if counts is not None else Counter()
        self.loop_lag = loop_lag or LoopLag(math.inf)
        self.figures = Figures()
        self._log = log
        self._replica = replica
        self._clock = clock
        self._sessions = sessions
        self._node_id = node_id
        self.http_address = http_address
        self._rng = rng
        self._settings = settings
        self._domain = domain
        self._term: LeadingTerm | None = None
        self._started_s = trio.current_time()
        self._started_ms: int | None = None
        self._elected_ms: int | None = None

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Follow and lead until cancelled. The log must be running."""
        task_status.started()
        while True:
            seen = self._log.leadership
            if seen.leading:
                await self._lead(seen)
            else:
                await self._log.wait_leadership_changed(seen)

    async def _lead(self, leadership: Leadership) -> None:
        """Return when this leadership is lost."""
        proposals = Proposals(
            self._log,
            node_id=NodeId(self._node_id),
            term=leadership.term,
            clock=self._clock,
            leader=lambda: self.leader_address,
            commit_times=self.figures.commit,
        )
        begun_s = trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_lost, leadership, nursery)
                await nursery.start(proposals.run)
                await self._begin_term(proposals)
                term = LeadingTerm(
                    self.state,
                    term=leadership.term,
                    proposals=proposals,
                    clock=self._clock,
                    rng=self._rng,
                    leader=self._leader_info(),
                    settings=self._settings,
                    counts=self.counts,
                    figures=self.figures,
                )
                self.figures.begin.add(trio.current_time() - begun_s)
                # No checkpoint since BeginTerm was applied: the term's services
                # have seen the state, and from here on hear of every change.
                self._term = term
                self._elected_ms = self._clock.now_ms()
                self._replica.listen(term.on_applied)
                self._sessions.begin_term(term.duties)
                self.counts["terms_led"] += 1
                _log.info("leading", extra={"term": leadership.term})
                nursery.start_soon(term.run)
        finally:
            ended, self._term = self._term, None
            self._replica.listen(None)
            self._sessions.end_term()
            if ended is not None:
                ended.close()
                _log.info("leading no more", extra={"term": leadership.term})
            proposals.close()

    async def _cancel_when_lost(
        self, leadership: Leadership, nursery: trio.Nursery
    ) -> None:
        current = leadership
        while current.leading and current.term == leadership.term:
            current = await self._log.wait_leadership_changed(current)
        nursery.cancel_scope.cancel()

    async def _begin_term(self, proposals: Proposals) -> None:
        """Repeats until it is committed; when leadership is lost, we are cancelled."""
        while True:
            try:
                command = BeginTerm(http_address=self.http_address)
                outcome = await proposals.submit(command).wait()
            except RaftLeaderError:
                await trio.sleep(BEGIN_RETRY_S)
                continue
            assert isinstance(outcome, Accepted), outcome
            return

    # --- LeaderNode ------------------------------------------------------------

    @property
    def state(self) -> ClusterState:
        return self._replica.state

    @property
    def node_id(self) -> str:
        return self._node_id

    @property
    def leadership(self) -> Leadership:
        seen, ours = self._log.leadership, self._term
        if ours is not None and not (seen.leading and seen.term == ours.term):
            # The log knows of the next term; ours is still being wound up.
            return Leadership(term=ours.term, leader=self._node_id, leading=True)
        if seen.leading and ours is None:
            return Leadership(term=seen.term, leader=seen.leader, leading=False)
        return seen  # as nearly always, and asked with every call

    @property
    def leader_address(self) -> str | None:
        if self._term is not None:
            return self.http_address
        leader = self._log.leadership.leader
        if leader is None or leader == self._node_id or leader != self.state.leader:
            return None  # nobody, or not yet ready to be sent to
        return self.state.leader_http or None

    def statistics(self) -> LogStatistics:
        return self._log.statistics()

    @property
    def group(self) -> Reconfigurable | None:
        return self._log if isinstance(self._log, Reconfigurable) else None

    def submit(self, command: Command, told: Settled | None = None) -> Ticket:
        return self._leading().submit(command, told)

    async def barrier(self) -> None:
        self._leading()
        try:
            await self._log.barrier(timeout_s=PROPOSE_TIMEOUT_S)
        except NotLeaderError:
            raise NotLeaderError(self.leader_address) from None

    def open_stream(self, framework_id: FrameworkId, subscription: int) -> EventStream:
        return self._leading().open_stream(framework_id, subscription)

    def stream_of(self, framework_id: FrameworkId) -> EventStream | None:
        term = self._term
        return term.subscriptions.get(framework_id) if term is not None else None

    async def reconcile(
        self, framework_id: FrameworkId, tasks: Sequence[ReconcileTask]
    ) -> None:
        await self.barrier()
        framework = self.state.frameworks.get(framework_id)
        subscriptions = self._leading().subscriptions
        if framework is None:
            return
        if tasks:
            statuses = tuple(
                reconciliation_status(self.state, framework, t.task_id, t.agent_id)
                for t in tasks
            )
        else:
            statuses = implicit_reconciliation(self.state, framework)
        now_ms = self._clock.now_ms()
        for status in statuses:
            if not status.timestamp_ms:
                status = replace(status, timestamp_ms=now_ms)
            subscriptions.put(framework_id, Update(status=status))

    async def reconcile_operations(
        self, framework_id: FrameworkId, operations: Sequence[ReconcileOperation]
    ) -> None:
        await self.barrier()
        subscriptions = self._leading().subscriptions
        framework = self.state.frameworks.get(framework_id)
        if framework is None:
            return
        for status in operation_answers(self.state, framework_id, operations):
            subscriptions.put(framework_id, OperationUpdate(status=status))

    def send_to_executor(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        executor_id: str,
        data: bytes,
    ) -> None:
        if self._term is not None:
            self._term.duties.send_to_executor(
                framework_id, agent_id, executor_id, data
            )

    def observe(
        self, observer: Observer, *, ended: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        return self._leading().observe(observer, ended)

    def agent_is_connected(self, agent_id: str) -> bool:
        term = self._term
        return term is not None and term.duties.is_connected(AgentId(agent_id))

    def agent_silent_s(self, agent_id: str) -> float | None:
        term = self._term
        heard_s = term.duties.last_heard_s(AgentId(agent_id)) if term else None
        return None if heard_s is None else trio.current_time() - heard_s

    @property
    def started_ms(self) -> int:
        if self._started_ms is None:
            # Not at the start: cluster time is unknown until the log was read.
            age_ms = int((trio.current_time() - self._started_s) * 1000)
            self._started_ms = self._clock.now_ms() - age_ms
        return self._started_ms

    @property
    def elected_ms(self) -> int | None:
        return self._elected_ms if self._term is not None else None

    def events_counted(self) -> Mapping[str, int]:
        """What happened since the start: streams and sessions cut, offers made..."""
        return dict(self.counts)

    def _leading(self) -> LeadingTerm:
        if self._term is None:
            raise NotLeaderError(self.leader_address)
        return self._term

    def _leader_info(self) -> LeaderInfo:
        host, _, port = self.http_address.rpartition(":")
        return LeaderInfo(
            id=self._node_id,
            hostname=host,
            ip=host,
            port=int(port),
            version=MESOS_VERSION,
            domain=self._domain,
        )
