"""A scripted leader: what ``raftleader.leader`` does in trio, from the same state.

It decides with the same pure parts (allocator, filters, queries, the comparison with
an agent's tasks) and keeps the same promises; it only has no tasks of its own: each
turn of its node calls it. Like the real one it is made anew for each term, from
nothing but the state.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from chaos.sim.fast.leader_agents import AgentDuties
from chaos.sim.fast.leader_streams import Streams
from raftleader.allocator.drf import DrfAllocator
from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.takers import Takers
from raftleader.allocator.view import build_view
from raftleader.errors import NotLeaderError, RaftLeaderError
from raftleader.protocol.ids import AgentId, NodeId
from raftleader.protocol.offers import Launch
from raftleader.protocol.resources import Resources
from raftleader.state.commands import (
    AcceptOffers,
    BeginTerm,
    Command,
    DeclineOffers,
    Entry,
    GrantOffers,
    MarkUnreachable,
    PassTime,
    ReviveRoles,
    SubscribeFramework,
    encode_entry,
)
from raftleader.state.outcomes import Accepted, Applied, Outcome, Refusal, Rejected
from raftleader.state.queries import next_deadline_ms

if TYPE_CHECKING:
    from chaos.sim.fast.node_life import NodeLife

Told = Callable[[Outcome | RaftLeaderError, int], None]
"""``told(outcome, index)``: how a command ended; the index of its entry, or 0."""

BATCHES_IN_FLIGHT = 4
BATCH_SPACING_S = 0.002
GATHERING_S = (0.0, 0.05, 0.15)
"""A busy leader finds many commands waiting. Ours are few, so it waits for them."""
LOOK_S = 1.0
"""Between two looks at everything that no entry announces: filters that ended,
deadlines, silent agents, messages to be sent again."""
RETRY_S = 0.1
OFFER_TIMEOUT_S = 15.0
AGENT_TIMEOUT_S = 4.0


@attrs.define(eq=False)
class _Waiting:
    command: Command
    told: Told | None


class LeaderTerm:
    """One term of one node.

    Attributes:
        is_active: Its BeginTerm is applied here: it serves.
        is_over: It leads no more; nothing it still hears matters.
    """

    def __init__(self, node: NodeLife, term: int, rng: random.Random) -> None:
        self.node = node
        self.term = term
        self.state = node.machine.state
        self.is_active = False
        self.is_over = False
        self.agents = AgentDuties(self)
        self.streams = Streams(self, rng)
        self._rng = rng
        self._gathering_s = rng.choice(GATHERING_S)
        self._allocator = DrfAllocator()
        self._filters = ShortFilters()
        self._takers = Takers()
        self._waiting: list[_Waiting] = []
        self._in_flight = 0
        self._last_batch_s = float("-inf")
        self._is_flush_due = False
        self._changed: set[AgentId] = set()
        self._all_changed = True
        self._is_granting = False
        self._is_allocation_due = False
        self._is_time_passing = False
        self._began_s = 0.0
        self._begin()

    # --- proposals ------------------------------------------------------------------

    def submit(self, command: Command, told: Told | None = None) -> None:
        """Into the log, in this order, with whatever else waits."""
        self._waiting.append(_Waiting(command, told))
        if isinstance(command, AcceptOffers | DeclineOffers):
            self._note_filter(command)
        elif isinstance(command, ReviveRoles):
            self._filters.clear_framework(command.framework_id, command.roles)
        elif isinstance(command, SubscribeFramework) and command.framework_id:
            self._filters.clear_framework(command.framework_id)
        if not self._is_flush_due and self._in_flight < BATCHES_IN_FLIGHT:
            self._is_flush_due = True
            spacing_s = BATCH_SPACING_S if self._in_flight else 0.0
            at_s = max(self._last_batch_s + spacing_s, self.node.agenda.now_s)
            self.node.at(at_s + self._gathering_s, self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        batch, self._waiting = self._waiting, []
        if not batch or self.is_over:
            return
        self._last_batch_s = self.node.agenda.now_s
        self._in_flight += 1
        entry = Entry(
            term=self.term,
            node=NodeId(self.node.name),
            now_ms=self.node.clock.now_ms(),
            commands=tuple(one.command for one in batch),
        )

        def done(result: object, error: Exception | None) -> None:
            self._in_flight -= 1
            self._settle(batch, result, error)

        self.node.asks.propose(encode_entry(entry), done)

    def _settle(
        self, batch: list[_Waiting], result: object, error: Exception | None
    ) -> None:
        if error is not None:
            assert isinstance(error, RaftLeaderError), error
            for one in batch:
                if one.told is not None:
                    one.told(error, 0)
        else:
            assert isinstance(result, Applied), result
            for one, outcome in zip(batch, result.outcomes, strict=True):
                if one.told is None:
                    continue
                if (
                    isinstance(outcome, Rejected)
                    and outcome.refusal is Refusal.STALE_TERM
                ):
                    one.told(NotLeaderError(None), 0)
                else:
                    one.told(outcome, result.index)
        if self._waiting and not self._is_flush_due and not self.is_over:
            self._is_flush_due = True
            self.node.at(self._last_batch_s + BATCH_SPACING_S, self._flush)

    def _begin(self) -> None:
        if self.is_over:
            return

        def told(outcome: Outcome | RaftLeaderError, index: int) -> None:
            if self.is_over or self.is_active:
                return
            if not isinstance(outcome, Accepted):
                self.node.after(RETRY_S, self._begin)
                return
            self.is_active = True
            self._began_s = self.node.agenda.now_s
            self.node.judge.began_term(self.node.name, self.term)
            self.agents.begin()
            self._look()

        self.submit(BeginTerm(http_address=self.node.name), told)

    # --- what follows from the state ------------------------------------------------

    def applied(self, applied: Applied) -> None:
        """An entry was applied here while we are active."""
        touched = applied.touched
        self.streams.applied(touched)
        self.agents.applied(touched)
        if touched.agents:
            self._changed.update(touched.agents)
            self._allocate_soon()

    def end(self) -> None:
        """Leadership is lost: what waits was never proposed."""
        self.is_over, self.is_active = True, False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.told is not None:
                one.told(NotLeaderError(None), 0)
        self.streams.end()
        self.agents.end()

    def look_at_all(self) -> None:
        """Something may be offered that could not be before."""
        self._all_changed = True
        self._allocate_soon()

    def _look(self) -> None:
        if self.is_over:
            return
        self._all_changed = True
        self._allocate()
        deadline_ms = next_deadline_ms(self.state)
        now_ms = self.node.clock.now_ms()
        if deadline_ms is not None and deadline_ms <= now_ms:
            self._pass_time()
        silent = self.agents.silent(self._began_s, AGENT_TIMEOUT_S)
        if silent:
            self.submit(MarkUnreachable(agent_ids=silent))
        self.agents.look()
        self.streams.look()
        self.node.after(LOOK_S, self._look)

    def _pass_time(self) -> None:
        if self._is_time_passing:
            return
        self._is_time_passing = True

        def told(outcome: Outcome | RaftLeaderError, index: int) -> None:
            self._is_time_passing = False

        self.submit(PassTime(), told)

    # --- allocation -----------------------------------------------------------------

    def _allocate_soon(self) -> None:
        if not self._is_allocation_due and not self._is_granting:
            self._is_allocation_due = True
            self.node.after(0.005, self._allocate)

    def _allocate(self) -> None:
        self._is_allocation_due = False
        if self._is_granting or self.is_over:
            return
        changed, self._changed = self._changed, set()
        candidates = None if self._all_changed else changed
        self._all_changed = False
        view = build_view(
            self.state,
            connected_agents=self.agents.by_agent.keys(),
            streaming_frameworks=self.streams.by_framework.keys(),
            short_filters=self._filters,
            candidates=candidates,
            takers=self._takers,
        )
        now_ms = self.node.clock.now_ms()
        grants = self._allocator.allocate(view, now_ms, self._rng).grants
        if not grants:
            return
        self._is_granting = True

        def told(outcome: Outcome | RaftLeaderError, index: int) -> None:
            self._is_granting = False
            if isinstance(outcome, RaftLeaderError):
                self._all_changed = True
            elif self._changed:
                self._allocate_soon()

        timeout_ms = round(OFFER_TIMEOUT_S * 1000)
        self.submit(GrantOffers(grants=grants, offer_timeout_ms=timeout_ms), told)

    def _note_filter(self, command: AcceptOffers | DeclineOffers) -> None:
        """The short filter of a refusal: over the offer, or what is left of it."""
        if not 0 < command.refuse_ms <= 60_000:
            return
        until_ms = self.node.clock.now_ms() + command.refuse_ms
        for offer_id in command.offer_ids:
            offer = self.state.offers.get(offer_id)
            if offer is None or offer.framework_id != command.framework_id:
                continue
            rest = offer.resources
            if isinstance(command, AcceptOffers):
                rest = _rest_of(rest, command)
            if rest:
                self._filters.add(
                    offer.framework_id, offer.role, offer.agent_id, rest, until_ms
                )


def _rest_of(rest: Resources, command: AcceptOffers) -> Resources:
    for operation in command.operations:
        for task in operation.tasks if isinstance(operation, Launch) else ():
            if rest.contains(task.resources):
                rest -= task.resources
    return rest
