"""What a touched row puts on its framework's stream."""

from __future__ import annotations

import msgspec
import pytest
import trio

from raftleader.leader.deliveries import Deliveries
from raftleader.leader.event_streams import FrameworkStream
from raftleader.leader.update_retries import UpdateRetries
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.offers import (
    OperationState,
    OperationStatus,
    Unavailability,
    UnsupportedOperation,
)
from raftleader.protocol.scheduler_api import (
    Event,
    Failure,
    InverseOffers,
    OperationUpdate,
    Rescind,
    RescindInverseOffer,
)
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    Framework,
    InverseOfferRow,
    OperationRow,
    Rescinded,
)
from raftleader.state.outcomes import Touched

OPERATION = ("f", "op")


class World:
    """A state, one framework's stream, and what is put on it."""

    def __init__(self) -> None:
        self.state = ClusterState(cluster_id="c")
        info = AgentInfo(hostname="h", ip="127.0.0.1", port=5051)
        self.agent = Agent(
            id="a", key="k", info=info, registered_ms=0, reregistered_ms=0
        )
        self.state.agents["a"] = self.agent
        self.framework = Framework(
            id="f",
            info=FrameworkInfo(user="me", name="web"),
            registered_ms=0,
            subscribed_ms=0,
            subscription=1,
        )
        self.state.frameworks["f"] = self.framework
        self.retries = UpdateRetries()
        self.streams: dict[str, FrameworkStream] = {}
        self.deliveries = Deliveries(self.state, self.streams, self.retries)
        self.stream = self.open()

    def open(self) -> FrameworkStream:
        stream = FrameworkStream(
            "f",
            1,
            stream_id="s",
            state=self.state,
            events_max=1000,
            closed=lambda stream, reason: None,
        )
        self.streams["f"] = stream
        self.deliveries.begin(stream, self.state.frameworks["f"])
        return stream

    def add_operation(self) -> None:
        status = OperationStatus(
            operation_id="op", state=OperationState.FINISHED, uuid=b"u" * 16
        )
        self.state.operations[OPERATION] = OperationRow(
            framework_id="f",
            agent_id="a",
            operation=UnsupportedOperation(type="X"),
            status=status,
            offer_ids=("o",),
            made_ms=0,
        )
        self.state.operations_by_framework["f"] = {OPERATION: None}

    def add_inverse_offer(self) -> None:
        self.state.inverse_offers["i"] = InverseOfferRow(
            id="i",
            framework_id="f",
            agent_id="a",
            unavailability=Unavailability(start_ns=1),
            made_ms=0,
        )
        self.state.inverse_offers_by_framework["f"] = {"i": None}

    def rescind(self, offer_id: str, *, is_inverse: bool) -> None:
        rescinded = Rescinded(offer_id=offer_id, at_ms=0, is_inverse=is_inverse)
        self.framework = msgspec.structs.replace(
            self.framework, rescinds=(*self.framework.rescinds, rescinded)
        )
        self.state.frameworks["f"] = self.framework

    async def told(self, stream: FrameworkStream | None = None) -> list[Event]:
        """What waits right now."""
        with trio.move_on_after(0.01):
            return list(await (stream or self.stream).receive())
        return []


@pytest.fixture
def world(autojump_clock) -> World:
    return World()


async def test_end_of_an_operation_is_told_once_and_again_until_acknowledged(
    autojump_clock, world: World, nursery: trio.Nursery
) -> None:
    nursery.start_soon(world.retries.run)
    world.add_operation()
    for _ in range(2):
        world.deliveries.on_applied(Touched(operations={OPERATION}))
    (event,) = await world.told()
    assert isinstance(event, OperationUpdate)
    assert event.status.operation_id == "op"
    assert await world.told() == []
    await trio.sleep(10.5)
    assert await world.told() == [event]
    del world.state.operations[OPERATION]
    world.deliveries.on_applied(Touched(operations={OPERATION}))
    await trio.sleep(1000)
    assert await world.told() == []
    assert world.stream.updates == {}


async def test_new_stream_begins_with_operations_and_inverse_offers(
    autojump_clock, world: World
) -> None:
    world.add_operation()
    world.add_inverse_offer()
    stream = world.open()
    kinds = [type(event) for event in await world.told(stream)]
    assert kinds == [InverseOffers, OperationUpdate]


async def test_inverse_offer_that_is_answered_is_not_rescinded(
    autojump_clock, world: World
) -> None:
    world.add_inverse_offer()
    world.deliveries.on_applied(Touched(inverse_offers={"i"}))
    assert isinstance((await world.told())[0], InverseOffers)
    del world.state.inverse_offers["i"]
    world.deliveries.on_applied(Touched(inverse_offers={"i"}, frameworks={"f"}))
    assert await world.told() == []


async def test_inverse_offer_that_is_taken_back_is_rescinded_as_one(
    autojump_clock, world: World
) -> None:
    world.add_inverse_offer()
    world.deliveries.on_applied(Touched(inverse_offers={"i"}))
    await world.told()
    del world.state.inverse_offers["i"]
    world.rescind("i", is_inverse=True)
    world.deliveries.on_applied(Touched(inverse_offers={"i"}))
    assert await world.told() == [RescindInverseOffer(inverse_offer_id="i")]


async def test_rescinds_of_both_kinds_are_named_on_a_new_stream(
    autojump_clock, world: World
) -> None:
    world.rescind("o", is_inverse=False)
    world.rescind("i", is_inverse=True)
    assert await world.told(world.open()) == [
        Rescind(offer_id="o"),
        RescindInverseOffer(inverse_offer_id="i"),
    ]


async def test_failure_is_told_once_when_an_agent_is_unreachable_or_removed(
    autojump_clock, world: World
) -> None:
    away = msgspec.structs.replace(world.agent, unreachable_ms=1)
    touched = Touched(agents={"a"})
    world.state.agents["a"] = away
    world.deliveries.on_applied(touched)
    assert await world.told() == [Failure(agent_id="a")]
    del world.state.agents["a"]
    world.deliveries.on_applied(touched)
    assert await world.told() == []
    world.state.agents["a"] = world.agent
    world.deliveries.on_applied(touched)
    del world.state.agents["a"]
    world.deliveries.on_applied(touched)
    assert await world.told() == [Failure(agent_id="a")]
