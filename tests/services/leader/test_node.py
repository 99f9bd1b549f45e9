"""A whole node by its composition root: over loopback, and three of them in memory."""

from __future__ import annotations

import gc
import json
import math
import random

import attrs
import pytest
import trio

from raftleader.errors import (
    ConfigError,
    JournalDamagedError,
    NotLeaderError,
    OutcomeUnknownError,
)
from raftleader.leader.interface import LeaderNode
from raftleader.leader.replica import Replica
from raftleader.node import (
    JOURNAL_NAME,
    BoundAddresses,
    Engine,
    NodeConfig,
    run_node,
)
from raftleader.protocol.agents import Domain
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.replication.raft_log import RaftLog
from raftleader.state.commands import SubscribeFramework
from transports.interface import Link, Transport
from transports.memory import MemoryNetwork


def config(tmp_path, **changes) -> NodeConfig:
    fields = {
        "cluster_id": "test",
        "node_id": "n1",
        "members": {"n1": "tcp://127.0.0.1:1"},
        "http": "127.0.0.1:0",
        "agents": "tcp://127.0.0.1:0",
        "data_dir": tmp_path / "n1",
        **changes,
    }
    return NodeConfig(**fields)


async def subscribe(address: str) -> tuple[trio.SocketStream, bytes]:
    """SUBSCRIBE by hand; the head and the first event or two."""
    host, port = address.split(":")
    stream = await trio.open_tcp_stream(host, int(port))
    call = {
        "type": "SUBSCRIBE",
        "subscribe": {"framework_info": {"user": "me", "name": "web"}},
    }
    body = json.dumps(call).encode()
    head = (
        "POST /api/v1/scheduler HTTP/1.1\r\n"
        f"Host: {address}\r\n"
        "Content-Type: application/json\r\n"
        "Accept: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    await stream.send_all(head.encode() + body)
    answer = b""
    while b"HEARTBEAT" not in answer:
        part = await stream.receive_some()
        if not part:
            break
        answer += part
        if not answer.startswith(b"HTTP/1.1 200"):
            break
    return stream, answer


async def test_a_single_node_serves_a_subscription_over_http(tmp_path):
    async with trio.open_nursery() as nursery:
        with trio.fail_after(20):
            bound: BoundAddresses = await nursery.start(run_node, config(tmp_path))
            while True:
                stream, answer = await subscribe(bound.http)
                if answer.startswith(b"HTTP/1.1 200"):
                    break
                assert answer.startswith(b"HTTP/1.1 503"), answer
                await stream.aclose()
                await trio.sleep(0.02)
        head, _, events = answer.partition(b"\r\n\r\n")
        assert b"mesos-stream-id:" in head.lower()
        assert b'"type":"SUBSCRIBED"' in events.replace(b" ", b"")
        assert bound.agents.startswith("tcp://127.0.0.1:")
        assert not bound.agents.endswith(":0")
        await stream.aclose()
        nursery.cancel_scope.cancel()
    assert gc.get_freeze_count() == 0


async def test_a_subscription_is_told_where_the_leader_stands(tmp_path):
    domain = Domain(region="north", zone="a")
    async with trio.open_nursery() as nursery:
        with trio.fail_after(20):
            bound: BoundAddresses = await nursery.start(
                run_node, config(tmp_path, domain=domain)
            )
            answer = b""
            while not answer.startswith(b"HTTP/1.1 200"):
                stream, answer = await subscribe(bound.http)
                await stream.aclose()
            assert b'"region":{"name":"north"}' in answer
        nursery.cancel_scope.cancel()


async def test_a_damaged_journal_stops_the_start_with_its_own_error(tmp_path):
    async with trio.open_nursery() as nursery:
        await nursery.start(run_node, config(tmp_path))
        nursery.cancel_scope.cancel()
    (journal,) = (tmp_path / "n1" / JOURNAL_NAME).iterdir()
    content = bytearray(journal.read_bytes())
    content[4] ^= 0xFF
    journal.write_bytes(bytes(content))
    with pytest.raises((JournalDamagedError, ConfigError)):
        await run_node(config(tmp_path))


async def test_two_nodes_cannot_share_a_data_directory(tmp_path):
    async with trio.open_nursery() as nursery:
        await nursery.start(run_node, config(tmp_path))
        with pytest.raises(ConfigError, match="open in another process"):
            await run_node(config(tmp_path))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("changes", "engine"),
    [
        ({}, Engine.SINGLE_NODE),
        ({"members": {"n1": "a", "n2": "b"}}, Engine.RAFT),
        ({"is_joining": True}, Engine.RAFT),
        ({"engine": "raft"}, Engine.RAFT),
        ({"engine": "pysyncobj"}, Engine.PYSYNCOBJ),
    ],
)
def test_engine_is_raft_unless_the_node_is_alone_or_it_is_chosen(
    tmp_path, changes, engine
):
    assert config(tmp_path, **changes).log_engine is engine


