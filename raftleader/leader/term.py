"""One term in which this node leads: its services, joined.

Everything here is made when the term begins, from nothing but the state, and
dropped when it ends. So no term inherits what another had in mind.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable

import attrs
import trio

from raftleader import limits
from raftleader.allocator.drf import DrfAllocator
from raftleader.allocator.interface import Allocator
from raftleader.errors import RaftLeaderError
from raftleader.leader.agent_duties import AgentDuties
from raftleader.leader.allocation import Allocation
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.event_streams import FrameworkStream
from raftleader.leader.figures import Figures, Queues
from raftleader.leader.interface import Observer
from raftleader.leader.liveness import Liveness
from raftleader.leader.proposals import Proposals
from raftleader.leader.subscriptions import Subscriptions
from raftleader.leader.tickets import PendingTicket, Settled
from raftleader.leader.timers import Timers
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.scheduler_api import LeaderInfo
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import Command, SetWeights
from raftleader.state.outcomes import Applied, Outcome


@attrs.frozen(kw_only=True)
class LeaderSettings:
    """What an operator may set of a leader's work.

    Attributes:
        weights: Of roles, in thousandths; None leaves those in the log.
        allocator: Who is offered what.
        region: Where this node stands; agents elsewhere are for REGION_AWARE
            frameworks only.
        offer_timeout_s: An unanswered offer is rescinded after this time.
        agent_timeout_s: An agent silent for so long is unreachable.
        stream_events_max: A stream with more events waiting is cut.
    """

    weights: dict[str, int] | None = None
    allocator: Allocator = attrs.field(factory=DrfAllocator)
    region: str | None = None
    offer_timeout_s: float = limits.OFFER_TIMEOUT_S
    agent_timeout_s: float = limits.AGENT_TIMEOUT_S
    agent_ping_interval_s: float = limits.AGENT_PING_INTERVAL_S
    heartbeat_interval_s: float = limits.HEARTBEAT_INTERVAL_S
    stream_events_max: int = limits.STREAM_EVENTS_MAX


class LeadingTerm:
    """The services of one term, over proposals that have proved it."""

    def __init__(
        self,
        state: ClusterState,
        *,
        term: int,
        proposals: Proposals,
        clock: ClusterClock,
        rng: random.Random,
        leader: LeaderInfo,
        settings: LeaderSettings,
        counts: Counter[str],
        figures: Figures | None = None,
    ) -> None:
        self.term = term
        self._state = state
        self._proposals = proposals
        self._settings = settings
        self._figures = figures = figures or Figures()
        figures.begin_term(state.frameworks)
        self._observers: dict[int, tuple[Observer, Callable[[], None] | None]] = {}
        self._observer_numbers = itertools.count()
        submit = proposals.submit
        self.duties = AgentDuties(
            state,
            term=term,
            submit=submit,
            connected_changed=self._look_at_all,
            tell=lambda framework_id, event: self.subscriptions.put(
                framework_id, event
            ),
            counts=counts,
        )
        self.subscriptions = Subscriptions(
            state,
            leader=leader,
            rng=rng,
            submit=submit,
            events_max=settings.stream_events_max,
            heartbeat_interval_s=settings.heartbeat_interval_s,
            counts=counts,
            figures=figures,
        )
        self._allocation = Allocation(
            state,
            allocator=settings.allocator,
            clock=clock,
            rng=rng,
            submit=submit,
            connected_agents=self.duties.connected_ids,
            streaming_frameworks=self.subscriptions.framework_ids,
            region=settings.region,
            offer_timeout_s=settings.offer_timeout_s,
            counts=counts,
            figures=figures,
        )
        figures.queues = Queues(
            commands=lambda: len(proposals),
            agents=self._allocation.waiting,
            filters=self._allocation.filters_by_role,
        )
        self._timers = Timers(state, clock=clock, submit=submit)
        self._liveness = Liveness(
            state,
            last_heard_s=self.duties.last_heard_s,
            submit=submit,
            agent_timeout_s=settings.agent_timeout_s,
            interval_s=settings.agent_ping_interval_s,
            counts=counts,
        )

    def submit(self, command: Command, told: Settled | None = None) -> PendingTicket:
        """A command of a framework's or an operator's. As ``Proposals.submit``."""
        both = _in_turn(self._allocation.told_of(command), told)
        ticket = self._proposals.submit(command, both)
        self._allocation.on_submitted(command)
        return ticket

    def open_stream(
        self, framework_id: FrameworkId, subscription: int
    ) -> FrameworkStream:
        """See ``LeaderNode.open_stream``."""
        stream = self.subscriptions.open(framework_id, subscription)
        self._look_at_all()
        return stream

    def observe(
        self, observer: Observer, ended: Callable[[], None] | None
    ) -> Callable[[], None]:
        """See ``LeaderNode.observe``."""
        number = next(self._observer_numbers)
        self._observers[number] = (observer, ended)

        def end() -> None:
            self._observers.pop(number, None)

        return end

    def on_applied(self, applied: Applied) -> None:
        """Derive effects from the rows an entry touched. On the hot path."""
        self._figures.on_applied(applied, self._state.frameworks)
        touched = applied.touched
        self.subscriptions.on_applied(touched)
        self.duties.on_applied(touched)
        self._allocation.on_applied(touched)
        self._timers.on_applied(touched)
        for observer, _ in tuple(self._observers.values()):
            observer(applied)

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Until cancelled; then every stream has ended."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.subscriptions.run)
            nursery.start_soon(self.duties.run)
            nursery.start_soon(self._allocation.run)
            nursery.start_soon(self._timers.run)
            nursery.start_soon(self._liveness.run)
            weights = self._settings.weights
            if weights is not None and weights != self._state.weights:
                self._proposals.submit(SetWeights(weights=weights))
            task_status.started()

    def close(self) -> None:
        """The term is over: streams end, sessions are left to the next leader."""
        self._figures.end_term()
        self.subscriptions.close()
        self.duties.end()
        observers, self._observers = self._observers, {}
        for _, ended in observers.values():
            if ended is not None:
                ended()

    def _look_at_all(self) -> None:
        self._allocation.look_at_all()


def _in_turn(first: Settled | None, second: Settled | None) -> Settled | None:
    if first is None or second is None:
        return first or second

    def told(result: Outcome | RaftLeaderError) -> None:
        first(result)
        second(result)

    return told
