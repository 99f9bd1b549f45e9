"""Control groups: what is put into one suffers, and comes out again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio
from support.plain_cluster import injection, plain_world, python, until

from chaos.live.faults import Fault, Target
from chaos.live.seams import ImpossibleError
from chaos.machine.capabilities import Ability, Capability, Machine
from chaos.nemeses.process.cgroups import (
    Group,
    Hierarchy,
    cgroup_prefix,
    find_hierarchy,
)
from chaos.nemeses.process.squeezing import Squeezing

NO_MACHINE = Machine(
    tuple(
        Capability(
            ability=ability, is_there=False, used_for="", why="tried", remedy="be root"
        )
        for ability in Ability
    )
)
needs_cpu = pytest.mark.skipif(
    find_hierarchy("cpu") is None,
    reason="needs cgroup-cpu: no control group with cpu can be made here",
)
needs_memory = pytest.mark.skipif(
    find_hierarchy("memory") is None,
    reason="needs cgroup-memory: no control group with memory can be made here",
)
BUSY = "print('ready')\nwhile True: pass"
GREEDY = """
import signal, time
def more(number, frame):
    kept.append(bytearray(b"x") * (64 << 20))
    print("has more")
kept = []
signal.signal(signal.SIGUSR1, more)
print("ready")
while True:
    signal.pause()
"""


def group_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


def left_over(folder: Path) -> list[Path]:
    return [
        path
        for controller in ("cpu", "memory")
        if (hierarchy := find_hierarchy(controller))
        for path in hierarchy.mount.glob(f"{cgroup_prefix(folder)}*")
    ]


@needs_cpu
async def test_cpu_squeeze_throttles_until_it_is_healed(tmp_path: Path) -> None:
    async with plain_world(
        tmp_path,
        leaders=1,
        agents=0,
        frameworks=0,
        command_of=lambda node: ("nice", *python(BUSY)),
    ) as (world, cluster):
        log = cluster.node("leader-1").log_file
        await until(lambda: "ready" in log.read_text())
        pid = cluster.pid("leader-1")
        origin = group_of(pid)
        wound = await Squeezing(NO_MACHINE).inject(
            injection(Fault.CPU_SQUEEZE, Target.LEADER), world
        )
        assert wound.targets == ("leader-1",)
        assert wound.means in ("cgroup v1 cpu", "cgroup v2 cpu")
        assert 0 < wound.detail["cpus"] < 0.2
        assert len(left_over(tmp_path)) == 1
        await trio.sleep(0.5)
        suffered = (await wound.heal())["suffered"]["leader-1"]
        assert suffered["periods_throttled"] >= 2
        assert group_of(pid) == origin
        assert left_over(tmp_path) == []


@needs_memory
async def test_memory_squeeze_kills_who_wants_more_and_is_healed(
    tmp_path: Path,
) -> None:
    async with plain_world(
        tmp_path, leaders=1, agents=0, command_of=lambda node: python(GREEDY)
    ) as (world, cluster):
        log = cluster.node("leader-1").log_file
        await until(lambda: "ready" in log.read_text())
        wound = await Squeezing(NO_MACHINE).inject(
            injection(Fault.MEMORY_SQUEEZE, Target.ONE), world
        )
        cluster.kill("leader-1", signal.SIGUSR1)
        with trio.fail_after(10.0):
            await cluster.wait_dead("leader-1")
        await cluster.statuses()  # it is started again, outside of the group
        await until(lambda: log.read_text().count("ready") == 2)
        cluster.kill("leader-1", signal.SIGUSR1)
        await until(lambda: "has more" in log.read_text())
        suffered = (await wound.heal())["suffered"]["leader-1"]
        assert suffered["oom_kills"] == 1
        assert suffered["peak_bytes"] <= wound.detail["bytes"] + (1 << 20)
        assert left_over(tmp_path) == []


@needs_cpu
async def test_squeeze_leaves_nothing_when_it_is_impossible(tmp_path: Path) -> None:
    async with plain_world(tmp_path, leaders=3) as (world, _):
        hierarchy = find_hierarchy("cpu")
        assert hierarchy is not None
        name = f"{cgroup_prefix(tmp_path)}cpu-1-leader-2"
        (hierarchy.mount / name).mkdir()
        try:
            with pytest.raises(ImpossibleError, match="exists"):
                await Squeezing(NO_MACHINE).inject(
                    injection(Fault.CPU_SQUEEZE, Target.ALL), world
                )
            assert [path.name for path in left_over(tmp_path)] == [name]
        finally:
            (hierarchy.mount / name).rmdir()


def test_squeeze_says_what_is_missing_when_no_group_can_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "chaos.nemeses.process.squeezing.find_hierarchy", lambda controller: None
    )
    missing = Squeezing(NO_MACHINE).missing(Fault.CPU_SQUEEZE)
    assert missing == "no cgroup-cpu: tried (be root)"


def test_hierarchy_is_found_where_the_kernel_has_it(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    rest = f"1 2 0:3 / {two} rw - cgroup2 cgroup2 rw\n"
    mounts.write_text(f"1 2 0:3 / {one} rw - cgroup cgroup rw,memory\n" + rest)
    found = find_hierarchy("memory", mounts)
    assert found == Hierarchy(controller="memory", mount=one, version=1)
    assert find_hierarchy("cpu", mounts) is None  # version 2 does not hand it on
    (two / "cgroup.subtree_control").write_text("memory cpu pids\n")
    found = find_hierarchy("cpu", mounts)
    assert found == Hierarchy(controller="cpu", mount=two, version=2)


async def test_group_writes_the_files_of_version_2(tmp_path: Path) -> None:
    hierarchy = Hierarchy(controller="cpu", mount=tmp_path, version=2)
    group = Group.make(hierarchy, "rlc-1")
    group.limit_cpu(0.05)
    group.limit_memory(1 << 20)
    assert (group.folder / "cpu.max").read_text() == "5000 100000"
    assert (group.folder / "memory.max").read_text() == str(1 << 20)
    (group.folder / "memory.events").write_text("low 0\noom_kill 3\n")
    (group.folder / "cpu.stat").write_text("nr_throttled 7\n")
    assert (group.kills(), group.times_throttled()) == (3, 7)
