"""Every engine keeps the promises of ``raftleader.replication.interface``.

What is durable is in ``test_durable_logs.py``, what takes several nodes in
``test_groups_of_logs.py``, what not every engine can do in ``test_changing_logs.py``.
"""

from __future__ import annotations

import attrs
import pytest
import trio
from support.engines import (
    ALL,
    PENDING_MAX,
    POISON,
    Engine,
    engines,
    new_machine,
    propose_all,
)
from trio.testing import MockClock

from raftleader.errors import (
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
)
from raftleader.replication.interface import Leadership


@engines(*ALL)
async def test_propose_returns_what_the_local_applier_answered(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        first = await leader.log.propose(b"a", timeout_s=5)
        second = await leader.log.propose(b"b", timeout_s=5)
        indexes = [entry.index for entry in leader.applied]
        assert [first, second] == [(leader.node_id, index) for index in indexes]
        assert leader.commands == [b"a", b"b"]
        assert indexes[1] == indexes[0] + 1
        assert {e.term for e in leader.applied} == {leader.log.leadership.term}


@engines(*ALL)
async def test_every_node_applies_the_same_in_the_same_order(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        commands = [b"%d" % number for number in range(PENDING_MAX)]
        results = await propose_all(leader, commands)
        await cluster.settle(timeout_s=5)
        assert sorted(leader.commands) == sorted(commands)
        at = {entry.data: entry.index for entry in leader.applied}
        assert results == [(leader.node_id, at[command]) for command in commands]
        assert leader.applied == sorted(leader.applied)
        for node in cluster.running:
            assert node.applied == leader.applied


@engines(*ALL)
async def test_proposals_are_ordered_as_submitted(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        commands = [b"%d" % number for number in range(PENDING_MAX)]
        gates = [trio.Event() for _ in commands]

        async def propose(position: int) -> None:
            if position:
                await gates[position - 1].wait()
            gates[position].set()  # before propose can wait
            await leader.log.propose(commands[position], timeout_s=5)

        async with trio.open_nursery() as proposers:
            for position in range(len(commands)):
                proposers.start_soon(propose, position)
        assert leader.commands == commands


@engines(*ALL)
async def test_barrier_returns_once_earlier_entries_are_applied(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        await leader.log.propose(b"a", timeout_s=5)
        first = await leader.log.barrier(timeout_s=5)
        assert first >= leader.applied[-1].index
        assert await leader.log.barrier(timeout_s=5) >= first
        assert leader.commands == [b"a"]
        assert leader.log.statistics().applied_index >= first


@engines(*ALL)
async def test_leadership_watch_wakes_on_each_change_only(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        seen: list[Leadership] = [Leadership(term=0, leader=None, leading=False)]

        async def watch() -> None:
            while True:
                seen.append(await leader.log.wait_leadership_changed(seen[-1]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await leader.log.propose(b"a", timeout_s=5)
            await trio.sleep(1.0)
            leads = leader.log.leadership
            assert leads.leading
            assert leads.leader == leader.node_id
            assert seen[1:] == [leads]
            await cluster.stop(leader.node_id)
            await trio.sleep(0.1)
            assert seen[2:] == [attrs.evolve(leads, leader=None, leading=False)]
            nursery.cancel_scope.cancel()


@engines(*ALL)
async def test_proposals_over_the_bound_are_refused_and_never_applied(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        outcomes: dict[bytes, bool] = {}

        async def propose(command: bytes) -> None:
            try:
                await leader.log.propose(command, timeout_s=5)
                outcomes[command] = True
            except OverloadedError:
                outcomes[command] = False

        async with trio.open_nursery() as nursery:
            for number in range(2 * PENDING_MAX):
                nursery.start_soon(propose, b"%d" % number)
        assert sorted(outcomes.values()) == PENDING_MAX * [False] + PENDING_MAX * [True]
        taken = sorted(command for command, is_taken in outcomes.items() if is_taken)
        await leader.log.propose(b"room again", timeout_s=5)
        await cluster.settle(timeout_s=5)
        for node in cluster.running:
            assert sorted(node.commands[:-1]) == taken
            assert node.commands[-1] == b"room again"


@engines(*ALL)
async def test_applier_that_raises_stops_the_node_loudly(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        await leader.log.propose(b"good", timeout_s=5)
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(POISON, timeout_s=5)
        await leader.ended.wait()
        assert isinstance(leader.failure, ValueError)
        assert str(leader.failure) == f"{leader.node_id} cannot apply this"
        assert leader.commands == [b"good"]
        with pytest.raises(NotLeaderError):
            await leader.log.propose(b"more", timeout_s=5)


@engines(*ALL)
async def test_log_that_does_not_run_refuses_definitely(
    engine: Engine, autojump_clock: MockClock
) -> None:
    log = engine.make_log("n1", new_machine())
    with pytest.raises(NotLeaderError):
        await log.propose(b"a", timeout_s=5)
    with pytest.raises(NotLeaderError):
        await log.barrier(timeout_s=5)
    assert log.leadership == Leadership(term=0, leader=None, leading=False)
    assert log.statistics().applied_index == 0


@engines(*ALL)
async def test_log_runs_once_only(engine: Engine, autojump_clock: MockClock) -> None:
    async with engine.running() as (cluster, leader):
        with pytest.raises(RuntimeError, match="runs once"):
            await leader.log.run()
        await leader.log.propose(b"still fine", timeout_s=5)
        assert cluster.running


@engines(*ALL)
async def test_cancelled_proposal_may_be_committed_and_harms_nothing(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (cluster, leader):
        with trio.CancelScope() as scope:
            scope.cancel()
            await leader.log.propose(b"cancelled", timeout_s=5)
        assert scope.cancelled_caught
        await leader.log.propose(b"after", timeout_s=5)
        await cluster.settle(timeout_s=5)
        assert leader.commands in ([b"cancelled", b"after"], [b"after"])