@pytest.mark.parametrize("engine", ["raft", "pysyncobj", "single_node"])
async def test_directory_of_another_engine_is_refused(tmp_path, engine):
    async with trio.open_nursery() as nursery:
        await nursery.start(run_node, config(tmp_path, engine=engine))
        nursery.cancel_scope.cancel()
    other = "raft" if engine != "raft" else "single_node"
    with pytest.raises(ConfigError, match="engine"):
        await run_node(config(tmp_path, engine=other))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cluster_id": ""}, "cluster_id must not be empty"),
        ({"node_id": "n9"}, "members does not name this node, 'n9'"),
        ({"agent_timeout_s": 0.0}, "agent_timeout_s must be more than 0"),
        ({"offer_timeout_s": math.inf}, "offer_timeout_s must be .* finite"),
        ({"heartbeat_interval_s": math.nan}, "heartbeat_interval_s must be"),
        ({"weights": {"web": 0}}, "weights: that of 'web' must be more than 0"),
        (
            {"engine": "pysyncobj", "is_joining": True},
            "join: only a group of engine raft can be joined",
        ),
        (
            {"engine": "single_node", "members": {"n1": "a", "n2": "b"}},
            "single_node is for a cluster of one",
        ),
    ],
)
def test_a_config_that_cannot_be_used_names_the_key(tmp_path, changes, problem):
    with pytest.raises(ConfigError, match=problem):
        config(tmp_path, **changes)


async def no_http(handler, address, *, task_status) -> None:
    task_status.started(address)
    await trio.sleep_forever()


async def test_a_bug_while_applying_ends_the_node_with_that_error(
    autojump_clock, tmp_path, world, until
):
    made = []

    def boom(applied) -> None:
        raise ZeroDivisionError("a bug")

    async def break_it() -> None:
        await until(lambda: made and made[0].leadership.leading)
        made[0]._replica.listen(boom)
        made[0].submit(SubscribeFramework(info=FrameworkInfo(user="me", name="web")))

    world.nursery.start_soon(break_it)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await run_node(
            config(tmp_path, members={"n1": "mem://n1/peer"}, agents="mem://n1/agents"),
            transport=world.network.transport("n1"),
            http_server=no_http,
            make_log=log_without_threads,
            on_made=made.append,
        )


