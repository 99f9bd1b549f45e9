"""Faults of processes: each is made, seen from outside, and put right."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
import trio
from support.plain_cluster import injection, plain_world, python, state_of, until

from chaos.live.crash_points import CRASH_FILE, agent_points, parse_point
from chaos.live.faults import Fault, Target
from chaos.live.seams import ImpossibleError, LiveNode, Nemesis
from chaos.nemeses.process.crashing import CrashPointArming
from chaos.nemeses.process.descriptors import DescriptorShortage
from chaos.nemeses.process.executors import ExecutorKilling
from chaos.nemeses.process.killing import Killing
from chaos.nemeses.process.pausing import Pausing

ARMABLE = """
import os, signal
def armed(number, frame):
    text = open(os.environ["CRASH_FILE"]).read()
    print("armed", repr(text))
    if text.startswith("apply:") or text.startswith("before") or "agent" in text:
        os.write(2, f"crash point {text}: SIGKILL to itself\\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
signal.signal(signal.SIGUSR2, armed)
print("ready")
while True:
    signal.pause()
"""
OPENING = """
import os, signal
def open_more(number, frame):
    try:
        files.append(os.open("/dev/null", os.O_RDONLY))
        print("opened")
    except OSError as error:
        print(error.strerror)
files = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
signal.signal(signal.SIGUSR1, open_more)
print("ready")
while True:
    signal.pause()
"""


async def wait_said(node: LiveNode, words: str, *, times: int = 1) -> None:
    await until(lambda: node.log_file.read_text().count(words) >= times)


@pytest.mark.parametrize(
    ("fault", "target", "hit"),
    [
        (Fault.KILL, Target.LEADER, {"leader-2"}),
        (Fault.KILL_ALL, Target.ALL, {"leader-1", "leader-2", "leader-3"}),
        (Fault.AGENT_KILL, Target.ALL, {"agent-1", "agent-2"}),
        (Fault.FRAMEWORK_KILL, Target.FRAMEWORK, {"framework-1"}),
    ],
)
async def test_killed_processes_stay_dead_until_they_are_healed(
    fault: Fault, target: Target, hit: set[str], tmp_path: Path
) -> None:
    async with plain_world(tmp_path) as (world, cluster):
        cluster.led_by = "leader-2"
        wound = await Killing().inject(injection(fault, target), world)

        assert set(wound.targets) == hit
        assert wound.means == "SIGKILL"
        await cluster.statuses()  # whoever is not held is started again
        assert {name for name in cluster.nodes if not cluster.pid(name)} == hit
        await wound.heal()
        assert all(cluster.pid(name) for name in cluster.nodes)
        assert {name for name, lives in cluster.lives.items() if lives == 2} == hit
        assert not any(cluster.holds.values())


async def test_kill_hits_a_minority_or_a_majority_when_asked(tmp_path: Path) -> None:
    async with plain_world(tmp_path, leaders=5) as (world, _):
        for target, count in ((Target.MINORITY, 2), (Target.MAJORITY, 3)):
            wound = await Killing().inject(injection(Fault.KILL, target), world)
            assert len(wound.targets) == count
            await wound.heal()


async def test_kill_hits_somebody_who_lives_when_one_is_to_be_hit(
    tmp_path: Path,
) -> None:
    async with plain_world(tmp_path, leaders=3, agents=3) as (world, cluster):
        cluster.hold("agent-2")
        cluster.kill("agent-2")
        await cluster.wait_dead("agent-2")
        for seed in range(8):
            one = injection(Fault.AGENT_PAUSE, Target.AGENT, seed=seed)
            wound = await Pausing().inject(one, world)
            assert wound.targets in (("agent-1",), ("agent-3",))
            await wound.heal()


async def test_kill_is_impossible_when_the_victim_is_dead(tmp_path: Path) -> None:
    async with plain_world(tmp_path, agents=1) as (world, cluster):
        cluster.hold("agent-1")
        cluster.kill("agent-1")
        await cluster.wait_dead("agent-1")
        with pytest.raises(ImpossibleError, match="dead already: agent-1"):
            await Killing().inject(injection(Fault.AGENT_KILL, Target.AGENT), world)
        with pytest.raises(ImpossibleError, match="there is no framework"):
            cluster.nodes.pop("framework-1")
            await Pausing().inject(
                injection(Fault.FRAMEWORK_PAUSE, Target.FRAMEWORK), world
            )
        assert cluster.holds == {"agent-1": 1}


@pytest.mark.parametrize(
    ("fault", "target", "hit"),
    [
        (Fault.PAUSE, Target.LEADER, ["leader-1"]),
        (Fault.AGENT_PAUSE, Target.ALL, ["agent-1", "agent-2"]),
        (Fault.FRAMEWORK_PAUSE, Target.FRAMEWORK, ["framework-1"]),
    ],
)
async def test_paused_processes_stand_still_until_they_are_healed(
    fault: Fault, target: Target, hit: list[str], tmp_path: Path
) -> None:
    async with plain_world(tmp_path) as (world, cluster):
        wound = await Pausing().inject(injection(fault, target), world)

        assert sorted(wound.targets) == hit
        for name in cluster.nodes:
            pid = cluster.pid(name)
            assert pid is not None
            assert (state_of(pid) == "stopped") is (name in hit), name
        await wound.heal()
        assert all(
            state_of(pid) != "stopped"
            for name in cluster.nodes
            if (pid := cluster.pid(name))
        )
        assert set(cluster.lives.values()) == {1}


async def test_descriptors_run_out_until_they_are_healed(tmp_path: Path) -> None:
    async with plain_world(
        tmp_path, leaders=1, agents=0, command_of=lambda node: python(OPENING)
    ) as (world, cluster):
        node = cluster.node("leader-1")
        await wait_said(node, "ready")
        before = psutil.Process(cluster.pid("leader-1")).rlimit(psutil.RLIMIT_NOFILE)
        wound = await DescriptorShortage().inject(
            injection(Fault.DESCRIPTORS, Target.ONE), world
        )
        for number in range(wound.detail["spare"]):
            cluster.kill("leader-1", signal.SIGUSR1)
            await wait_said(node, "opened", times=number + 1)
        cluster.kill("leader-1", signal.SIGUSR1)
        await wait_said(node, "Too many open files")

        await wound.heal()
        after = psutil.Process(cluster.pid("leader-1")).rlimit(psutil.RLIMIT_NOFILE)
        assert after == before
        cluster.kill("leader-1", signal.SIGUSR1)
        await wait_said(node, "opened", times=wound.detail["spare"] + 1)


async def test_descriptors_are_healed_also_when_the_process_died(
    tmp_path: Path,
) -> None:
    async with plain_world(tmp_path) as (world, cluster):
        wound = await DescriptorShortage().inject(
            injection(Fault.DESCRIPTORS, Target.LEADER), world
        )
        cluster.kill(wound.targets[0])
        await cluster.wait_dead(wound.targets[0])
        assert await wound.heal() == {}


def armable(node: LiveNode) -> list[str]:
    node.environment["CRASH_FILE"] = str(node.folder / CRASH_FILE)
    return [*python(ARMABLE)]


@pytest.mark.parametrize(
    ("fault", "target", "name"),
    [
        (Fault.CRASH_POINT, Target.LEADER, "leader-1"),
        (Fault.AGENT_CRASH_POINT, Target.AGENT, "agent-1"),
    ],
)
async def test_crash_point_is_armed_and_its_crash_is_told(
    fault: Fault, target: Target, name: str, tmp_path: Path
) -> None:
    async with plain_world(
        tmp_path, leaders=1, agents=1, frameworks=0, command_of=armable
    ) as (world, cluster):
        await wait_said(cluster.node(name), "ready")
        seed = next(one for one in range(100) if is_busy(fault, one))
        wound = await CrashPointArming().inject(
            injection(fault, target, seed=seed), world
        )
        point, count = parse_point(wound.detail["points"][name])
        assert count >= 1
        assert (point in agent_points()) is (target is Target.AGENT)
        with trio.fail_after(5.0):
            await cluster.wait_dead(name)
        await cluster.statuses()  # it is started again, and must not be disarmed
        assert await wound.heal() == {"crashed": [name]}
        assert cluster.events.count(f"SIGUSR2 {name}") == 1


def is_busy(fault: Fault, seed: int) -> bool:
    """Whether the program above ends at what is drawn from the seed."""
    from random import Random

    from chaos.nemeses.process.crashing import draw_point

    text = draw_point(Random(f"point {seed}"), fault, "raft")
    return text.startswith(("apply:", "before", "agent"))


async def test_crash_point_is_disarmed_when_it_was_not_passed(tmp_path: Path) -> None:
    program = ARMABLE.replace('"agent" in text', "False").replace('"apply:"', '"no"')
    program = program.replace('"before"', '"no"')
    async with plain_world(
        tmp_path,
        leaders=1,
        agents=0,
        frameworks=0,
        command_of=lambda node: python(program) if armable(node) else (),
    ) as (world, cluster):
        node = cluster.node("leader-1")
        await wait_said(node, "ready")
        wound = await CrashPointArming().inject(
            injection(Fault.CRASH_POINT, Target.ONE), world
        )
        await wait_said(node, "armed")
        assert await wound.heal() == {"crashed": []}
        await wait_said(node, "armed ''")
        assert cluster.lives == {"leader-1": 1}


async def test_crash_point_spares_a_process_that_has_just_begun(
    tmp_path: Path,
) -> None:
    async with plain_world(tmp_path, leaders=1) as (world, cluster):
        with pytest.raises(ImpossibleError, match="just started: leader-1"):
            await CrashPointArming().inject(
                injection(Fault.CRASH_POINT, Target.ONE), world
            )
        assert cluster.pid("leader-1")


async def test_executor_kill_hits_one_process_of_a_task(tmp_path: Path) -> None:
    async with plain_world(tmp_path, agents=3, leaders=1) as (world, cluster):
        tasks = []
        for name in ("agent-2", "agent-3"):
            sandbox = tmp_path / name / "data" / "sandboxes" / "task"
            tasks.append(
                await trio.lowlevel.open_process(
                    ["sleep", "600"], env={"MESOS_SANDBOX": str(sandbox)}
                )
            )
        try:
            nemesis = ExecutorKilling()
            one = injection(Fault.EXECUTOR_KILL, Target.AGENT)
            wound = await nemesis.inject(one, world)
            assert wound.targets[0] in ("agent-2", "agent-3")
            killed = wound.detail["killed"][wound.targets[0]]
            assert killed["sandbox"] == "sandboxes/task"
            victim = next(task for task in tasks if task.pid == killed["pid"])
            assert await victim.wait() == -signal.SIGKILL
            assert await wound.heal() == {}

            every = injection(Fault.EXECUTOR_KILL, Target.ALL)
            assert len((await nemesis.inject(every, world)).targets) == 1
            for task in tasks:
                await task.wait()
            quick = ExecutorKilling(find_within_s=0.1)
            with pytest.raises(ImpossibleError, match="no agent ran a task"):
                await quick.inject(one, world)
        finally:
            for task in tasks:
                task.kill()
                await task.wait()
        assert all(cluster.pid(name) for name in cluster.nodes)


def test_process_nemeses_need_nothing_of_the_machine() -> None:
    nemeses: list[Nemesis] = [
        Killing(),
        Pausing(),
        DescriptorShortage(),
        CrashPointArming(),
        ExecutorKilling(),
    ]
    for nemesis in nemeses:
        for fault in nemesis.faults:
            assert nemesis.missing(fault) is None
