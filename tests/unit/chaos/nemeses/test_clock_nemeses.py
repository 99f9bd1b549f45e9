"""Clocks that jump and drift, in processes that tell us theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.disk_cluster import injection_of
from support.live_fakes import MemoryJournal, PlainDisks, PlainNetwork

from chaos.disks.preload import merged
from chaos.disks.waiting import wait_until
from chaos.live.faults import Fault, Target
from chaos.live.seams import ImpossibleError, LiveNode, World
from chaos.machine.tools import faketime_library
from chaos.nemeses.clock.drift import ClockDriftNemesis
from chaos.nemeses.clock.environment import clock_environment
from chaos.nemeses.clock.jump import ClockJumpNemesis
from chaos.nemeses.clock.shared_memory import unlink_shared_memory

SHARED = "/dev/shm"
TELLER = """
import sys, time
from chaos.nemeses.clock.shared_memory import unlink_shared_memory
from chaos.observation.clock import true_clock
unlink_shared_memory()
true = true_clock()
for line in sys.stdin:
    print(time.time(), time.monotonic(), true() / 1e9, flush=True)
"""


@attrs.frozen(kw_only=True)
class Times:
    wall: float
    monotonic: float
    true: float


@attrs.define
class Tellers:
    """As much of a cluster as a nemesis of clocks asks for: processes that tell the
    time. Stopped ones start again when they are released."""

    nodes: dict[str, LiveNode]
    agents: Sequence[str] = ("agent-1",)
    frameworks: Sequence[str] = ()
    processes: dict[str, subprocess.Popen[str]] = attrs.field(factory=dict)
    lives: dict[str, int] = attrs.field(factory=dict)

    @property
    def leaders(self) -> list[str]:
        return [name for name in self.nodes if name.startswith("leader")]

    def node(self, name: str) -> LiveNode:
        return self.nodes[name]

    def start(self, name: str) -> None:
        self.lives[name] = self.lives.get(name, 0) + 1
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-c", TELLER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=merged(os.environ, self.nodes[name].environment),
        )

    async def stop(self, name: str) -> None:
        self.times(name)  # not before it is up
        with self.processes[name] as process:
            process.terminate()

    def hold(self, name: str) -> None:
        assert self.processes[name].poll() is None

    def release(self, name: str) -> None:
        self.start(name)

    async def leader(self) -> str | None:
        return "leader-1"

    async def statuses(self) -> dict[str, dict[str, Any]]:
        return {name: {"leading": name == "leader-1"} for name in self.leaders}

    def times(self, name: str) -> Times:
        process = self.processes[name]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        wall, monotonic, true = map(float, process.stdout.readline().split())
        return Times(wall=wall, monotonic=monotonic, true=true)

    def offset_s(self, name: str) -> float:
        """Of its wall clock, from ours."""
        return self.times(name).wall - time.time()


@pytest.fixture
async def tellers(tmp_path: Path) -> AsyncIterator[Tellers]:
    if faketime_library() is None:
        pytest.skip("no libfaketime (apt install libfaketime)")
    made = Tellers({})
    for name in ("leader-1", "leader-2", "leader-3", "agent-1"):
        made.nodes[name] = LiveNode(
            name=name,
            kind=name.partition("-")[0],
            http="",
            folder=tmp_path / name,
            data_dir=None,
            log_file=tmp_path / name / "log",
            arguments=[],
            environment=clock_environment(tmp_path / name),
        )
        made.start(name)
    yield made
    for name, process in made.processes.items():
        made.times(name)
        assert not any(name.endswith(f"_{process.pid}") for name in os.listdir(SHARED))
        await made.stop(name)


@pytest.fixture
def world(tellers: Tellers, tmp_path: Path) -> World:
    cluster: Any = tellers
    return World(
        cluster=cluster,
        network=PlainNetwork(),
        disks=PlainDisks(tmp_path),
        journal=MemoryJournal(),
        folder=tmp_path,
    )


async def test_wall_clock_jumps_and_comes_back_and_timers_do_not(
    world: World, tellers: Tellers
) -> None:
    assert abs(tellers.offset_s("leader-1")) < 1
    nemesis = ClockJumpNemesis()
    for seed in range(20):
        wound = await nemesis.inject(
            injection_of(Fault.CLOCK_JUMP, Target.LEADER, seed=seed), world
        )
        assert wound.targets == ("leader-1",)
        offset = wound.detail["offsets_s"]["leader-1"]
        if wound.detail["strobe"]:
            await wound.heal()
            continue
        assert abs(tellers.offset_s("leader-1") - offset) < 1
        assert abs(tellers.offset_s("leader-2")) < 1
        times = tellers.times("leader-1")
        assert abs(times.monotonic - time.monotonic()) < 1
        assert await wound.heal() == {}
        assert abs(tellers.offset_s("leader-1")) < 1
    assert tellers.lives["leader-1"] == 1


async def test_clock_that_jumps_to_and_fro_stops_when_it_is_healed(
    world: World, tellers: Tellers
) -> None:
    nemesis = ClockJumpNemesis()
    for seed in range(100):
        wound = await nemesis.inject(
            injection_of(Fault.CLOCK_JUMP, Target.AGENT, seed=seed), world
        )
        if wound.detail["strobe"]:
            break
        await wound.heal()
    assert wound.targets == ("agent-1",)
    offset = wound.detail["offsets_s"]["agent-1"]

    with trio.fail_after(10):
        for expected in (0, offset, 0, offset):
            await wait_until(
                lambda at=expected: abs(tellers.offset_s("agent-1") - at) < 0.5
            )
    detail = await wound.heal()
    assert detail["jumps"] >= 4
    for _ in range(5):
        await trio.sleep(0.1)
        assert abs(tellers.offset_s("agent-1")) < 0.5


async def test_drift_changes_the_rate_of_all_clocks_but_the_true_one(
    world: World, tellers: Tellers
) -> None:
    nemesis = ClockDriftNemesis()
    wound = await nemesis.inject(
        injection_of(Fault.CLOCK_DRIFT, Target.MINORITY, seed=4), world
    )
    (target,) = wound.targets
    rate = float(wound.detail["rates"][target])
    first = tellers.times(target)
    await trio.sleep(0.5)
    second = tellers.times(target)
    took = second.true - first.true
    assert took == pytest.approx(0.5, abs=0.2)
    assert (second.monotonic - first.monotonic) / took == pytest.approx(rate, rel=0.05)
    assert (second.wall - first.wall) / took == pytest.approx(rate, rel=0.05)
    assert abs(second.true - time.monotonic()) < 1

    await wound.heal()
    times = tellers.times(target)
    assert abs(times.monotonic - time.monotonic()) < 1
    assert abs(tellers.offset_s(target)) < 1
    assert tellers.lives == {**dict.fromkeys(tellers.nodes, 1), target: 3}


async def test_clocks_cannot_be_changed_where_nodes_were_not_prepared(
    world: World, tellers: Tellers
) -> None:
    for node in tellers.nodes.values():
        node.environment.clear()
    for nemesis in (ClockJumpNemesis(), ClockDriftNemesis()):
        (fault,) = nemesis.faults
        with pytest.raises(ImpossibleError, match="leader-1 was not started with"):
            await nemesis.inject(injection_of(fault, Target.ALL), world)
    assert set(tellers.lives.values()) == {1}


def test_process_removes_what_libfaketime_would_leave(tmp_path: Path) -> None:
    for name in ("sem.faketime_sem_17", "faketime_shm_17", "faketime_shm_18"):
        (tmp_path / name).touch()
    environment = {"FAKETIME_SHARED": "/faketime_sem_17 /faketime_shm_17"}
    unlink_shared_memory(environment, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["faketime_shm_18"]
    assert environment == {}
    unlink_shared_memory(environment, tmp_path)
