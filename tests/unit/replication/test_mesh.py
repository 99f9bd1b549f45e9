"""Strangers, liars and ghosts on the port between nodes."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from raftleader.replication.pysyncobj_backend import wire
from raftleader.replication.pysyncobj_backend.mesh import Mesh
from raftleader.replication.settings import RaftSettings
from transports.interface import Link, LinkClosedError
from transports.memory import MemoryNetwork

HELLO = wire.Hello(protocol=1, cluster_id="c", sender="n2", recipient="n1")
HEARTBEAT = wire.AppendEntries(
    sender="n2", term=99, prev_index=1, prev_term=0, commit_index=1, entries=[]
)


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
    fields = {"protocol": 1, "cluster_id": "c", "sender": "n2", "recipient": "n1"}
    return wire.encode(wire.Hello(**(fields | changes)))  # type: ignore[arg-type]


REFUSED = {
    "malformed": [b"GET / HTTP/1.1\r\n\r\n"],
    "no hello": [wire.encode(HEARTBEAT)],
    "other protocol": [hello(protocol=2)],
    "other cluster": [hello(cluster_id="other")],
    "other recipient": [hello(recipient="n3")],
    "no member": [hello(sender="n9")],
    "unexpected": [hello(), wire.encode(wire.Welcome())],
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


async def test_node_cannot_dial_itself(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        assert await is_refused(await dial(lab), hello(sender="n1"))


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
        assert wire.decode(await old.receive()) == wire.Welcome()
        await new.send(hello())
        assert wire.decode(await new.receive()) == wire.Welcome()
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
        self.events: list[object] = []

    def receive(self, peer: str, message: wire.RaftMessage) -> None:
        self.events.append(message)

    def link_up(self, peer: str) -> None: ...

    def link_down(self, peer: str) -> None: ...

    def peer_lost(self, peer: str) -> None:
        self.events.append(peer)


async def test_frame_of_a_replaced_link_is_ignored_even_if_it_was_there_already(
    autojump_clock: MockClock,
) -> None:
    notes = Notes()
    mesh = Mesh(
        cluster_id="c",
        node_id="n1",
        members={"n1": "mem://n1", "n2": "mem://n2"},
        transport=MemoryNetwork(rng=random.Random(1)).transport("n1"),
        inbox=notes,
        rng=random.Random(1),
        settings=RaftSettings(),
    )
    old, new = StubbornLink(), StubbornLink()

    async def serve(link: StubbornLink) -> None:
        with suppress(LinkClosedError):
            await mesh._serve_link(link)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, old)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(serve, new)
        await trio.testing.wait_all_tasks_blocked()
        assert old.frames == []
        assert notes.events == []
        new.may_receive.set()
    assert notes.events == [HEARTBEAT, "n2"]


async def test_ping_is_answered_on_the_same_link(
    laboratory: Any, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start("n1")
        link = await dial(lab)
        await link.send(hello())
        await link.receive()
        await link.send(wire.encode(wire.Ping()))
        assert wire.decode(await link.receive()) == wire.Pong()


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
        assert stranger.log.refusals.keys() == {"other cluster"}


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
