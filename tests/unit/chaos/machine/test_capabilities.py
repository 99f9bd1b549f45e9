"""What a machine can do is tried, told with reasons, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from chaos.machine.capabilities import Ability, Machine, probe, show_machine
from chaos.machine.tools import (
    FAKETIME_LIBRARY,
    cgroup_v1_mount,
    faketime_library,
    find_tool,
)
from raftleader.cli.output import Output

MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return probe()


def test_probe_tells_of_every_ability_within_a_second(machine: Machine) -> None:
    began = time.monotonic()
    again = probe()
    assert time.monotonic() - began < 5.0  # a second, and what others run beside

    assert [one.ability for one in again.capabilities] == list(Ability)
    assert again == machine
    for one in again.capabilities:
        assert one.used_for
        assert one.is_there == (one.why == "") == (one.remedy == "")


def test_probe_leaves_nothing_behind(machine: Machine) -> None:
    assert machine.has()
    links = {path.name for path in Path("/sys/class/net").iterdir()}
    assert not [name for name in links if name.startswith("rlcp")]
    assert "rlc-probe" not in Path("/proc/self/mountinfo").read_text()
    for controller in ("cpu", "memory"):
        if mount := cgroup_v1_mount(controller):
            assert not list(mount.glob("rlc-probe-*"))


def test_probe_says_what_is_wrong_when_nothing_is_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("chaos.machine.tools._FOLDERS_OF_ROOT", ())
    monkeypatch.setattr("chaos.machine.tools._GO_FOLDERS", ())

    bare = probe()

    for ability in (Ability.NAMESPACES, Ability.NFT, Ability.LOOP_EXT4, Ability.GCC):
        assert not bare.has(ability)
    assert bare.missing(Ability.GCC, Ability.NFT) == (
        "no gcc: gcc is not on the PATH (apt install gcc libc6-dev); "
        "no nft: unshare is not installed (apt install util-linux) "
        "(apt install nftables)"
    )


def test_show_machine_prints_a_row_for_each_ability(machine: Machine) -> None:
    text, lines = io.StringIO(), io.StringIO()
    show_machine(Output(out=lines), machine)
    show_machine(Output(as_json=True, out=text), machine)

    assert len(lines.getvalue().splitlines()) == len(Ability) + 1
    rows = json.loads(text.getvalue())
    assert [row["name"] for row in rows] == [one.value for one in Ability]


def test_cgroup_v1_mount_is_found_by_its_controller(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    assert cgroup_v1_mount("cpu", mounts) == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert cgroup_v1_mount("memory", mounts) == Path("/sys/fs/cgroup/memory")
    assert cgroup_v1_mount("pids", mounts) is None


def test_faketime_library_is_found_below_any_architecture(tmp_path: Path) -> None:
    assert faketime_library(tmp_path) is None
    folder = tmp_path / "usr/lib/riscv64-linux-gnu/faketime"
    folder.mkdir(parents=True)
    (folder / FAKETIME_LIBRARY).touch()
    assert faketime_library(tmp_path) == folder / FAKETIME_LIBRARY


def test_find_tool_takes_the_first_that_there_is() -> None:
    assert find_tool("no-such-tool-anywhere") is None
    shell = find_tool("no-such-tool-anywhere", "sh")
    assert shell is not None and Path(shell).name == "sh"
