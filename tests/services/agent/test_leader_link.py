"""Sessions with leader nodes: greeted, pinged, lost, refused, fed with garbage."""

from __future__ import annotations

import itertools
import logging
import random
from typing import Any

import pytest
import trio

from agent.inbox import WAITING_EVENTS_MAX, Inbox
from agent.leader_link import FRAMES_WAITING_MAX, LeaderLinks
from agent.machine.events import MessageArrived, SessionLost, SessionOpened, Tick
from raftleader.protocol.agent_rpc import (
    AgentHello,
    NodeHello,
    Ping,
    Pong,
    Refused,
    encode,
)
from raftleader.protocol.agents import AgentInfo

HELLO = AgentHello(cluster_id="", key="k", info=AgentInfo(hostname="h", ip="i", port=1))


@pytest.fixture
async def links(world: Any) -> LeaderLinks:
    """Links to node n1, not yet running."""
    await world.add_leader()
    transports = {"mem://n1": world.network.transport("agent")}
    return LeaderLinks(world.config(), transports, Inbox(), random.Random(3))


async def greet_always(links: LeaderLinks, sessions: list[int] | None = None) -> None:
    """What the machine does: greet in every session."""
    while True:
        for event in await links.inbox.take():
            if isinstance(event, SessionOpened):
                links.send_nowait(event.session, HELLO)
                if sessions is not None:
                    sessions.append(event.session)


async def test_session_posts_what_arrives_in_order(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    nursery.start_soon(links.run)
    assert await links.inbox.take() == [SessionOpened(1)]
    links.send_nowait(1, HELLO)
    events = await links.inbox.take()
    assert isinstance(events[0], MessageArrived)
    assert isinstance(events[0].message, NodeHello)
    world.network.close_links("n1")
    while not isinstance(events[-1], SessionLost):
        events += await links.inbox.take()
    assert events[-1] == SessionLost(1)
    assert await links.inbox.take() == [SessionOpened(2)]


async def test_ping_is_answered(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    leader = world.leaders["n1"]
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links)
    await leader.wait(lambda it: it.links and it.hellos)
    await leader.say(Ping(number=42))
    await leader.wait(lambda it: Pong(number=42) in it.heard)


async def test_node_that_is_down_is_dialled_with_growing_bounded_pauses(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    world.network.refuse_dials("n1")
    nursery.start_soon(links.run)
    await trio.sleep(2)
    assert 4 <= links.dials <= 12
    early = links.dials
    await trio.sleep(600)
    assert 300 <= links.dials - early <= 610  # every 1 to 2 s

    world.network.allow_dials("n1")
    with trio.fail_after(2.01):
        assert await links.inbox.take() == [SessionOpened(1)]


async def test_refusal_is_an_error_and_tried_again_slowly(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
    caplog: pytest.LogCaptureFixture,
) -> None:
    leader = world.leaders["n1"]
    leader.first_frames = [encode(Refused(problem="wrong cluster"))]
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links)
    await trio.sleep(100)

    assert 4 <= len(leader.hellos) <= 7
    gaps = [b - a for a, b in itertools.pairwise(leader.hello_times)]
    assert min(gaps) >= 15
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == len(leader.hellos)
    assert "wrong cluster" in errors[0].getMessage()


@pytest.mark.parametrize(
    "garbage", [b"", b"\xc1", b"\x81\xa4type\xa5hello", b"\xff" * 100]
)
async def test_garbage_closes_the_session_and_is_counted(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
    garbage: bytes,
) -> None:
    leader = world.leaders["n1"]
    leader.first_frames = [garbage]
    sessions: list[int] = []
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links, sessions)
    await trio.sleep(10)
    assert links.bad_frames >= 3
    assert sessions == list(range(1, len(sessions) + 1))

    leader.first_frames = None
    await trio.sleep(10)
    before = links.bad_frames
    await trio.sleep(100)
    assert (links.bad_frames, links.open_count) == (before, 1)


async def test_node_that_says_nothing_is_dialled_anew(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    leader = world.leaders["n1"]
    leader.first_frames = []
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links)
    await trio.sleep(60)
    assert 8 <= len(leader.hellos) <= 12


async def test_node_is_dialled_anew_when_it_is_silent_after_its_greeting(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    """It may have lost its power before its first ping: then no end ever comes."""
    leader = world.leaders["n1"]
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links)
    await trio.sleep(links.config.silence_timeout_s - 1)
    assert len(leader.hellos) == 1
    await trio.sleep(3)
    assert len(leader.hellos) == 2


async def test_node_that_pings_keeps_its_session_until_it_stops(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    leader = world.leaders["n1"]
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links)
    for number in range(50):
        await trio.sleep(links.config.silence_timeout_s / 3)
        await leader.say(Ping(number=number))
    assert len(leader.hellos) == 1
    await trio.sleep(links.config.silence_timeout_s - 1)
    assert len(leader.hellos) == 1
    await trio.sleep(3)
    assert len(leader.hellos) == 2


async def test_leader_that_does_not_read_is_cut_when_too_much_waits(
    autojump_clock: trio.testing.MockClock, links: LeaderLinks, nursery: trio.Nursery
) -> None:
    nursery.start_soon(links.run)
    assert await links.inbox.take() == [SessionOpened(1)]
    for number in range(FRAMES_WAITING_MAX + 1):
        links.send_nowait(1, Pong(number=number))
    assert await links.inbox.take() == [SessionLost(1)]


async def test_message_to_a_session_that_is_over_is_dropped(
    autojump_clock: trio.testing.MockClock, links: LeaderLinks
) -> None:
    links.send_nowait(99, HELLO)
    links.close_nowait(99, "never was", is_refusal=True)
    assert links.open_count == 0


async def test_inbox_makes_links_wait_when_it_is_full(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    inbox = Inbox()
    for _ in range(WAITING_EVENTS_MAX):
        inbox.post_nowait(Tick())
    nursery.start_soon(inbox.post, SessionLost(1))
    await trio.testing.wait_all_tasks_blocked()

    assert await inbox.take() == [Tick()] * WAITING_EVENTS_MAX
    assert await inbox.take() == [SessionLost(1)]


async def test_node_that_pings_but_has_not_introduced_itself_is_dialled_anew(
    autojump_clock: trio.testing.MockClock,
    world: Any,
    links: LeaderLinks,
    nursery: trio.Nursery,
) -> None:
    """Its hello was lost; what it sends otherwise does not make up for it."""
    leader = world.leaders["n1"]
    leader.first_frames = []
    nursery.start_soon(links.run)
    nursery.start_soon(greet_always, links)
    await leader.wait(lambda it: it.hellos)
    with trio.move_on_after(30):
        while len(leader.hellos) == 1:
            await leader.say(Ping(number=1))
            await trio.sleep(1)
    assert len(leader.hellos) == 2
    assert leader.hello_times[1] - leader.hello_times[0] < 6.5
