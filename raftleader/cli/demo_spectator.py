"""A framework that takes no part and only holds offers while the leader is killed."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from raftleader.framework import Scheduler, SchedulerDriver
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import OfferId

ROLE = "spectator"
OFFER_TIMEOUT_S = 10.0
"""The allocator runs at least every second."""
POLL_INTERVAL_S = 0.005


@attrs.define
class Spectator(Scheduler):
    """Takes what it is offered and does nothing with it.

    It asks for offers only around a kill, and gives them back afterwards, so that
    the work goes on beside it.
    """

    driver: SchedulerDriver | None = None
    rescinded_ids: set[OfferId] = attrs.field(factory=set)

    async def rescinded(self, driver: SchedulerDriver, offer_id: OfferId) -> None:
        self.rescinded_ids.add(offer_id)

    @property
    def held(self) -> set[OfferId]:
        """Offers in our hands, as far as we know."""
        assert self.driver is not None
        return set(self.driver.outstanding_offers)

    async def take_offers(self) -> bool:
        """Ask for offers until there is one; False if none comes in time."""
        assert self.driver is not None
        await self.driver.revive()
        with trio.move_on_after(OFFER_TIMEOUT_S):
            while not self.held:  # noqa: ASYNC110 - the driver's book has no event
                await trio.sleep(POLL_INTERVAL_S)
        await self.driver.suppress()
        return bool(self.held)

    async def give_back(self) -> None:
        """Decline all we hold, without a filter."""
        assert self.driver is not None
        if held := sorted(self.held):
            await self.driver.decline(held, refuse_s=0)


@asynccontextmanager
async def open_spectator(leaders: Sequence[str]) -> AsyncIterator[Spectator]:
    """A spectator that is registered and holds nothing."""
    spectator = Spectator()
    framework = FrameworkInfo(
        user=getpass.getuser(),
        name="spectator",
        roles=(ROLE,),
        failover_timeout_ms=60_000,
    )
    async with SchedulerDriver(leaders, framework, spectator) as driver:
        spectator.driver = driver
        await driver.suppress()
        await spectator.give_back()
        yield spectator
        await driver.teardown()
