"""What a framework author implements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raftleader.protocol.ids import OfferId
from raftleader.protocol.offers import InverseOffer, Offer, OperationStatus
from raftleader.protocol.scheduler_api import Failure, Message, Subscribed
from raftleader.protocol.tasks import TaskStatus

if TYPE_CHECKING:
    from raftleader.framework.driver import SchedulerDriver


class Scheduler:
    """Decides what to do with offers. Override what you need.

    The driver calls one method at a time, in the order of the events; while one
    is running no other begins. Methods may make calls on the driver, also during
    a failover: such a call waits for the next leader. An exception of a method
    ends the driver and comes out of its ``run``.
    """

    async def subscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        """The framework is registered, as ``event.framework_id``. Called once."""

    async def resubscribed(self, driver: SchedulerDriver, event: Subscribed) -> None:
        """A stream was lost and another is open. Nothing needs to be repeated:

        offers are still valid unless rescinded, updates come again by themselves.
        """

    async def offers(self, driver: SchedulerDriver, offers: Sequence[Offer]) -> None:
        """New offers. Accept or decline each; until then nobody else gets it."""

    async def rescinded(self, driver: SchedulerDriver, offer_id: OfferId) -> None:
        """An offer is no longer valid. Using it would drop the tasks."""

    async def update(self, driver: SchedulerDriver, status: TaskStatus) -> None:
        """News of a task, in order for each task.

        With automatic acknowledgement the update is acknowledged when this
        returns, and comes once in the life of the driver; otherwise it comes
        again until ``driver.acknowledge``.
        """

    async def operation_update(
        self, driver: SchedulerDriver, status: OperationStatus
    ) -> None:
        """News of an operation that was given an ``id``; acknowledged like updates."""

    async def inverse_offers(
        self, driver: SchedulerDriver, offers: Sequence[InverseOffer]
    ) -> None:
        """Resources we hold are wanted back, since their machine will be unavailable.

        Say whether we agree: ``accept_inverse_offers``, ``decline_inverse_offers``.
        They come again after a re-subscription.
        """

    async def inverse_offer_rescinded(
        self, driver: SchedulerDriver, offer_id: OfferId
    ) -> None:
        """The resources may stay."""

    async def message(self, driver: SchedulerDriver, event: Message) -> None:
        """Bytes from one of our executors. They may have got lost on the way."""

    async def failure(self, driver: SchedulerDriver, event: Failure) -> None:
        """An agent is gone or, with ``event.executor_id``, an executor has ended.

        The tasks are reported one by one as well.
        """

    async def disconnected(self, driver: SchedulerDriver) -> None:
        """The stream was lost; the driver is looking for the leader."""

    async def error(self, driver: SchedulerDriver, message: str) -> None:
        """The leader ended the session; ``run`` raises FrameworkEndedError next."""
