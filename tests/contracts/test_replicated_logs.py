"""Every engine keeps the promises of ``raftleader.replication.interface``."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import (
    JournalDamagedError,
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
)
from raftleader.replication.interface import Applier, Leadership
from raftleader.replication.local_cluster import (
    Applied,
    CrashableLog,
    LocalCluster,
    LocalNode,
)
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from raftleader.replication.settings import RaftSettings
from raftleader.replication.single_node import SingleNodeLog
from transports.memory import MemoryNetwork

PENDING_MAX = 40
POISON = b"poison"


@attrs.define
class Engine:
    """One way to have a replicated log, and the files it is kept in."""

    name: str
    directory: Path

    @property
    def node_ids(self) -> tuple[str, ...]:
        return ("n1", "n2", "n3") if self.name == "pysyncobj" else ("n1",)

    @property
    def is_durable(self) -> bool:
        return self.name != "single-memory"

    def maker(self) -> Callable[[str, Applier], CrashableLog]:
        if self.name != "pysyncobj":
            path = self.directory / "n1" if self.is_durable else None
            return lambda node_id, applier: SingleNodeLog(
                node_id, path, applier, pending_max=PENDING_MAX
            )
        network = MemoryNetwork(rng=random.Random(5), latency_s=(0.0002, 0.001))
        return lambda node_id, applier: PySyncObjLog(
            cluster_id="c",
            node_id=node_id,
            members={name: f"mem://{name}" for name in self.node_ids},
            transport=network.transport(node_id),
            journal_path=self.directory / node_id,
            applier=applier,
            rng=random.Random(node_id),
            settings=RaftSettings(pending_max=PENDING_MAX),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[LocalCluster, LocalNode]]:
        """The cluster, started, and its leader."""

        def on_apply(node_id: str, entry: Applied) -> object:
            if entry.data == POISON:
                raise ValueError(f"{node_id} cannot apply this")
            return (node_id, entry.index)

        async with trio.open_nursery() as nursery:
            make_log = self.maker()
            cluster = LocalCluster(nursery, self.node_ids, make_log, on_apply=on_apply)
            await cluster.start()
            yield cluster, await cluster.leader(timeout_s=5)
            nursery.cancel_scope.cancel()


@pytest.fixture(params=["single-memory", "single-file", "pysyncobj"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return Engine(request.param, tmp_path)


@pytest.fixture(params=["single-file", "pysyncobj"])
def durable_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return Engine(request.param, tmp_path)


async def propose_all(node: LocalNode, commands: list[bytes]) -> list[object]:
    """Propose all at once; results in order of ``commands``."""
    results: dict[bytes, object] = {}

    async def propose(command: bytes) -> None:
        results[command] = await node.log.propose(command, timeout_s=5)

    async with trio.open_nursery() as nursery:
        for command in commands:
            nursery.start_soon(propose, command)
    return [results[command] for command in commands]


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


@pytest.mark.parametrize("ending", ["crash", "stop"])
async def test_restart_keeps_everything_answered(
    durable_engine: Engine, ending: str, autojump_clock: MockClock
) -> None:
    async with durable_engine.running() as (cluster, leader):
        answered: list[bytes] = []
        last_term = 0
        for life in range(3):
            commands = [b"%d.%d" % (life, number) for number in range(20)]
            await propose_all(leader, commands)
            answered += commands
            await (cluster.crash() if ending == "crash" else cluster.stop())
            assert not cluster.running
            await cluster.start()
            leader = await cluster.leader(timeout_s=5)
            assert sorted(leader.commands) == sorted(answered)
            assert leader.log.leadership.term > last_term
            last_term = leader.log.leadership.term
            await cluster.settle(timeout_s=5)
            for node in cluster.running:
                assert node.applied == leader.applied


async def test_barrier_returns_once_earlier_entries_are_applied(
    engine: Engine, autojump_clock: MockClock
) -> None:
    async with engine.running() as (_, leader):
        await leader.log.propose(b"a", timeout_s=5)
        first = await leader.log.barrier(timeout_s=5)
        assert first == leader.applied[-1].index + 1
        assert await leader.log.barrier(timeout_s=5) == first + 1
        assert leader.commands == [b"a"]
        assert leader.log.statistics().applied_index == first + 1


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


async def test_log_that_does_not_run_refuses_definitely(
    engine: Engine, autojump_clock: MockClock
) -> None:
    log = engine.maker()("n1", lambda index, term, data: None)
    with pytest.raises(NotLeaderError):
        await log.propose(b"a", timeout_s=5)
    with pytest.raises(NotLeaderError):
        await log.barrier(timeout_s=5)
    assert log.leadership == Leadership(term=0, leader=None, leading=False)
    assert log.statistics().applied_index == 0


async def test_log_runs_once_only(engine: Engine, autojump_clock: MockClock) -> None:
    async with engine.running() as (cluster, leader):
        with pytest.raises(RuntimeError, match="runs once"):
            await leader.log.run()
        await leader.log.propose(b"still fine", timeout_s=5)
        assert cluster.running


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


async def test_damaged_journal_is_refused_before_the_start(
    durable_engine: Engine, autojump_clock: MockClock
) -> None:
    engine = durable_engine
    async with engine.running() as (cluster, leader):
        for number in range(5):
            await leader.log.propose(b"%d" % number, timeout_s=5)
        await cluster.stop()
    (path,) = (engine.directory / leader.node_id).iterdir()
    content = bytearray(path.read_bytes())
    content[len(content.rstrip(b"\0")) // 2] ^= 1
    path.write_bytes(content)
    log = engine.maker()(leader.node_id, lambda index, term, data: None)
    with pytest.raises(JournalDamagedError, match=str(path)):
        await log.run()
