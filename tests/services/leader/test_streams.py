"""Event streams: replaced, cut, and never telling what is no longer so."""

from __future__ import annotations

import re

import pytest
import trio

from raftleader.errors import OverloadedError
from raftleader.leader.term import LeaderSettings
from raftleader.protocol.offers import Launch
from raftleader.protocol.scheduler_api import (
    Error,
    Heartbeat,
    Offers,
    ReconcileTask,
    Rescind,
    Subscribed,
)
from raftleader.protocol.tasks import Reason, TaskInfo, TaskState
from raftleader.state.commands import AcceptOffers, DeclineOffers, ReviveRoles


async def test_a_newer_stream_replaces_the_older_with_an_error(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    _, newer = await node.subscribe(framework_id)
    again = world.read(newer)
    await until(lambda: reader.is_ended)
    assert reader.events[-1] == Error(message="Framework failed over")
    await until(lambda: again.offers())
    assert again.offer_ids() == reader.offer_ids()
    assert node.service.stream_of(framework_id) is newer

    stream.close()  # late news of the old connection
    await trio.sleep(5)
    assert node.state.frameworks[framework_id].connected


async def test_a_stream_of_a_superseded_subscription_is_over_at_once(
    autojump_clock, world, until
):
    node = await world.node()
    framework_id, _ = await node.subscribe()
    old = node.state.frameworks[framework_id].subscription
    _, newer = await node.subscribe(framework_id)
    reader = world.read(node.service.open_stream(framework_id, old))
    await until(lambda: reader.is_ended)
    assert reader.events == [Error(message="Framework failed over")]
    assert node.service.stream_of(framework_id) is newer


async def test_a_stream_of_a_removed_framework_is_over_at_once(
    autojump_clock, world, until
):
    node = await world.node()
    reader = world.read(node.service.open_stream("gone", 5))
    await until(lambda: reader.is_ended)
    assert reader.events == [Error(message="Framework has been removed")]


async def test_stream_ids_are_uuids_and_differ(autojump_clock, world):
    node = await world.node()
    ids = {(await node.subscribe())[1].stream_id for _ in range(20)}
    assert len(ids) == 20
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(form, stream_id) for stream_id in ids)


async def test_heartbeats_come_every_15_seconds(autojump_clock, world):
    node = await world.node()
    _, stream = await node.subscribe()
    reader = world.read(stream)
    await trio.sleep(61)
    assert len(reader.of(Heartbeat)) == 5


async def test_a_stream_that_is_not_read_is_cut_and_disconnected(
    autojump_clock, world, until
):
    settings = LeaderSettings(stream_events_max=10, heartbeat_interval_s=1.0)
    node = await world.node(settings=settings)
    framework_id, stream = await node.subscribe(failover_timeout_ms=600_000)
    await until(lambda: node.counts["streams_cut_slow"] == 1)
    await until(lambda: not node.state.frameworks[framework_id].connected)
    assert node.service.stream_of(framework_id) is None
    with pytest.raises(trio.EndOfChannel):
        await stream.receive()


