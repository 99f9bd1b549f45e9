"""Handing events to a Scheduler, one at a time, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from raftleader.errors import RaftLeaderError
from raftleader.framework.acknowledgements import Acknowledger, AnyStatus
from raftleader.framework.inbox import Inbox, Loss
from raftleader.framework.offer_book import OfferBook
from raftleader.protocol.scheduler_api import (
    Error,
    Event,
    Failure,
    InverseOffers,
    Message,
    Offers,
    OperationUpdate,
    Rescind,
    RescindInverseOffer,
    Subscribed,
    Update,
)
from raftleader.protocol.tasks import TaskStatus

if TYPE_CHECKING:
    from raftleader.framework.driver import SchedulerDriver
    from raftleader.framework.handlers import Scheduler


class Dispatcher:
    """Takes events from the inbox and calls the scheduler's methods."""

    def __init__(
        self, scheduler: Scheduler, inbox: Inbox, book: OfferBook, *, is_automatic: bool
    ) -> None:
        self.updates = 0
        self.updates_repeated = 0
        self._scheduler = scheduler
        self._inbox = inbox
        self._book = book
        self._is_automatic = is_automatic
        self._was_subscribed = False

    async def run(
        self,
        driver: SchedulerDriver,
        acknowledger: Acknowledger,
        is_torn_down: Callable[[], bool],
    ) -> None:
        """Until cancelled. What a handler raises comes out.

        But for errors of its calls after TEARDOWN: those only came too late.
        """
        while True:
            event = await self._inbox.take()
            try:
                if isinstance(event, Update | OperationUpdate):
                    await self._update(driver, acknowledger, event.status)
                else:
                    await self._handle(driver, event)
            except RaftLeaderError:
                if not is_torn_down():
                    raise
            self._inbox.done()

    async def _handle(self, driver: SchedulerDriver, event: Event | Loss) -> None:
        scheduler = self._scheduler
        match event:
            case Offers(offers=offers):
                # Some may have been rescinded while they waited here.
                held = [o for o in offers if o.id in self._book.outstanding]
                if held:
                    await scheduler.offers(driver, held)
            case Rescind(offer_id=offer_id):
                await scheduler.rescinded(driver, offer_id)
            case Subscribed() if not self._was_subscribed:
                self._was_subscribed = True
                await scheduler.subscribed(driver, event)
            case Subscribed():
                await scheduler.resubscribed(driver, event)
            case InverseOffers(inverse_offers=offers):
                await scheduler.inverse_offers(driver, offers)
            case RescindInverseOffer(inverse_offer_id=offer_id):
                await scheduler.inverse_offer_rescinded(driver, offer_id)
            case Message():
                await scheduler.message(driver, event)
            case Failure():
                await scheduler.failure(driver, event)
            case Loss():
                await scheduler.disconnected(driver)
            case Error(message=message):
                await scheduler.error(driver, message)

    async def _update(
        self, driver: SchedulerDriver, acknowledger: Acknowledger, status: AnyStatus
    ) -> None:
        if acknowledger.is_handled(status):
            self.updates_repeated += 1
            await acknowledger.acknowledge_soon(status)
            return
        self.updates += 1
        if isinstance(status, TaskStatus):
            await self._scheduler.update(driver, status)
        else:
            await self._scheduler.operation_update(driver, status)
        if self._is_automatic:
            await acknowledger.acknowledge_soon(status)
