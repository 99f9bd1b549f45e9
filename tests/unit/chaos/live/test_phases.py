from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from support.fake_world import FakeCluster, FakeJournal, FakeNemesis

from chaos.history.records import Happening, PhaseRecord
from chaos.live.atlas import Shape
from chaos.live.faults import Fault, Injection, Target
from chaos.live.messages import Message, PhaseBegan, Tick
from chaos.live.outcome import Ending, Outcome
from chaos.live.phases import Phases
from chaos.live.seams import World
from chaos.live.watcher import Watcher
from chaos.results import Verdict
from raftleader.errors import UnavailableError


async def no_answer(address: str) -> dict[str, Any] | None:
    await trio.lowlevel.checkpoint()
    return None


class FakePages:
    """Each page is one word, but that of an agent that is gone."""

    async def rows(self, name: str) -> Any:
        await trio.lowlevel.checkpoint()
        return [name]

    async def status(self, address: str) -> Any:
        await trio.lowlevel.checkpoint()
        return address

    async def agent_state(self, address: str) -> Any:
        await trio.lowlevel.checkpoint()
        if address == "agent-2:80":
            raise UnavailableError("agent-2:80 does not answer")
        return address


class Run:
    """Phases over a world without processes, whose workloads settle when told."""

    def __init__(self, world: World, schedule: list[Injection]) -> None:
        assert isinstance(world.cluster, FakeCluster)
        self.cluster = world.cluster
        self.world = world
        self.nemesis = FakeNemesis()
        self.messages: list[Message] = []
        self.cut_short = trio.Event()
        self.outcome = Outcome()
        self.silent = ""
        self.left: list[dict[str, str]] = []
        self.phases = Phases(
            world=world,
            watcher=Watcher(
                cluster=world.cluster, journal=world.journal, ask=no_answer
            ),
            pages=FakePages(),
            nemeses=dict.fromkeys(self.nemesis.faults, self.nemesis),
            schedule=schedule,
            shape=Shape(leaders=3, agents=2, frameworks=2),
            faults_s=20.0,
            tell=self.messages.append,
            cut_short=self.cut_short,
            outcome=self.outcome,
        )

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.settle)
            await self.phases.run()
            nursery.cancel_scope.cancel()

    async def settle(self) -> None:
        folder = self.world.folder / "workloads"
        folder.mkdir()
        while True:
            await trio.sleep(1.0)
            for name, number in self.cluster.signals:
                if number == signal.SIGUSR1 and name != self.silent:
                    record = Happening(
                        process=name,
                        what="settled",
                        value={"left": self.left},
                        at_ns=self.world.journal.now_ns(),
                    )
                    with (folder / f"{name}.jsonl").open("ab") as file:
                        file.write(msgspec.json.encode(record) + b"\n")

    @property
    def begun(self) -> dict[str, float]:
        assert isinstance(self.world.journal, FakeJournal)
        return {
            record.name: record.at_ns / 1e9
            for record in self.world.journal.records
            if isinstance(record, PhaseRecord)
        }


def kill(at_s: float, for_s: float = 5.0) -> Injection:
    return Injection(
        number=1,
        fault=Fault.KILL,
        target=Target.LEADER,
        at_s=at_s,
        for_s=for_s,
        seed=1,
    )


async def test_all_phases_follow_each_other(
    world: World, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    run = Run(world, [kill(at_s=4.0)])
    await run.run()

    assert list(run.begun) == ["start", "before", "faults", "heal", "settle", "end"]
    assert run.begun["faults"] == 5.0
    assert run.begun["heal"] == 25.0
    assert run.nemesis.healed == [1]
    assert run.outcome.ending is Ending.COMPLETE
    assert run.outcome.ready is not None and run.outcome.ready.took_s == 2.0
    assert run.outcome.settled is not None and run.outcome.settled.took_s is not None
    state = json.loads((tmp_path / "final" / "get_state.json").read_text())
    assert state == {"type": "GET_STATE"}
    assert run.cluster.held == ["framework-1", "framework-2"]
    assert sorted(run.cluster.stopped) == ["framework-1", "framework-2"]
    assert (tmp_path / "final" / "agent-1.json").is_file()
    assert run.outcome.problems == [
        "final/agent-2.json could not be read: agent-2:80 does not answer"
    ]
    begun = [one.name for one in run.messages if isinstance(one, PhaseBegan)]
    assert begun == list(run.begun)
    assert sum(isinstance(one, Tick) for one in run.messages) > 20


async def test_a_cluster_that_is_not_ready_after_healing_is_invalid(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    run = Run(world, [])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run)
        await trio.sleep(10.0)
        run.cluster.ready_after_s = None
    assert run.outcome.ending is Ending.COMPLETE
    verdicts = {one.checker: one for one in run.outcome.judged()}
    ready = verdicts["liveness: ready after healing"]
    assert ready.verdict is Verdict.INVALID
    assert [one.text for one in ready.problems] == [
        "the cluster was not ready within 60 s: only 1 of 2 agents are registered"
    ]
    assert "settle" not in run.begun
    assert sorted(run.cluster.stopped) == ["framework-1", "framework-2"]


async def test_what_does_not_get_done_is_invalid_and_named(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    run = Run(world, [])
    run.silent = "framework-1"
    run.left = [{"task": "a", "state": "TASK_RUNNING"}]
    await run.run()
    verdicts = {one.checker: one for one in run.outcome.judged()}
    settled = verdicts["liveness: everything gets done"]
    assert settled.verdict is Verdict.INVALID
    assert settled.problems[0].text == (
        "not everything was done within 90 s: "
        "framework-1: has not said that it settled; "
        "framework-2: 1 left: task a, state TASK_RUNNING"
    )


async def test_a_cluster_that_does_not_start_shows_nothing(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    run = Run(world, [kill(at_s=1.0)])
    run.cluster.ready_after_s = None
    await run.run()
    assert list(run.begun) == ["start"]
    assert run.nemesis.injected == []
    assert run.outcome.ending is Ending.FAILED
    assert [one.verdict for one in run.outcome.judged()] == [Verdict.UNKNOWN] * 3


@pytest.mark.parametrize("at_s", [0.5, 3.0, 12.0])
async def test_a_signal_cuts_the_faults_short_and_the_run_is_finished(
    world: World, autojump_clock: trio.testing.MockClock, at_s: float
) -> None:
    run = Run(world, [kill(at_s=4.0, for_s=16.0)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.run)
        await trio.sleep(at_s)
        run.cut_short.set()
    assert run.outcome.ending is Ending.CUT_SHORT
    assert run.nemesis.healed == run.nemesis.injected
    assert trio.current_time() < at_s + 30.0
    carried_out = run.outcome.judged()[-1]
    assert carried_out.verdict is Verdict.UNKNOWN
    assert carried_out.problems[0].text == "cut short: a signal was received"
