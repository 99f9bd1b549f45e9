"""Several nodes: one of them leads, and whoever is deposed says so."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from support.engines import (
    GROUPS,
    POISON,
    Engine,
    engines,
    new_machine,
    propose_all,
)
from trio.testing import MockClock

from raftleader.errors import NotLeaderError, OutcomeUnknownError
from raftleader.replication.local_cluster import LocalNode
from transports.interface import LinkClosedError


@engines(*GROUPS)
async def test_leader_that_dies_has_a_successor_with_everything_answered(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        answered: list[bytes] = []
        for life in range(4):
            commands = [b"%d.%d" % (life, number) for number in range(10)]
            await propose_all(leader, commands)
            answered += commands
            term, dead = leader.log.leadership.term, leader.node_id
            await engine.power_cut(cluster, dead)
            began = trio.current_time()
            leader = await cluster.leader(among=engine.others(dead), timeout_s=5)
            assert trio.current_time() - began < 1.0
            assert leader.log.leadership.term > term
            assert sorted(leader.commands) == sorted(answered)
            await cluster.start(dead)
        await cluster.settle(timeout_s=5)
        for node in cluster.running:
            assert node.applied == leader.applied


@engines(*GROUPS)
async def test_deposed_leader_answers_unknown_and_then_follows(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, old):
        await old.log.propose(b"before", timeout_s=5)
        term = old.log.leadership.term
        engine.isolate(old.node_id)
        began = trio.current_time()
        outcomes = await propose_all(old, [b"alone 1", b"alone 2"], timeout_s=30)
        assert [type(one) for one in outcomes] == [OutcomeUnknownError] * 2
        assert trio.current_time() - began < 2.0
        assert not old.log.leadership.leading
        with pytest.raises(NotLeaderError):
            await old.log.propose(b"refused", timeout_s=5)
        with pytest.raises(NotLeaderError):
            await old.log.barrier(timeout_s=5)
        new = await cluster.leader(among=engine.others(old.node_id), timeout_s=5)
        assert new.log.leadership.term > term
        await new.log.propose(b"meanwhile", timeout_s=5)
        engine.plan.heal_all()
        await cluster.settle(timeout_s=5)
        assert old.applied == new.applied
        assert old.commands == [b"before", b"meanwhile"]
        assert old.log.leadership.leader == new.node_id


@engines(*GROUPS)
async def test_barrier_fails_where_a_newer_leader_may_have_answered(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        engine.isolate(leader.node_id)
        began = trio.current_time()
        with pytest.raises((NotLeaderError, OutcomeUnknownError)):
            await leader.log.barrier(timeout_s=5)
        assert trio.current_time() - began < 2.0


@engines(*GROUPS)
async def test_nothing_waits_longer_than_its_timeout(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        engine.isolate(leader.node_id)
        for call in (leader.log.barrier, leader.log.propose):
            arguments: list[Any] = [b"x"] if call == leader.log.propose else []
            began = trio.current_time()
            with pytest.raises((NotLeaderError, OutcomeUnknownError)):
                await call(*arguments, timeout_s=0.1)
            assert trio.current_time() - began <= 0.11


@engines(*GROUPS)
async def test_follower_refuses_definitely_and_names_the_leader(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        await cluster.settle(timeout_s=5)
        follower = cluster.nodes[engine.others(leader.node_id)[0]]
        with pytest.raises(NotLeaderError) as raised:
            await follower.log.propose(b"x", timeout_s=5)
        assert raised.value.leader == leader.node_id
        with pytest.raises(NotLeaderError):
            await follower.log.barrier(timeout_s=5)
        await trio.sleep(1.0)
        assert leader.commands == []


@engines(*GROUPS)
async def test_minority_neither_elects_nor_commits(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        await cluster.settle(timeout_s=5)
        first, second = engine.others(leader.node_id)
        applied = list(leader.applied)
        await engine.kill(cluster, leader.node_id, first)
        await trio.sleep(10.0)
        assert not cluster.nodes[second].log.leadership.leading
        assert cluster.nodes[second].applied == applied


@engines(*GROUPS)
async def test_applier_bug_stops_every_node_that_meets_it(
    engine: Engine, autojump_clock: MockClock
) -> None:
    """Each node that applies it stops by itself, with the cause: nothing hides it."""
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"good", timeout_s=5)
        (outcome,) = await propose_all(leader, [POISON], timeout_s=2)
        assert isinstance(outcome, OutcomeUnknownError)
        await leader.ended.wait()
        for node in cluster.nodes.values():
            with trio.move_on_after(5):
                await node.ended.wait()
            if node.failure is not None:
                assert str(node.failure) == f"{node.node_id} cannot apply this"
            assert node.commands == [b"good"]
        assert leader.failure is not None


@engines(*GROUPS)
async def test_frames_of_strangers_are_counted_and_harm_nothing(
    engine: Engine, autojump_clock: MockClock
) -> None:
    rng = random.Random(9)
    async with engine.running() as (cluster, leader):
        before = refusals(leader)
        for number in range(20):
            link = await engine.dial(leader.node_id)
            try:
                await link.send(rng.randbytes(rng.randint(1, 200)))
                await leader.log.propose(b"%d" % number, timeout_s=5)
                with trio.move_on_after(2):
                    await link.receive()
            except LinkClosedError:
                pass
            await link.aclose()
        await trio.sleep(1.0)
        assert refusals(leader) >= before + 20
        await cluster.settle(timeout_s=5)
        assert leader.is_running
        assert leader.commands == [b"%d" % number for number in range(20)]


def refusals(node: LocalNode) -> int:
    log: Any = node.log
    return sum(log.refusals.values())


@engines(*GROUPS)
async def test_node_of_another_cluster_is_told_and_takes_no_part(
    engine: Engine, autojump_clock: MockClock
) -> None:
    """Configured by mistake in the place of one of ours: it neither votes nor hears."""
    async with engine.running() as (cluster, leader):
        await leader.log.propose(b"before", timeout_s=5)
        place = engine.others(leader.node_id)[0]
        await engine.kill(cluster, place)
        machine = new_machine()
        stranger = engine.make_log(
            place, machine, cluster_id="d", disk=engine.disks["n4"]
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(stranger.run)
            await trio.sleep(2.0)
            assert stranger.leadership.leader is None
            assert machine.applied == []
            assert any("cluster" in reason for reason in stranger.refusals)
            await leader.log.propose(b"undisturbed", timeout_s=5)
            nursery.cancel_scope.cancel()


@engines(*GROUPS)
async def test_lossy_slow_network_loses_no_answer(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        engine.plan.drop("*", "*", probability=0.02)
        engine.plan.delay("*", "*", delay_s=(0.0, 0.02))
        answered: list[bytes] = []
        for number in range(60):
            command = b"%d" % number
            try:
                leader = await cluster.leader(timeout_s=10)
                await leader.log.propose(command, timeout_s=2)
            except (NotLeaderError, OutcomeUnknownError):
                continue
            answered.append(command)
        engine.plan.heal_all()
        leader = await cluster.leader(timeout_s=5)
        await leader.log.propose(b"last", timeout_s=5)
        await cluster.settle(timeout_s=5)
        assert len(answered) > 30
        for node in cluster.running:
            assert [one for one in answered if one not in node.commands] == []
            assert node.applied == leader.applied
