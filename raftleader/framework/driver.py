"""SchedulerDriver: a framework's connection to whichever leader there is.

It finds the leader, subscribes, hands events to a Scheduler, sends calls, and
does all of it again when the leader dies; the scheduler sees a pause.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

import trio

from raftleader.errors import ConfigError, RaftLeaderError
from raftleader.framework.acknowledgements import Acknowledger
from raftleader.framework.addresses import parse_address
from raftleader.framework.calls import CALL_DEADLINE_S, Caller
from raftleader.framework.dispatcher import Dispatcher
from raftleader.framework.http_client import Connect, HttpClient, connect_tcp
from raftleader.framework.inbox import Inbox
from raftleader.framework.nursery import PlainNursery, open_plain_nursery, run_behind
from raftleader.framework.offer_book import OfferBook
from raftleader.framework.scheduler_calls import SchedulerCalls
from raftleader.framework.session import MISSED_HEARTBEATS_MAX, Session
from raftleader.framework.statistics import DriverStatistics
from raftleader.framework.subscription import Subscription
from raftleader.framework.wishes import Wishes
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import FrameworkId, OfferId
from raftleader.protocol.offers import Offer

if TYPE_CHECKING:
    from raftleader.framework.handlers import Scheduler
    from raftleader.protocol.constraints import OfferConstraints


class SchedulerDriver(SchedulerCalls):
    """One framework. Use it as ``async with driver:`` or start its ``run``.

    Args:
        leaders: ``HOST:PORT`` of any leader nodes; one suffices while it lives.
        framework: Who we are. With ``id`` set it takes over that framework.
        scheduler: Is told of events.
        offer_constraints: Which agents each role wants to hear of at all.
        automatic_acknowledgement: Acknowledge an update when the handler's
            ``update`` has returned; otherwise call ``acknowledge`` yourself.
        call_timeout_s: How long calls try; longer than a failover.
        missed_heartbeats_max: Heartbeats missed until the stream is given up.
        connect: Opens a connection; for tests.
        rng: Chance for jitter.
    """

    def __init__(
        self,
        leaders: Sequence[str],
        framework: FrameworkInfo,
        scheduler: Scheduler,
        *,
        offer_constraints: OfferConstraints | None = None,
        automatic_acknowledgement: bool = True,
        call_timeout_s: float = CALL_DEADLINE_S,
        missed_heartbeats_max: int = MISSED_HEARTBEATS_MAX,
        connect: Connect = connect_tcp,
        rng: random.Random | None = None,
    ) -> None:
        if not leaders or isinstance(leaders, str):
            raise ConfigError("leaders: a list of at least one HOST:PORT")
        for address in leaders:
            parse_address(address)
        super().__init__(OfferBook(), call_timeout_s)
        self._wishes = Wishes(
            framework=framework, offer_constraints=offer_constraints or {}
        )
        self._connect = connect
        self._session = Session(
            leaders,
            rng or random.Random(),
            missed_heartbeats_max=missed_heartbeats_max,
            framework_id=framework.id,
        )
        self._inbox = Inbox(self._book)
        self._dispatcher = Dispatcher(
            scheduler, self._inbox, self._book, is_automatic=automatic_acknowledgement
        )
        self._nursery: PlainNursery | None = None
        self._entered: AbstractAsyncContextManager[None] | None = None

    # --- What is known ------------------------------------------------------------

    @property
    def framework_id(self) -> FrameworkId | None:
        """Our id, once a leader has given one. Keep it to take over later."""
        return self._session.framework_id

    @property
    def leader(self) -> str | None:
        """``HOST:PORT`` of the leader we are subscribed to, or None."""
        link = self._subscription.link if self._subscription else None
        return link.address if link else None

    @property
    def outstanding_offers(self) -> MappingProxyType[OfferId, Offer]:
        """Offers we hold right now, by id, oldest first (a live view)."""
        return MappingProxyType(self._book.outstanding)

    def statistics(self) -> DriverStatistics:
        """Counters so far."""
        return DriverStatistics(
            failovers=self._session.failovers,
            leaderless_s=tuple(self._session.gaps_s),
            offers_carried=tuple(self._book.carried),
            offers=self._book.received,
            updates=self._dispatcher.updates,
            updates_repeated=self._dispatcher.updates_repeated,
            calls=self._caller.answered if self._caller else 0,
            calls_repeated=self._caller.repeated if self._caller else 0,
            acknowledgements=self._acknowledger.sent if self._acknowledger else 0,
        )

    # --- Life ---------------------------------------------------------------------

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Be a framework until ``stop``, ``teardown`` or cancellation.

        ``started()`` is called at the first subscription. Raises
        FrameworkEndedError when a leader refuses us for good, ApiError when it
        cannot take our SUBSCRIBE, and what a handler raises. The framework stays
        registered for its failover timeout, unless it was torn down.
        """
        assert self._nursery is None, "a driver runs once"
        async with open_plain_nursery() as nursery:
            self._nursery = nursery
            streams, probes, calls = (
                HttpClient(nursery, connect=self._connect) for _ in range(3)
            )
            subscription = self._subscription = Subscription(
                self._session,
                self._wishes,
                self._inbox,
                streams=streams,
                probes=probes,
                calls=calls,
            )
            self._caller = Caller(subscription, calls)
            self._acknowledger = Acknowledger(subscription, calls)
            nursery.start_soon(self._follow, subscription)
            nursery.start_soon(
                self._dispatcher.run,
                self,
                self._acknowledger,
                lambda: self._is_torn_down,
            )
            nursery.start_soon(self._acknowledger.run)
            nursery.start_soon(self._announce, subscription, task_status)
            try:
                await trio.sleep_forever()
            finally:
                subscription.close()

    def stop(self) -> None:
        """End ``run`` now. Tasks go on; the failover timeout begins."""
        if self._nursery is not None:
            self._nursery.cancel()

    async def __aenter__(self) -> SchedulerDriver:
        """Run in the background; returns once subscribed.

        The body is cancelled if ``run`` fails, and its error comes out here. After
        ``stop`` or ``teardown`` the body goes on, but calls fail.
        """
        self._entered = run_behind(self.run)
        await self._entered.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._entered is not None
        return await self._entered.__aexit__(kind, error, traceback)

    async def _follow(self, subscription: Subscription) -> None:
        try:
            await subscription.run()
        except RaftLeaderError:
            if not self._is_torn_down:
                await self._inbox.wait_empty()  # so that the handler hears ERROR
                raise

    async def _announce(
        self, subscription: Subscription, task_status: trio.TaskStatus[None]
    ) -> None:
        try:
            await subscription.wait_link()
        except RaftLeaderError:
            return  # _follow tells
        task_status.started()
