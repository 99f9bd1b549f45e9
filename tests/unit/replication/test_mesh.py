"""Strangers, liars and ghosts on the port between nodes."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import Any

import attrs
import msgspec
import pytest
import trio
from trio.testing import MockClock

from raftleader.replication import link_messages
from raftleader.replication.link_messages import (
    PING,
    PONG,
    PROTOCOL_VERSION,
    REASONS,
    WELCOME,
    Hello,
    Refused,
    Welcome,
)
from raftleader.replication.mesh import GUESTS_MAX, Mesh
from raftleader.replication.pysyncobj_backend import wire
from raftleader.replication.settings import RaftSettings
from transports.interface import Link, LinkClosedError
from transports.memory import MemoryNetwork

HEARTBEAT = wire.AppendEntries(
    sender="n2", term=99, prev_index=1, prev_term=0, commit_index=1, entries=[]
)


@pytest.fixture
def engine() -> str:
    return "pysyncobj"  # whose messages these are; the mesh is that of all engines


async def dial(lab: Any) -> Link:
    """A link of a stranger to n1."""
    link: Link = await lab.network.transport("stranger").dial("mem://n1")
    return link


async def is_refused(link: Link, *frames: bytes) -> bool:
    """Whether the link is closed soon after these frames."""
    try:
        for frame in frames:
            await link.send(frame)
        with trio.fail_after(0.5):
            while True:
                await link.receive()
    except LinkClosedError:
        return True
    except trio.TooSlowError:
        return False


def hello(**changes: object) -> bytes:
    fields: dict[str, Any] = {
        "protocol": PROTOCOL_VERSION,
        "cluster_id": "c",
        "sender": "n2",
        "recipient": "n1",
        "engine": "pysyncobj",
    }
    return link_messages.encode(Hello(**(fields | changes)))


REFUSED = {
    "malformed": [b"GET / HTTP/1.1\r\n\r\n"],
    "no hello": [wire.encode(HEARTBEAT)],
    "other protocol": [hello(protocol=PROTOCOL_VERSION + 1)],
    "other engine": [hello(engine="raft")],
    "own id": [hello(sender="n1")],
    "other cluster": [hello(cluster_id="other")],
    "other recipient": [hello(recipient="n3")],
    "no member": [hello(sender="n9")],
    "unexpected": [hello(), WELCOME],
    "wrong sender": [
        hello(),
        wire.encode(
            wire.VoteReply(sender="n3", term=1, is_probe=False, is_granted=True)
        ),
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
async def test_link_that_does_not_agree_is_refused_and_counted(
    laboratory: Any, autojump_clock: MockClock, reason: str
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        assert await is_refused(await dial(lab), *REFUSED[reason])
        assert lab.cluster.nodes["n1"].log.refusals == {reason: 1}


NEWER_HELLO = msgspec.msgpack.encode(["hello", PROTOCOL_VERSION + 1, {"more": [1]}])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        *[(REFUSED[reason][0], reason) for reason in REASONS],
        (NEWER_HELLO, "other protocol"),
    ],
)
async def test_hello_that_is_refused_is_told_why(
    laboratory: Any, autojump_clock: MockClock, frame: bytes, reason: str
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        link = await dial(lab)
        await link.send(frame)
        assert link_messages.decode(await link.receive()) == Refused(reason=reason)
        assert await is_refused(link)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x91" * 100,
        wire.encode(HEARTBEAT),
        WELCOME,
        hello() + b"x",
        hello(cluster_id="c" * 5000),
        msgspec.msgpack.encode(["hello", "2", 1]),
    ],
)
async def test_what_is_no_hello_is_answered_by_nothing(
    laboratory: Any, autojump_clock: MockClock, frame: bytes
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        link = await dial(lab)
        await link.send(frame)
        with pytest.raises(LinkClosedError):
            await link.receive()


async def test_link_that_says_nothing_is_closed(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        link = await dial(lab)
        await trio.sleep(2 * RaftSettings().handshake_s)
        assert await is_refused(link)
        assert lab.cluster.nodes["n1"].log.refusals == {"silent": 1}


async def test_garbage_does_not_disturb_the_cluster(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        led = leader.log.leadership
        rng = random.Random(1)
        for _ in range(100):
            link = await dial(lab)
            assert await is_refused(link, rng.randbytes(rng.randint(1, 300)))
        await leader.log.propose(b"fine", timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        assert leader.log.leadership == led
        assert sum(lab.cluster.nodes["n1"].log.refusals.values()) == 100


async def test_newest_link_of_a_peer_counts_and_the_old_one_is_closed(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    """G': a stale frame on an old link must not be taken after newer ones."""
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        old, new = await dial(lab), await dial(lab)
        await old.send(hello())
        assert link_messages.decode(await old.receive()) == Welcome()
        await new.send(hello())
        assert link_messages.decode(await new.receive()) == Welcome()
        with pytest.raises(LinkClosedError):
            while True:
                await old.send(wire.encode(HEARTBEAT))
                await trio.sleep(0.01)
        node = lab.cluster.nodes["n1"]
        assert node.log.leadership.term == 0
        await new.send(wire.encode(HEARTBEAT))
        await trio.sleep(0.05)
        assert node.log.leadership.term == 99
        assert node.log.leadership.leader == "n2"


