"""SchedulerDriver: a framework's connection to whichever leader there is.

It finds the leader, subscribes, hands events to a Scheduler, sends calls, and
does all of it again when the leader dies; the scheduler sees a pause.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

import trio

from raftleader.errors import ApiError, ConfigError, RaftLeaderError
from raftleader.framework.acknowledgements import Acknowledger
from raftleader.framework.addresses import parse_address
from raftleader.framework.calls import CALL_DEADLINE_S, Caller
from raftleader.framework.dispatcher import Dispatcher
from raftleader.framework.errors import FrameworkEndedError
from raftleader.framework.http_client import Connect, HttpClient, connect_tcp
from raftleader.framework.inbox import Inbox
from raftleader.framework.nursery import PlainNursery, open_plain_nursery, run_behind
from raftleader.framework.offer_book import OfferBook
from raftleader.framework.session import MISSED_HEARTBEATS_MAX, Session
from raftleader.framework.statistics import DriverStatistics
from raftleader.framework.subscription import Subscription
from raftleader.limits import REFUSE_S_DEFAULT
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Launch, Offer, refuse_ms_of
from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Call,
    Decline,
    Kill,
    Reconcile,
    ReconcileTask,
    Revive,
    Suppress,
    Teardown,
)
from raftleader.protocol.tasks import TaskInfo, TaskStatus

if TYPE_CHECKING:
    from raftleader.framework.handlers import Scheduler


class SchedulerDriver:
    """One framework. Use it as ``async with driver:`` or start its ``run``.

    Args:
        leaders: ``HOST:PORT`` of any leader nodes; one suffices while it lives.
        framework: Who we are. With ``id`` set it takes over that framework.
        scheduler: Is told of events.
        automatic_acknowledgement: Acknowledge an update when the handler's
            ``update`` has returned; otherwise call ``acknowledge`` yourself.
        call_timeout_s: How long calls try; longer than a failover.
        missed_heartbeats_max: Heartbeats missed until the stream is given up.
        connect: Opens a connection; for tests.
        rng: Chance for jitter.

    Every call waits until a leader has answered that it is in the log of a
    majority. When an answer is lost, or the leader changes, the call is sent
    again. It raises ApiError when refused, UnavailableError at its deadline if it
    certainly did not happen, OutcomeUnknownError if it may have. A call that is
    cancelled may or may not have happened.
    """

    def __init__(
        self,
        leaders: Sequence[str],
        framework: FrameworkInfo,
        scheduler: Scheduler,
        *,
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
        self._framework = framework
        self._call_timeout_s = call_timeout_s
        self._connect = connect
        self._session = Session(
            leaders,
            rng or random.Random(),
            missed_heartbeats_max=missed_heartbeats_max,
            framework_id=framework.id,
        )
        self._book = OfferBook()
        self._inbox = Inbox(self._book)
        self._dispatcher = Dispatcher(
            scheduler, self._inbox, self._book, is_automatic=automatic_acknowledgement
        )
        self._subscription: Subscription | None = None
        self._caller: Caller | None = None
        self._acknowledger: Acknowledger | None = None
        self._nursery: PlainNursery | None = None
        self._is_torn_down = False
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
                self._framework,
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

    async def _dispatch(self, acknowledger: Acknowledger) -> None:
        await self._dispatcher.run(self, acknowledger, lambda: self._is_torn_down)

    async def _announce(
        self, subscription: Subscription, task_status: trio.TaskStatus[None]
    ) -> None:
        try:
            await subscription.wait_link()
        except RaftLeaderError:
            return  # _follow tells
        task_status.started()

    # --- Calls --------------------------------------------------------------------

    async def accept(
        self,
        offer_ids: Iterable[OfferId],
        tasks: Iterable[TaskInfo],
        *,
        refuse_s: float = REFUSE_S_DEFAULT,
        timeout_s: float | None = None,
    ) -> None:
        """Start ``tasks`` on offers of one agent; the rest of them goes back.

        All of it is done or nothing; what cannot be done is reported by updates
        (TASK_ERROR, TASK_DROPPED). ``refuse_s`` keeps what is left from being
        offered to us for so many seconds.
        """
        ids, launched = tuple(offer_ids), tuple(tasks)
        await self._use_offers(
            ids,
            lambda framework_id: Accept(
                framework_id=framework_id,
                offer_ids=ids,
                operations=(Launch(tasks=launched),) if launched else (),
                refuse_ms=refuse_ms_of(refuse_s),
            ),
            timeout_s,
        )

    async def decline(
        self,
        offer_ids: Iterable[OfferId],
        *,
        refuse_s: float = REFUSE_S_DEFAULT,
        timeout_s: float | None = None,
    ) -> None:
        """Give offers back, and do not be offered the like for ``refuse_s``."""
        ids = tuple(offer_ids)
        await self._use_offers(
            ids,
            lambda framework_id: Decline(
                framework_id=framework_id,
                offer_ids=ids,
                refuse_ms=refuse_ms_of(refuse_s),
            ),
            timeout_s,
        )

    async def revive(self, roles: Iterable[str] = ()) -> None:
        """Be offered everything again for these roles, or for all of ours."""
        named = tuple(roles)
        self._suppress(set(self._suppressed()) - set(named or self._framework.roles))
        await self._call(lambda i: Revive(framework_id=i, roles=named))

    async def suppress(self, roles: Iterable[str] = ()) -> None:
        """Be offered nothing for these roles, or for any, until ``revive``."""
        named = tuple(roles)
        self._suppress(set(self._suppressed()) | set(named or self._framework.roles))
        await self._call(lambda i: Suppress(framework_id=i, roles=named))

    async def kill(
        self,
        task_id: TaskId,
        agent_id: AgentId | None = None,
        *,
        grace_s: float | None = None,
    ) -> None:
        """End a task; its end is reported by an update."""
        grace_ms = None if grace_s is None else round(grace_s * 1000)
        await self._call(
            lambda i: Kill(
                framework_id=i, task_id=task_id, agent_id=agent_id, grace_ms=grace_ms
            )
        )

    async def acknowledge(self, status: TaskStatus) -> None:
        """Tell the leader that this update was taken; waits until it is in the log.

        Nothing happens for an update without a uuid.
        """
        uuid, agent_id = status.uuid, status.agent_id
        if uuid is None or agent_id is None:
            return
        await self._call(
            lambda i: Acknowledge(
                framework_id=i, agent_id=agent_id, task_id=status.task_id, uuid=uuid
            )
        )
        self._running_acknowledger().remember(status)

    async def acknowledge_soon(self, status: TaskStatus) -> None:
        """Acknowledge in the background, with others. Waits only if too many wait."""
        await self._running_acknowledger().acknowledge_soon(status)

    async def reconcile(self, tasks: Iterable[ReconcileTask] = ()) -> None:
        """Ask for the state of these tasks, or of all; it comes as updates."""
        asked = tuple(tasks)
        await self._call(lambda i: Reconcile(framework_id=i, tasks=asked))

    async def teardown(self, *, timeout_s: float | None = None) -> None:
        """Kill all tasks and end the framework for good; ``run`` then returns."""
        self._is_torn_down = True
        try:
            await self._call(lambda i: Teardown(framework_id=i), timeout_s)
        except FrameworkEndedError:
            pass  # an earlier attempt did it, and only its answer was lost
        except ApiError as error:
            if "cannot be found" not in error.text:
                self._is_torn_down = False
                raise
        except RaftLeaderError:
            self._is_torn_down = False
            raise
        self.stop()

    def _running_acknowledger(self) -> Acknowledger:
        assert self._acknowledger is not None, "the driver does not run"
        return self._acknowledger

    def _suppressed(self) -> tuple[str, ...]:
        return self._subscription.suppressed_roles if self._subscription else ()

    def _suppress(self, roles: set[str]) -> None:
        # Before the call: a re-subscription on its way must say the same.
        if self._subscription is not None:
            self._subscription.suppressed_roles = tuple(sorted(roles))

    async def _call(
        self, make: Callable[[FrameworkId], Call], timeout_s: float | None = None
    ) -> None:
        assert self._caller is not None, "the driver does not run"
        await self._caller.call(
            make, timeout_s=self._call_timeout_s if timeout_s is None else timeout_s
        )

    async def _use_offers(
        self,
        offer_ids: tuple[OfferId, ...],
        make: Callable[[FrameworkId], Call],
        timeout_s: float | None,
    ) -> None:
        self._book.take(offer_ids)
        try:
            await self._call(make, timeout_s)
        except RaftLeaderError as error:
            if error.definite:
                self._book.put_back(offer_ids)
            raise