def log_without_threads(
    config: NodeConfig, transport: Transport, machine: Replica, rng: random.Random
) -> RaftLog:
    """Waits for its disk in the event loop: a virtual clock knows of no threads."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    return RaftLog(
        cluster_id=config.cluster_id,
        node_id=config.node_id,
        members=config.members,
        transport=transport,
        data_dir=config.data_dir,
        machine=machine,
        rng=rng,
        settings=config.raft,
    )


class Cluster:
    """Three nodes in memory, without HTTP: the handler is kept instead."""

    def __init__(self, nursery: trio.Nursery, tmp_path, network) -> None:
        self.nursery = nursery
        self.network = network
        self.tmp_path = tmp_path
        self.scopes: dict[str, trio.CancelScope] = {}
        self.nodes: dict[str, LeaderNode] = {}
        self.members = {f"n{n}": f"mem://n{n}/peer" for n in (1, 2, 3)}

    async def start(self, node_id: str) -> None:
        await self.nursery.start(self._run, node_id)

    async def _run(self, node_id: str, *, task_status) -> None:
        with trio.CancelScope() as self.scopes[node_id]:
            await run_node(
                config(
                    self.tmp_path,
                    node_id=node_id,
                    members=self.members,
                    http=f"{node_id}:80",
                    agents=f"mem://{node_id}/agents",
                    data_dir=self.tmp_path / node_id,
                ),
                transport=self.network.transport(node_id),
                rng=random.Random(node_id),
                wall_ms=lambda: 1_700_000_000_000,
                http_server=no_http,
                make_log=log_without_threads,
                on_made=lambda node: self.nodes.__setitem__(node_id, node),
                task_status=task_status,
            )

    def leader(self) -> str | None:
        for node_id, node in self.nodes.items():
            if node.leadership.leading:
                return node_id
        return None


async def test_a_standby_takes_over_and_agents_and_clients_find_it(
    autojump_clock, tmp_path, world, until
):
    cluster = Cluster(world.nursery, tmp_path, world.network)
    assert isinstance(world.network, MemoryNetwork)
    for node_id in cluster.members:
        await cluster.start(node_id)
    await until(lambda: cluster.leader() is not None)
    first = cluster.leader()
    await until(
        lambda: all(n.leader_address == f"{first}:80" for n in cluster.nodes.values())
    )
    began = trio.current_time()
    cluster.scopes[first].cancel()
    del cluster.nodes[first]
    await until(lambda: cluster.leader() is not None)
    assert trio.current_time() - began < 1.0
    second = cluster.leader()
    assert second != first
    await until(
        lambda: all(n.leader_address == f"{second}:80" for n in cluster.nodes.values())
    )
    (standby,) = set(cluster.nodes) - {second}
    assert not cluster.nodes[standby].leadership.leading


async def test_a_leader_cut_off_loses_its_office_and_answers_what_is_known(
    autojump_clock, tmp_path, world, until
):
    cluster = Cluster(world.nursery, tmp_path, world.network)
    for node_id in cluster.members:
        await cluster.start(node_id)
    await until(lambda: cluster.leader() is not None)
    first = cluster.leader()
    old = cluster.nodes.pop(first)
    world.network.refuse_dials(first)
    world.network.close_links(first)
    command = SubscribeFramework(info=FrameworkInfo(user="me", name="lost"))
    ticket = old.submit(command)
    began = trio.current_time()
    with pytest.raises((OutcomeUnknownError, NotLeaderError)):
        await ticket.wait()
    assert trio.current_time() - began <= 4.0
    await until(lambda: not old.leadership.leading)
    with pytest.raises(NotLeaderError):
        old.submit(command)

    await until(lambda: cluster.leader() is not None)
    new = cluster.nodes[cluster.leader()]
    await new.submit(
        SubscribeFramework(info=FrameworkInfo(user="me", name="kept"))
    ).wait()
    world.network.allow_dials(first)
    await until(lambda: len(old.state.frameworks) == 1)
    (framework,) = old.state.frameworks.values()
    assert framework.info.name == "kept"
    assert old.leader_address == new.http_address


@attrs.define
class CancellingTransport:
    """Cancels ``scope`` when the log begins to listen."""

    inner: Transport
    scope: trio.CancelScope

    async def dial(self, address: str) -> Link:
        return await self.inner.dial(address)

    async def serve(self, address, handler, *, task_status) -> None:
        if address == "mem://n1":
            self.scope.cancel()
            await trio.lowlevel.checkpoint()
        await self.inner.serve(address, handler, task_status=task_status)


async def test_a_node_cancelled_while_its_log_begins_ends(
    tmp_path, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork(rng=random.Random(1))
    with trio.fail_after(60), trio.CancelScope() as scope:
        await run_node(
            config(
                tmp_path,
                members={"n1": "mem://n1", "n2": "mem://n2", "n3": "mem://n3"},
                agents="mem://n1/agents",
            ),
            transport=CancellingTransport(network.transport("n1"), scope),
            http_server=no_http,
        )
    assert scope.cancelled_caught
