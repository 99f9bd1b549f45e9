"""What a leader counts, for its metrics: calls, events, ends, times.

Counted by each node for itself, while it leads, from its start on; nothing of it is in
the log, and nothing ever goes down. Who was counted how often over a failover is the
sum over all nodes. What is counted of a framework goes with the framework.

Counting is on the hot path: it is an addition to a number in a dictionary, and names
are only made of it when somebody asks.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import attrs
import trio

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.offers import Launch, OperationState
from raftleader.protocol.scheduler_api import Accept, Call, Event, Offers, Subscribe
from raftleader.protocol.tasks import Reason, Source, TaskState
from raftleader.protocol.wire.schema import labels_of
from raftleader.state.happenings import (
    AgentLost,
    OfferEnd,
    OffersEnded,
    OperationEnded,
    TaskEnded,
)
from raftleader.state.outcomes import Applied

TIMES_MAX = 1_000
"""Times kept of each kind, as in Mesos: the latest."""

_OPERATION_TYPES = frozenset(labels_of("mesos.Offer.Operation.Type"))
_JUDGED = frozenset({"acknowledge", "acknowledge_operation_status", "message"})
"""Parts of calls whose faults Mesos counts."""

EndKey = tuple[TaskState, Source, Reason]


@attrs.define(eq=False)
class Times:
    """How long something took, the latest times of it.

    Attributes:
        latest_ms: In order; TIMES_MAX at most.
    """

    latest_ms: deque[float] = attrs.field(factory=lambda: deque(maxlen=TIMES_MAX))

    def add(self, seconds: float) -> None:
        """It took so long once more."""
        self.latest_ms.append(seconds * 1000)


@attrs.define(eq=False)
class FrameworkFigures:
    """What is counted of one framework.

    Attributes:
        calls, events: By class.
        offers_sent: Offers it was sent.
        offers: Offers that ended, by how.
        operations: Performed, by Mesos' name of their type.
        ended: Its tasks, by terminal state.
    """

    calls: Counter[type] = attrs.field(factory=Counter)
    events: Counter[type] = attrs.field(factory=Counter)
    offers_sent: int = 0
    offers: Counter[OfferEnd] = attrs.field(factory=Counter)
    operations: Counter[str] = attrs.field(factory=Counter)
    ended: Counter[TaskState] = attrs.field(factory=Counter)

    def on_events(self, events: Sequence[Event]) -> None:
        """These are about to be sent to it. On the hot path."""
        counted = self.events
        for event in events:
            counted[type(event)] += 1
            if isinstance(event, Offers):
                self.offers_sent += len(event.offers)


@attrs.define(eq=False)
class Queues:
    """What waits, asked when somebody wants to know.

    Attributes:
        commands: Commands that wait to be proposed.
        agents: Agents that the allocator is to look at.
        filters: Short filters by role.
    """

    commands: Callable[[], int] = lambda: 0
    agents: Callable[[], int] = lambda: 0
    filters: Callable[[], Mapping[str, int]] = dict


@attrs.define(eq=False)
class Figures:
    """See the module docstring.

    Attributes:
        calls: Calls of all frameworks, by class, those of removed ones too.
        subscribed_anew: SUBSCRIBE calls that named no framework.
        launches, void_launches: LAUNCH operations with tasks, and without.
        invalid_calls: Calls that could not be read, by the part that was wrong.
        acknowledged: Acknowledgements of updates, by whether the agent is known;
            ``operations_acknowledged``: by whether the operation is.
        ended: Tasks by terminal state (UNREACHABLE too).
        reasons: The same by state, source and reason, if they have one.
        operations: Operations by type and how they ended.
        agents_lost, agents_gone: Unreachable; declared gone.
        frameworks: Those that called or were told something, until they are removed.
        allocation: Times of the allocator's runs; ``allocation_latency``: from the
            change that wants a run until it begins; ``commit``: from the proposal of
            an entry until it is applied; ``begin``: of a term's first entry.
    """

    calls: Counter[type] = attrs.field(factory=Counter)
    subscribed_anew: int = 0
    launches: int = 0
    void_launches: int = 0
    invalid_calls: Counter[str] = attrs.field(factory=Counter)
    acknowledged: Counter[bool] = attrs.field(factory=Counter)
    operations_acknowledged: Counter[bool] = attrs.field(factory=Counter)
    ended: Counter[TaskState] = attrs.field(factory=Counter)
    reasons: Counter[EndKey] = attrs.field(factory=Counter)
    operations: Counter[tuple[str, OperationState]] = attrs.field(factory=Counter)
    agents_lost: int = 0
    agents_gone: int = 0
    frameworks: dict[FrameworkId, FrameworkFigures] = attrs.field(factory=dict)
    allocation: Times = attrs.field(factory=Times)
    allocation_latency: Times = attrs.field(factory=Times)
    commit: Times = attrs.field(factory=Times)
    begin: Times = attrs.field(factory=Times)
    queues: Queues = attrs.field(factory=Queues)

    def of(self, framework_id: FrameworkId) -> FrameworkFigures:
        """Those of a framework that exists."""
        found = self.frameworks.get(framework_id)
        if found is None:
            found = self.frameworks[framework_id] = FrameworkFigures()
        return found

    def on_call(self, framework_id: FrameworkId, call: Call) -> None:
        """A call of a framework that exists. On the hot path."""
        kind = type(call)
        self.calls[kind] += 1
        self.of(framework_id).calls[kind] += 1
        if kind is Accept:
            assert isinstance(call, Accept)
            for operation in call.operations:
                if isinstance(operation, Launch):
                    if operation.tasks:
                        self.launches += 1
                    else:
                        self.void_launches += 1
        elif kind is Subscribe:
            assert isinstance(call, Subscribe)
            self.subscribed_anew += call.framework_id is None

    def on_invalid_call(self, path: str) -> None:
        """A call could not be read because of this field."""
        name = path.partition(".")[0]
        if name in _JUDGED:
            self.invalid_calls[name] += 1

    def on_applied(self, applied: Applied, known: Container[FrameworkId]) -> None:
        """What an entry did, while this node leads. On the hot path.

        ``known`` are the frameworks that exist afterwards.
        """
        for framework_id in applied.touched.frameworks:
            if framework_id not in known:
                self.frameworks.pop(framework_id, None)
        for one in applied.happened:
            match one:
                case TaskEnded():
                    self._count_end(one, known)
                case OffersEnded():
                    if one.framework_id in known:
                        self.of(one.framework_id).offers[one.end] += one.count
                case OperationEnded():
                    if one.type not in _OPERATION_TYPES:
                        continue  # a framework may write anything there
                    self.operations[one.type, one.state] += 1
                    is_done = one.state is OperationState.FINISHED
                    if is_done and one.framework_id in known:
                        self.of(one.framework_id).operations[one.type] += 1
                case AgentLost():
                    self.agents_gone += one.is_gone
                    self.agents_lost += not one.is_gone

    def begin_term(self, frameworks: Iterable[FrameworkId]) -> None:
        """This node leads from now on; all but these were removed meanwhile."""
        kept = set(frameworks)
        for framework_id in [one for one in self.frameworks if one not in kept]:
            del self.frameworks[framework_id]

    def end_term(self) -> None:
        """Nothing waits here any more."""
        self.queues = Queues()

    def _count_end(self, ended: TaskEnded, known: Container[FrameworkId]) -> None:
        status = ended.status
        state = status.state
        self.ended[state] += 1
        if status.reason is not None:
            self.reasons[state, status.source, status.reason] += 1
        if state.is_terminal and ended.framework_id in known:
            self.of(ended.framework_id).ended[state] += 1


@attrs.define(eq=False)
class Watch:
    """How long it is since something was wanted; the earliest wish counts."""

    times: Times
    _since_s: float | None = attrs.field(default=None, init=False)

    def want(self) -> None:
        """It is wanted now, if it was not already. On the hot path."""
        if self._since_s is None:
            self._since_s = trio.current_time()

    def begin(self) -> None:
        """It begins."""
        if self._since_s is not None:
            self.times.add(trio.current_time() - self._since_s)
            self._since_s = None
