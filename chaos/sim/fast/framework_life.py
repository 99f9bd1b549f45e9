"""One life of a framework: the real session machine, and what it does with offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chaos.sim.fast.calls import Answered, Unserved
from chaos.sim.fast.framework_calls import Calls
from chaos.sim.fast.framework_news import take_news
from chaos.sim.fast.network import Connection
from raftleader.framework.session import Phase, Probe, Session
from raftleader.protocol.ids import AgentId, OfferId
from raftleader.protocol.offers import Offer
from raftleader.protocol.scheduler_api import (
    Acknowledge,
    Decline,
    Error,
    Offers,
    Reconcile,
    ReconcileOperations,
    Rescind,
    Revive,
    Subscribe,
    Subscribed,
    Suppress,
    Update,
)

if TYPE_CHECKING:
    from chaos.sim.fast.framework import SimFramework

STREAM, CALLS = "stream", "calls"
"""Kinds of connections."""
LOOK_S = 1.0
SUBSCRIBE_TIMEOUT_S = 5.0
HOLD_S, KEEP = 7.0, 2
"""When things are to end a framework keeps so many offers, and more for so long."""
DECLINE_PROBABILITY = 0.02
REFUSE_MS = (1_000, 5_000, 20_000, 90_000)
RECONCILE_PROBABILITY = 0.05
SUPPRESS_PROBABILITY = 0.008


class FrameworkLife:
    """See the module.

    Attributes:
        held: Offers that are out and unanswered, with the time they came.
        calls: What it asks of the leader.
    """

    def __init__(self, framework: SimFramework) -> None:
        self.framework = framework
        self.name = framework.name
        self.is_alive = False
        self.hangs_until_s = 0.0
        self.held: dict[OfferId, tuple[Offer, float]] = {}
        self.session = Session(
            framework.nodes, framework.rng, framework_id=framework.id
        )
        self._stream: Connection | None = None
        self.calls = Calls(self)
        self._seeking = 0
        self._is_probing = False
        self._is_suppressed = False

    def begin(self) -> None:
        self.is_alive = True
        self._pump()
        self.after(LOOK_S * self.framework.rng.random(), self._look)

    def die(self) -> None:
        if self.is_alive:
            self.framework.network.died(self)

    def hang(self, seconds: float) -> None:
        """Do nothing for so long; what comes meanwhile waits."""
        self.hangs_until_s = self.framework.agenda.now_s + seconds

    @property
    def is_subscribed(self) -> bool:
        return self.is_alive and self.session.phase is Phase.SUBSCRIBED

    def after(self, delay_s: float, act: Callable[..., object], *args: Any) -> None:
        self.framework.agenda.after(delay_s, self._if_alive, act, args)

    def _if_alive(self, act: Callable[..., object], args: tuple[Any, ...]) -> None:
        if not self.is_alive:
            return
        if self.framework.agenda.now_s < self.hangs_until_s:
            self.framework.agenda.at(self.hangs_until_s, self._if_alive, act, args)
            return
        act(*args)

    # --- seeking --------------------------------------------------------------------

    def _pump(self) -> None:
        """Go on with whatever the session wants next."""
        self._seeking += 1
        self._seek(self._seeking)

    def _seek(self, number: int) -> None:
        if number != self._seeking:
            return
        session, now_s = self.session, self.framework.agenda.now_s
        while session.phase is Phase.SEEKING:
            step = session.next_step(now_s)
            if not isinstance(step, Probe):
                self.after(step.until_s - now_s, self._seek, number)
                return
            self._ask(step.address)
        if session.phase is Phase.SUBSCRIBING:
            self._subscribe()
        elif session.phase is Phase.ENDED:
            self._end()

    def _ask(self, address: str) -> None:
        def answered(answer: tuple[int, str | None] | None) -> None:
            if not self.is_alive:
                return
            now_s = self.framework.agenda.now_s
            if answer is None:
                self.session.probe_failed(address, now_s)
            else:
                self.session.probe_answered(address, answer[0], answer[1], now_s)
            if self.session.phase in (Phase.SEEKING, Phase.SUBSCRIBING) and (
                self._stream is None
            ):
                self._pump()

        self.framework.network.ask(self, address, answered)

    def _subscribe(self) -> None:
        if self._stream is not None:
            return
        address = self.session.leader
        assert address is not None
        number = self._seeking = self._seeking + 1

        def done(connection: Connection | None) -> None:
            if self.session.phase is not Phase.SUBSCRIBING or number != self._seeking:
                if connection is not None:
                    self.framework.network.close(connection, 0)
                return
            now_s = self.framework.agenda.now_s
            if connection is None:
                self.session.subscribe_failed(now_s, may_happen=False)
                self._pump()
                return
            self._stream = connection
            call = Subscribe(
                framework_info=self.framework.info, framework_id=self.framework.id
            )
            self.framework.network.send(connection, 0, call)
            self.after(SUBSCRIBE_TIMEOUT_S, self._give_up, connection)

        self.framework.network.dial(self, address, STREAM, done=done)

    def _give_up(self, connection: Connection) -> None:
        if self._stream is connection and self.session.phase is Phase.SUBSCRIBING:
            self.lose()

    def _end(self) -> None:
        """The session cannot go on: this instance is over."""
        framework = self.framework
        if "removed" in str(self.session.error):
            framework.removed()
        elif framework.life is self:
            self.die()
            framework.agenda.after(0.1, framework.start)
        else:
            self.die()

    # --- the stream -----------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        raise AssertionError("nobody dials a framework")

    def received(self, connection: Connection, message: Any) -> None:
        now_s = self.framework.agenda.now_s
        if now_s < self.hangs_until_s:
            self.framework.agenda.at(
                self.hangs_until_s, self._if_alive, self.received, (connection, message)
            )
        elif connection is self._stream:
            self._take_event(connection, message, now_s)
        elif connection is self.calls.connection and isinstance(message, Answered):
            self.calls.take(message)

    def _take_event(self, connection: Connection, message: Any, now_s: float) -> None:
        session, framework = self.session, self.framework
        if isinstance(message, Answered):
            self.calls.stream_number = message.number
            return
        if isinstance(message, Unserved):
            self._stream = None
            framework.network.close(connection, 0)
            if session.phase is Phase.SUBSCRIBING:
                session.subscribe_refused(message.status, message.text, None, now_s)
            self._pump()
            return
        session.heard(now_s)
        if isinstance(message, Error):
            self._drop_links()
            session.error_received(message.message, now_s)
            self._pump()
            return
        if isinstance(message, Subscribed):
            if session.phase is Phase.SUBSCRIBING:
                self._subscribed(message, now_s)
            return
        if session.phase is not Phase.SUBSCRIBED:
            return
        assert session.framework_id is not None
        match message:
            case Offers(offers=offers):
                framework.offers_received += len(offers)
                for offer in offers:
                    framework.judge.offered(framework.name, offer)
                    self.held[offer.id] = (offer, now_s)
                self.after(0.3 * framework.rng.random(), self._decide)
            case Rescind(offer_id=offer_id):
                framework.judge.rescinded(framework.name, offer_id)
                self.held.pop(offer_id, None)
            case Update(status=status):
                is_new = status.uuid is not None and status.uuid not in framework.seen
                kill = framework.take(session.framework_id, message)
                if status.uuid is not None:
                    assert status.agent_id is not None
                    self.calls.call(
                        Acknowledge(
                            framework_id=session.framework_id,
                            agent_id=status.agent_id,
                            task_id=status.task_id,
                            uuid=status.uuid,
                        )
                    )
                if kill is not None:
                    self.calls.call(kill)
                work = framework.work
                if is_new and work is not None:
                    for call in work.heard(
                        session.framework_id,
                        status,
                        is_finishing=framework.is_finishing,
                    ):
                        self.calls.call(call)
            case _:
                take_news(framework, self.calls, session.framework_id, message)

    def _subscribed(self, event: Subscribed, now_s: float) -> None:
        framework = self.framework
        self.session.subscribed(event, now_s)
        framework.id = event.framework_id
        framework.counts["subscribed"] += 1
        framework.judge.subscribed(framework.name, event.framework_id)
        self.held.clear()  # the leader tells all that are outstanding
        assert self._stream is not None
        stream = self._stream

        def done(connection: Connection | None) -> None:
            if self._stream is not stream or connection is None:
                if connection is not None:
                    framework.network.close(connection, 0)
                elif self._stream is stream:
                    self.lose()
                return
            self.calls.opened(connection)

        framework.network.dial(self, stream.sides[1].name, CALLS, done=done)

    def closed(self, connection: Connection) -> None:
        if connection is self._stream or connection is self.calls.connection:
            self.lose()

    def lose(self) -> None:
        """The stream is over, or given up."""
        self._drop_links()
        now_s = self.framework.agenda.now_s
        if self.session.phase is Phase.SUBSCRIBED:
            self.session.stream_lost(now_s)
        elif self.session.phase is Phase.SUBSCRIBING:
            self.session.subscribe_failed(now_s, may_happen=True)
        self._pump()

    def _drop_links(self) -> None:
        for connection in (self._stream, self.calls.connection):
            if connection is not None:
                self.framework.network.close(connection, 0)
        self._stream = None
        self.calls.closed()

    # --- what it does with offers ---------------------------------------------------

    def consider(self) -> None:
        """It wants a task: perhaps an offer is at hand."""
        if self.is_subscribed:
            self.after(0.0, self._decide)

    def _decide(self) -> None:
        framework = self.framework
        framework_id = self.session.framework_id
        if not self.is_subscribed or framework_id is None or not self.held:
            return
        while framework.wanted > 0 and self.held:
            offers = self._pick()
            call = framework.accept(framework_id, offers)
            for offer in offers:
                del self.held[offer.id]
            self.calls.call(call)
        now_s = framework.agenda.now_s
        for offer_id, (_, came_s) in list(self.held.items()):
            if framework.is_finishing:
                is_declined = now_s - came_s >= HOLD_S and len(self.held) > KEEP
                refuse_ms = 10_000
            else:
                is_declined = (
                    now_s - came_s < 0.4
                    and framework.rng.random() < DECLINE_PROBABILITY
                )
                refuse_ms = framework.rng.choice(REFUSE_MS)
            if is_declined:
                del self.held[offer_id]
                self.calls.call(
                    Decline(
                        framework_id=framework_id,
                        offer_ids=(offer_id,),
                        refuse_ms=refuse_ms,
                    )
                )

    def _pick(self) -> list[Offer]:
        """The first offer, and with it another of the same agent if there is one."""
        by_agent: dict[AgentId, list[Offer]] = {}
        for offer, _ in self.held.values():
            by_agent.setdefault(offer.agent_id, []).append(offer)
        first = next(iter(by_agent.values()))
        return first[:2]

    def _look(self) -> None:
        """Once a second: is the leader still there, are calls too old?"""
        framework, session = self.framework, self.session
        now_s = framework.agenda.now_s
        self.after(LOOK_S, self._look)
        if not self.is_subscribed:
            return
        is_late = self.calls.is_late(now_s)
        if is_late or now_s >= session.lost_at_s:
            self.lose()
        elif now_s >= session.silent_at_s:
            self._check_silence()
        if self.held:
            self._decide()
        if self.is_subscribed and not framework.is_finishing:
            self._have_whims()

    def _have_whims(self) -> None:
        framework_id = self.session.framework_id
        assert framework_id is not None
        if self.framework.rng.random() < RECONCILE_PROBABILITY:
            self.calls.call(Reconcile(framework_id=framework_id))
            if self.framework.work is not None:
                self.calls.call(ReconcileOperations(framework_id=framework_id))
        if self._is_suppressed:
            if self.framework.rng.random() < 0.5:
                self.revive()
        elif self.framework.rng.random() < SUPPRESS_PROBABILITY:
            self._is_suppressed = True
            self.calls.call(Suppress(framework_id=framework_id))

    def revive(self) -> None:
        """Forget what was refused."""
        self._is_suppressed = False
        if self.session.framework_id is not None:
            self.calls.call(Revive(framework_id=self.session.framework_id))

    def _check_silence(self) -> None:
        stream, address = self._stream, self.session.leader
        if self._is_probing or stream is None or address is None:
            return
        self._is_probing = True

        def answered(answer: tuple[int, str | None] | None) -> None:
            self._is_probing = False
            is_well = answer is not None and answer[0] < 500 and answer[1] is None
            if self.is_alive and self._stream is stream and not is_well:
                self.lose()

        self.framework.network.ask(self, address, answered)