class StubbornLink:
    """A link that still gives a frame it had already received when it was closed."""

    peer = "mem://stubborn"

    def __init__(self) -> None:
        self.may_receive = trio.Event()
        self.frames = [wire.encode(HEARTBEAT)]

    async def send(self, frame: bytes) -> None: ...

    async def send_many(self, frames: list[bytes]) -> None: ...

    async def receive(self) -> bytes:
        return hello()

    async def receive_many(self) -> list[bytes]:
        await self.may_receive.wait()
        if not self.frames:
            raise LinkClosedError
        frames, self.frames = self.frames, []
        return frames

    async def aclose(self) -> None:
        self.may_receive.set()


class Notes:
    """An inbox that only remembers."""

    def __init__(self) -> None:
        self.messages: list[object] = []
        self.events: list[tuple[str, str]] = []

    def receive(self, peer: str, message: wire.RaftMessage) -> None:
        self.messages.append(message)

    def link_up(self, peer: str) -> None:
        self.events.append(("up", peer))

    def link_down(self, peer: str) -> None:
        self.events.append(("down", peer))

    def peer_lost(self, peer: str) -> None:
        self.events.append(("lost", peer))


Nodes = tuple[Mesh[wire.RaftMessage], Notes]


@attrs.define
class MeshMaker:
    """Meshes of one cluster, all in one nursery."""

    nursery: trio.Nursery
    network: MemoryNetwork = attrs.field(
        factory=lambda: MemoryNetwork(rng=random.Random(1))
    )

    async def start(self, node_id: str, *members: str, **options: Any) -> Nodes:
        mesh, notes = self.make(node_id, *members, **options)
        await mesh.start(self.nursery)
        return mesh, notes

    def make(self, node_id: str, *members: str, **options: Any) -> Nodes:
        notes = Notes()
        defaults: dict[str, Any] = {
            "cluster_id": "c",
            "engine": "pysyncobj",
            "transport": self.network.transport(node_id),
            "settings": RaftSettings(),
        }
        defaults["members"] = addresses(node_id, *members)
        mesh = Mesh[wire.RaftMessage](
            node_id=node_id,
            decode=wire.decode,
            inbox=notes,
            rng=random.Random(1),
            **(defaults | options),
        )
        return mesh, notes


def addresses(*node_ids: str) -> dict[str, str]:
    return {node_id: f"mem://{node_id}" for node_id in node_ids}


async def test_frame_of_a_replaced_link_is_ignored_even_if_it_was_there_already(
    autojump_clock: MockClock,
) -> None:
    old, new = StubbornLink(), StubbornLink()

    async def serve(link: StubbornLink) -> None:
        with suppress(LinkClosedError):
            await mesh._serve_link(link)

    async with trio.open_nursery() as nursery:
        mesh, notes = MeshMaker(nursery).make("n1", "n2")
        nursery.start_soon(serve, old)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(serve, new)
        await trio.testing.wait_all_tasks_blocked()
        assert old.frames == []
        assert notes.messages == []
        assert mesh.refusals == {"old link": 1}
        new.may_receive.set()
    assert notes.messages == [HEARTBEAT]
    assert notes.events == [("lost", "n2")]


