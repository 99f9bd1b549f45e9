"""One framework's stream: what is read is true, and what waits is bounded."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from raftleader.leader.due import DueInverseOffer, DueOffer, DueOperation, DueUpdate
from raftleader.leader.event_streams import (
    BYTES_PER_TAKE_MAX,
    EVENT_BYTES,
    EVENTS_PER_TAKE_MAX,
    WAITING_BYTES_MAX,
    FrameworkStream,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.offers import (
    OperationState,
    OperationStatus,
    Unavailability,
    UnsupportedOperation,
)
from raftleader.protocol.operator_values import MachineId, Window
from raftleader.protocol.resources import EMPTY
from raftleader.protocol.scheduler_api import (
    Heartbeat,
    InverseOffers,
    Message,
    Offers,
    OperationUpdate,
)
from raftleader.protocol.tasks import ExecutorInfo
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    Executor,
    InverseOfferRow,
    OperationRow,
    OutstandingOffer,
)

AWAY = Unavailability(start_ns=7)
UUID = b"u" * 16


def offer(offer_id: str) -> OutstandingOffer:
    return OutstandingOffer(
        id=offer_id,
        framework_id="f",
        agent_id="a",
        role="*",
        resources=EMPTY,
        granted_ms=0,
        expires_ms=9,
    )


@pytest.fixture
def state() -> ClusterState:
    state = ClusterState(cluster_id="c")
    state.agents["a"] = Agent(
        id="a",
        key="k",
        info=AgentInfo(hostname="Host", ip="127.0.0.1", port=5051),
        registered_ms=0,
        reregistered_ms=0,
    )
    for number in range(3):
        state.offers[f"o{number}"] = offer(f"o{number}")
    state.inverse_offers["i"] = InverseOfferRow(
        id="i", framework_id="f", agent_id="a", unavailability=AWAY, made_ms=0
    )
    state.operations["f", "op"] = OperationRow(
        framework_id="f",
        agent_id="a",
        operation=UnsupportedOperation(type="X"),
        status=OperationStatus(
            operation_id="op", state=OperationState.ERROR, uuid=UUID
        ),
        offer_ids=("o",),
        made_ms=0,
    )
    return state


class Opened:
    """A stream, and the reasons for which it ended."""

    def __init__(self, state: ClusterState, events_max: int = 100_000) -> None:
        self.reasons: list[str] = []
        self.stream = FrameworkStream(
            "f",
            1,
            stream_id="s",
            state=state,
            events_max=events_max,
            closed=lambda stream, reason: self.reasons.append(reason),
        )


async def test_offers_tell_of_executors_and_of_planned_maintenance(
    state: ClusterState,
) -> None:
    for framework_id, executor_id in (("f", "e2"), ("f", "e1"), ("other", "e3")):
        row = Executor(
            framework_id=framework_id,
            agent_id="a",
            info=ExecutorInfo(executor_id=executor_id),
            role="*",
            launched_ms=0,
        )
        state.executors[row.key] = row
        state.executors_by_agent.setdefault("a", {})[row.key] = None
    state.windows = (
        Window(machines=(MachineId(hostname="host"),), unavailability=AWAY),
    )
    stream = Opened(state).stream
    stream.put(DueOffer("o1"))
    (event,) = await stream.receive()
    assert isinstance(event, Offers)
    assert event.offers[0].executor_ids == ("e1", "e2")
    assert event.offers[0].unavailability == AWAY


async def test_what_waits_together_is_one_event_and_order_is_kept(
    state: ClusterState,
) -> None:
    stream = Opened(state).stream
    for item in (
        DueOffer("o0"),
        DueOffer("o1"),
        Heartbeat(),
        DueInverseOffer("i"),
        DueOffer("o2"),
        DueOperation(("f", "op"), UUID),
    ):
        stream.put(item)
    first, second, *rest = await stream.receive()
    assert isinstance(first, Offers)
    assert [o.id for o in first.offers] == ["o0", "o1"]
    assert isinstance(second, Heartbeat)
    # Between two events of another kind offers and inverse offers may change places.
    kinds = [type(event) for event in rest]
    assert kinds == [Offers, InverseOffers, OperationUpdate]
    assert rest[1].inverse_offers[0].unavailability == AWAY
    assert rest[1].inverse_offers[0].agent.hostname == "Host"
    assert rest[2].status.operation_id == "op"


async def test_what_is_true_no_more_when_it_is_read_is_not_sent(
    state: ClusterState,
) -> None:
    stream = Opened(state).stream
    for item in (
        DueOffer("o0"),
        DueInverseOffer("i"),
        DueOperation(("f", "op"), UUID),
        DueOperation(("f", "op"), b"another uuid    "),
        DueUpdate(("f", "t"), UUID),
        DueUpdate(None, UUID),
        Heartbeat(),
    ):
        stream.put(item)
    state.offers.clear()
    state.inverse_offers.clear()
    state.operations.clear()
    assert await stream.receive() == [Heartbeat()]


async def test_many_events_are_read_in_pieces(state: ClusterState) -> None:
    stream = Opened(state).stream
    for number in range(EVENTS_PER_TAKE_MAX):
        state.offers[f"many{number}"] = offer(f"many{number}")
        stream.put(DueOffer(f"many{number}"))
    for _ in range(5):
        stream.put(Heartbeat())
    (offers,) = await stream.receive()
    assert isinstance(offers, Offers)
    assert len(offers.offers) == EVENTS_PER_TAKE_MAX
    assert await stream.receive() == [Heartbeat()] * 5
    stream.end()
    with pytest.raises(trio.EndOfChannel):
        await stream.receive()


def message(size: int) -> Any:
    return Message(agent_id="a", executor_id="e", data=b"x" * size)


async def test_large_messages_are_read_a_megabyte_at_a_time(
    state: ClusterState,
) -> None:
    stream = Opened(state).stream
    for _ in range(5):
        stream.put(message(BYTES_PER_TAKE_MAX // 2))
    sizes = []
    with trio.move_on_after(0.01):
        while True:
            sizes.append(len(await stream.receive()))
    assert sizes == [2, 2, 1]


async def test_stream_is_cut_when_the_bytes_of_messages_are_too_many(
    state: ClusterState,
) -> None:
    opened = Opened(state)
    part = message(WAITING_BYTES_MAX // 4 - EVENT_BYTES)
    for _ in range(4):
        opened.stream.put(part)
    assert opened.reasons == []
    opened.stream.put(message(1))
    assert opened.reasons == ["slow"]
    with pytest.raises(trio.EndOfChannel):
        await opened.stream.receive()


async def test_bytes_that_were_read_make_room(state: ClusterState) -> None:
    opened = Opened(state)
    part = message(WAITING_BYTES_MAX // 4 - EVENT_BYTES)
    for _ in range(3):
        for _ in range(4):
            opened.stream.put(part)
        for _ in range(4):
            assert await opened.stream.receive() == [part]
    assert opened.reasons == []
