"""Starts in order, and fetches beside them."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from agent.containerizer.fake import FakeContainerizer, Script
from agent.containerizer.interface import Launch
from agent.fetcher.bounds import FETCHES_MAX, FETCHES_PER_FRAMEWORK_MAX
from agent.inbox import Inbox
from agent.machine.events import Event, ProcessStarted, StartCancelled, StartFailed
from agent.records import ExecutorRun, ProcessKey
from agent.starter import Starter
from raftleader.protocol.ids import FrameworkId, TaskId
from raftleader.protocol.tasks import CommandInfo, Uri

FETCH_S = 10.0
SCRIPT = Script(duration_s=1e6, fetch_s=FETCH_S)


def key(task: str, framework: str = "fw") -> ProcessKey:
    return (FrameworkId(framework), TaskId(task))


def launch(key: ProcessKey, *, is_fetching: bool = True) -> Launch:
    uris = (Uri(value="/x"),) if is_fetching else ()
    return Launch(key=key, command=CommandInfo(value="x", uris=uris), sandbox="/s")


@attrs.define(eq=False)
class Bench:
    containerizer: FakeContainerizer
    inbox: Inbox
    starter: Starter

    async def events(self) -> list[Event]:
        """What is posted until nothing is left to do but wait."""
        with trio.move_on_after(0.001):
            return await self.inbox.take()
        return []


@pytest.fixture
async def bench(nursery: trio.Nursery) -> Bench:
    containerizer, inbox = FakeContainerizer(lambda _: SCRIPT), Inbox()
    starter = Starter(containerizer, inbox)
    nursery.start_soon(starter.run)
    return Bench(containerizer, inbox, starter)


async def test_start_follows_its_fetch_and_others_do_not_wait(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.starter.add(launch(key("a")))
    bench.starter.add(launch(key("b"), is_fetching=False))
    await trio.sleep(FETCH_S - 1)
    assert bench.containerizer.starts == [key("b")]
    await trio.sleep(2)
    assert bench.containerizer.starts == [key("b"), key("a")]


async def test_fetches_are_few_at_a_time_and_shared_by_frameworks(
    autojump_clock: MockClock, bench: Bench
) -> None:
    for number in range(FETCHES_MAX):
        bench.starter.add(launch(key(f"a{number}", "first")))
    for number in range(FETCHES_MAX):
        bench.starter.add(launch(key(f"b{number}", "second")))
    await trio.sleep(FETCH_S / 2)
    fetching = bench.containerizer.fetching
    own = FETCHES_PER_FRAMEWORK_MAX
    assert set(fetching) == {key(f"a{n}", "first") for n in range(own)} | {
        key(f"b{n}", "second") for n in range(FETCHES_MAX - own)
    }

    await trio.sleep(4 * FETCH_S)
    assert len(bench.containerizer.starts) == 2 * FETCHES_MAX
    assert bench.containerizer.fetching == []


async def test_cancelled_fetch_is_ended_before_it_is_told(
    autojump_clock: MockClock, bench: Bench
) -> None:
    run = ExecutorRun(FrameworkId("fw"), "e", "c")
    for each in (key("a"), run):
        bench.starter.add(launch(each))
    await trio.sleep(1)
    assert set(bench.containerizer.fetching) == {key("a"), run}
    bench.starter.cancel(run)
    bench.starter.cancel(run)
    assert await bench.events() == [StartCancelled(run)]
    assert bench.containerizer.fetching == [key("a")]
    bench.starter.cancel(key("a"))
    assert await bench.events() == [StartCancelled(key("a"))]
    await trio.sleep(2 * FETCH_S)
    assert bench.containerizer.starts == []


async def test_cancelled_while_it_waits_to_be_fetched_it_never_is(
    autojump_clock: MockClock, bench: Bench
) -> None:
    for number in range(FETCHES_MAX):
        bench.starter.add(launch(key(f"a{number}")))
    await trio.sleep(1)
    bench.starter.cancel(key("a7"))
    assert await bench.events() == [StartCancelled(key("a7"))]
    await trio.sleep(4 * FETCH_S)
    assert key("a7") not in bench.containerizer.starts
    assert len(bench.containerizer.starts) == FETCHES_MAX - 1


async def test_cancelled_between_its_fetch_and_its_turn_it_is_not_started(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.starter.add(attrs.evolve(launch(key("a")), is_fetched=True))
    bench.starter.cancel(key("a"))
    assert await bench.events() == [StartCancelled(key("a"))]
    await trio.sleep(1)
    assert bench.containerizer.starts == []


async def test_what_was_started_is_not_cancelled(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.starter.add(launch(key("a")))
    await trio.sleep(2 * FETCH_S)
    (started,) = await bench.events()
    assert isinstance(started, ProcessStarted)
    bench.starter.cancel(key("a"))
    assert await bench.events() == []


async def test_start_that_fails_after_its_fetch_says_so(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    script = Script(problem="no such program", fetch_s=FETCH_S)
    containerizer, inbox = FakeContainerizer(lambda _: script), Inbox()
    starter = Starter(containerizer, inbox)
    nursery.start_soon(starter.run)
    starter.add(launch(key("a")))
    assert await inbox.take() == [StartFailed(key("a"), "no such program")]
    assert trio.current_time() >= FETCH_S