async def test_offers_consumed_while_they_waited_are_not_sent(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe()
    await until(lambda: node.state.offers)
    decline = DeclineOffers(
        framework_id=framework_id,
        offer_ids=tuple(node.state.offers),
        refuse_ms=50_000,
    )
    await node.service.submit(decline).wait()
    events = await stream.receive()
    assert [type(event) for event in events] == [Subscribed, Heartbeat]


async def test_remembered_rescinds_are_told_on_a_new_stream(
    autojump_clock, world, until
):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe(failover_timeout_ms=900_000)
    reader = world.read(stream)
    await until(lambda: reader.offers())
    stream.close()
    await trio.sleep(302)
    assert not node.state.offers
    _, stream = await node.subscribe(framework_id, failover_timeout_ms=900_000)
    again = world.read(stream)
    await until(lambda: again.of(Rescind))
    assert [event.offer_id for event in again.of(Rescind)] == reader.offer_ids()
    assert not again.of(Offers) or again.offer_ids() != reader.offer_ids()


async def test_a_refused_task_is_answered_by_an_update_until_acknowledged(
    autojump_clock, world, until
):
    node = await world.node()
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    task = TaskInfo(name="t", task_id="t", agent_id="a")
    accept = AcceptOffers(
        framework_id=framework_id,
        offer_ids=("no-such-offer",),
        operations=(Launch(tasks=(task,)),),
    )
    await node.service.submit(accept).wait()
    await until(lambda: len(reader.statuses()) == 2)
    assert {s.state for s in reader.statuses()} == {TaskState.DROPPED}
    await node.acknowledge(framework_id, reader.statuses()[0])
    await trio.sleep(100)
    assert len(reader.statuses()) == 2


async def test_revive_brings_declined_resources_at_once(autojump_clock, world, until):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    decline = DeclineOffers(
        framework_id=framework_id,
        offer_ids=(reader.offers()[0].id,),
        refuse_ms=60_000,
    )
    await node.service.submit(decline).wait()
    await trio.sleep(3)
    assert len(reader.offers()) == 1
    await node.service.submit(ReviveRoles(framework_id=framework_id)).wait()
    await until(lambda: len(reader.offers()) == 2, timeout_s=0.1)


async def test_what_is_left_of_an_accept_is_filtered(autojump_clock, world, until):
    node = await world.node()
    await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1", refuse_ms=30_000)
    await trio.sleep(29)
    assert len(reader.offers()) == 1
    await trio.sleep(3)
    assert len(reader.offers()) == 2
    assert reader.offers()[1].resources.scalars["cpus"] == 3000


async def test_nothing_is_granted_twice_while_grants_are_in_flight(
    autojump_clock, world, until
):
    node = await world.node()
    for number in range(10):
        await world.agent(node, f"agent{number}")
    streams = [await node.subscribe(name=f"f{number}") for number in range(4)]
    readers = [world.read(stream) for _, stream in streams]
    await until(lambda: sum(len(reader.offers()) for reader in readers) == 10)
    await trio.sleep(5)
    assert node.counts["offers_granted"] == 10
    assert len(node.state.offers) == 10


async def test_an_idle_leader_writes_nothing(autojump_clock, world, until):
    node = await world.node()
    await world.agent(node)
    _, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    entries = node.entries
    await trio.sleep(200)
    assert node.entries == entries


async def test_reconciliation_answers_without_uuid(autojump_clock, world, until):
    node = await world.node()
    agent = await world.agent(node)
    framework_id, stream = await node.subscribe()
    reader = world.read(stream)
    await until(lambda: reader.offers())
    await node.launch(framework_id, reader.offers()[0], "t1")
    await agent.report(framework_id, "t1", TaskState.RUNNING)
    await until(lambda: reader.statuses())
    await node.service.reconcile(framework_id, ())
    await until(lambda: len(reader.statuses()) == 2)
    asked = [ReconcileTask(task_id="t1"), ReconcileTask(task_id="t9")]
    await node.service.reconcile(framework_id, asked)
    await until(lambda: len(reader.statuses()) == 4)
    answers = reader.statuses()[1:]
    assert [(s.task_id, s.state, s.uuid, s.reason) for s in answers] == [
        ("t1", TaskState.RUNNING, None, Reason.RECONCILIATION),
        ("t1", TaskState.RUNNING, None, Reason.RECONCILIATION),
        ("t9", TaskState.UNKNOWN, None, Reason.RECONCILIATION),
    ]
    assert answers[-1].timestamp_ms >= node.state.clock_ms > 0


async def test_overload_is_refused_before_anything_is_taken(
    autojump_clock, world, until
):
    node = await world.node()
    framework_id, _ = await node.subscribe()
    node.service._term._proposals._waiting_max = 3
    revive = ReviveRoles(framework_id=framework_id)
    tickets = [node.service.submit(revive) for _ in range(3)]
    with pytest.raises(OverloadedError):
        node.service.submit(revive)
    for ticket in tickets:
        await ticket.wait()


async def test_configured_weights_are_put_into_the_log_once(
    autojump_clock, world, until, tmp_path
):
    settings = LeaderSettings(weights={"web": 2000})
    node = await world.node(tmp_path / "journal", settings)
    await until(lambda: node.state.weights == {"web": 2000})
    await node.crash()
    node = await world.node(tmp_path / "journal", settings)
    entries = node.entries
    await trio.sleep(5)
    assert node.entries == entries