async def test_refusal_is_logged_once_where_it_is_told_and_counted_each_time(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        one, _ = await maker.start("n1", "n2")
        other, _ = await maker.start("n2", "n1", cluster_id="another")
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    for mesh in (one, other):
        assert mesh.refusals["other cluster"] > 10
        assert mesh.refusals["refused by peer: other cluster"] > 10
        assert mesh.peers_connected == ()
    messages = [record.getMessage() for record in caplog.records]
    assert sorted(m for m in messages if "refuses our links" in m) == [
        "node n1: n2 at mem://n2 refuses our links: other cluster",
        "node n2: n1 at mem://n1 refuses our links: other cluster",
    ]
    assert len(messages) == 4  # and one where each was refused


async def test_peer_is_dialled_where_it_is_reached_not_where_the_group_says(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        one, _ = await maker.start("n1", "n2", via={"n2": "mem://behind"})
        behind = {"n1": "mem://n1", "n2": "mem://behind"}
        transport = maker.network.transport("behind")
        mesh, _ = await maker.start("n2", members=behind, transport=transport)
        await trio.sleep(1)
        assert one.peers_connected == ("n2",)
        assert mesh.peers_connected == ("n1",)
        nursery.cancel_scope.cancel()


async def test_members_come_and_go(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        one, seen = await maker.start("n1", "n2")
        two, _ = await maker.start("n2", "n1")
        three, _ = await maker.start("n3", "n1")
        await trio.sleep(1)
        assert one.peers_connected == ("n2",)
        assert three.refusals["refused by peer: no member"] > 0
        one.set_members(addresses("n1", "n2", "n3"))
        await trio.sleep(1)
        assert one.peers_connected == ("n2", "n3")
        assert three.peers_connected == ("n1",)
        one.send("n3", [wire.encode(HEARTBEAT)])
        one.set_members(addresses("n1", "n3"))
        assert one.peers_connected == ("n3",)
        await trio.sleep(5)
        assert two.peers_connected == ()
        assert two.refusals["refused by peer: no member"] > 0
        assert seen.events.count(("down", "n2")) == 1
        assert seen.events.count(("lost", "n2")) == 1
        nursery.cancel_scope.cancel()


async def test_member_with_another_address_is_dialled_there(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        one, seen = await maker.start("n1", "n2")
        await maker.start("n2", "n1")
        await trio.sleep(1)
        moved = maker.network.transport("n2")
        handler = maker.make("n2", "n1")[0]._serve_link
        await nursery.start(moved.serve, "mem://n2:moved", handler)
        one.set_members({"n1": "mem://n1", "n2": "mem://n2:moved"})
        await trio.sleep(5)
        assert one.peers_connected == ("n2",)
        assert seen.events == [("up", "n2"), ("up", "n2")]
        nursery.cancel_scope.cancel()


async def test_peer_that_comes_back_is_dialled_as_soon_as_it_dials(
    autojump_clock: MockClock,
) -> None:
    settings = RaftSettings(redial_min_s=5.0, redial_max_s=60.0)
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        waiting, _ = await maker.start("n1", "n2", settings=settings)
        await trio.sleep(100)
        await maker.start("n2", "n1")
        await trio.sleep(0.1)
        assert waiting.peers_connected == ("n2",)
        nursery.cancel_scope.cancel()


async def test_node_that_is_behind_takes_in_a_member_it_does_not_know(
    autojump_clock: MockClock,
) -> None:
    is_open = True
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        behind, seen = await maker.start("n1", is_open_to_guests=lambda: is_open)
        with trio.CancelScope() as life:
            async with trio.open_nursery() as inner:
                newcomer = MeshMaker(inner, maker.network)
                leader, _ = await newcomer.start("n4", "n1")
                await trio.sleep(1)
                assert behind.peers_connected == ("n4",)
                assert leader.peers_connected == ("n1",)
                leader.send("n1", [wire.encode(sent_by(HEARTBEAT, "n4"))])
                await trio.sleep(1)
                assert seen.messages == [sent_by(HEARTBEAT, "n4")]
                life.cancel()
        await trio.sleep(5)
        assert behind._outgoing == {}
        is_open = False
        again, _ = await maker.start("n4", "n1")
        await trio.sleep(1)
        assert again.peers_connected == ()
        nursery.cancel_scope.cancel()


async def test_guests_are_few(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        host, _ = await maker.start("n1", is_open_to_guests=lambda: True)
        for number in range(GUESTS_MAX + 2):
            await maker.start(f"guest-{number}", "n1")
        await trio.sleep(1)
        assert len(host.peers_connected) == GUESTS_MAX
        assert host.refusals.keys() == {"no member"}
        nursery.cancel_scope.cancel()


def sent_by(message: wire.AppendEntries, sender: str) -> wire.AppendEntries:
    return msgspec.structs.replace(message, sender=sender)


async def test_frame_over_the_limit_closes_the_link_and_is_counted(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        small = maker.network.transport("n1", frame_bytes_max=1000)
        mesh, notes = await maker.start("n1", "n2", transport=small)
        link = await maker.network.transport("n2").dial("mem://n1")
        assert await is_refused(link, hello(), bytes(1001))
        assert mesh.refusals == {"frame too large": 1}
        assert notes.events == [("lost", "n2")]
        nursery.cancel_scope.cancel()


async def test_ping_is_answered_on_the_same_link(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        link = await dial(lab)
        await link.send(hello())
        await link.receive()
        await link.send(PING)
        assert await link.receive() == PONG


async def test_node_of_another_cluster_takes_no_part(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory(cluster_ids={"n3": "another"}) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(among=("n1", "n2"), timeout_s=5)
        for number in range(10):
            await leader.log.propose(b"%d" % number, timeout_s=5)
        await trio.sleep(5)
        stranger = lab.cluster.nodes["n3"]
        assert stranger.applied == []
        assert stranger.log.leadership.leader is None
        assert stranger.log.statistics().peers_connected == ()
        assert "n3" not in leader.log.statistics().peers_connected
        assert stranger.log.refusals.keys() == {
            "other cluster",
            "refused by peer: other cluster",
        }


async def test_journal_of_another_cluster_ends_the_start(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        await lab.cluster.stop()
        lab.cluster_ids["n1"] = "renamed"
        await lab.cluster.start("n1")
        assert "is of cluster 'c'" in str(lab.cluster.nodes["n1"].failure)


async def test_address_in_use_ends_the_start_with_a_plain_error(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab, trio.open_nursery() as nursery:
        transport = lab.network.transport("n1")
        await nursery.start(transport.serve, "mem://n1", _ignore)
        await lab.cluster.start("n1")
        assert isinstance(lab.cluster.nodes["n1"].failure, OSError)
        nursery.cancel_scope.cancel()


async def _ignore(link: Link) -> None:
    await trio.sleep_forever()


async def test_slow_link_drops_frames_rather_than_memory(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    settings = RaftSettings(outbox_frames_max=20, append_bytes_max=1000)
    async with laboratory(settings=settings) as lab:
        lab.network.pipe_bytes_max = 2000
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        slow = lab.others(leader.node_id)[0]
        lab.plan.half_open(leader.node_id, slow)
        for _ in range(200):
            await leader.log.propose(os.urandom(200), timeout_s=5)
        lab.plan.heal_all()
        await lab.cluster.settle(timeout_s=5)
        assert lab.cluster.nodes[slow].commands == leader.commands


async def test_guests_with_ever_new_names_do_not_flood_the_log(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor memory: what is remembered of a refusal is not told apart by their names."""
    async with trio.open_nursery() as nursery:
        maker = MeshMaker(nursery)
        mesh, _ = await maker.start("n1", is_open_to_guests=lambda: True)
        for number in range(20):
            link = await maker.network.transport("stranger").dial("mem://n1")
            name = f"guest-{number}"
            address = f"mem://{name}"
            assert await is_refused(link, hello(sender=name, address=address), b"x")
        nursery.cancel_scope.cancel()
    assert mesh.refusals["malformed"] == 20
    warnings = [one for one in caplog.messages if "closed a link from" in one]
    assert len(warnings) == 1
