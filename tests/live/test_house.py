"""Nothing that a run makes in its house outlives it, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from chaos.machine.capabilities import Ability, Machine, probe
from chaos.machine.house import remove_leftovers, run_in_house
from chaos.machine.janitor import make_folder, processes_of
from raftleader.cli.local_process import child_environment

pytestmark = pytest.mark.end_to_end
WITHIN_S = 20.0
GONE_WITHIN_S = 2.0
TEMPORARY = Path(tempfile.gettempdir())

INNER = """\
import json, os, signal, subprocess, sys, time
from pathlib import Path
token = os.environ["RAFTLEADER_CHAOS_RUN"]
house = os.environ.get("RAFTLEADER_CHAOS_HOUSE")
abilities = sys.argv[2].split(",")
groups = []
for controller in ("cpu", "memory"):
    if f"cgroup-{controller}" in abilities:
        from chaos.machine.tools import cgroup_v1_mount
        group = cgroup_v1_mount(controller) / f"{token}-test" / "node"
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))
        groups.append(str(group.parent))
image = ""
if house and "loop-ext4" in abilities:
    image = f"{house}/image"
    subprocess.run(["truncate", "-s", "2M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    Path(house, "disk").mkdir()
    subprocess.run(["mount", "-o", "loop", image, f"{house}/disk"], check=True)
if house:
    Path("/dev/shm", token).touch()
# Deaf to TERM, in a session of its own, and its parent is gone.
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(100)"
subprocess.run(["setsid", "-f", sys.executable, "-c", deaf], check=True)
if house:
    subprocess.Popen(["unshare", "--net", "sleep", "100"])
report = Path(sys.argv[1])
report.with_suffix(".new").write_text(json.dumps({
    "token": token, "groups": groups, "image": image,
    "network": os.readlink("/proc/self/ns/net"),
}))
report.with_suffix(".new").rename(report)
def end(number, frame):
    print("ends in order", number, flush=True)
    os._exit(42)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
time.sleep(100)
"""

OUTER = """\
import sys, trio
from chaos.machine.capabilities import probe
from chaos.machine.house import run_in_house
is_private, *command = sys.argv[1:]
sys.exit(trio.run(lambda: run_in_house(
    command, probe(), is_private=is_private == "True")))
"""

ZOMBIES = """\
import subprocess, sys, time
from pathlib import Path
made = subprocess.run(["sh", "-c", "sh -c 'exit 3' & echo $!"], capture_output=True)
pid = int(made.stdout)
deadline = time.monotonic() + 10
while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
print("gone" if not Path(f"/proc/{pid}").exists() else "a zombie")
"""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return probe()


@pytest.fixture(params=[True, False], ids=["private", "plain"])
def is_private(request: pytest.FixtureRequest, machine: Machine) -> bool:
    if request.param and (why := machine.missing(Ability.NAMESPACES)):
        pytest.skip(why)
    return bool(request.param)


class Outer:
    """An outer process in whose house ``INNER`` has made all that it can."""

    def __init__(self, folder: Path, machine: Machine, is_private: bool) -> None:
        inner, report = folder / "inner.py", folder / "report"
        inner.write_text(INNER)
        abilities = ",".join(one.value for one in Ability if machine.has(one))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-c", OUTER, str(is_private)),
                *(sys.executable, "-P", str(inner), str(report), abilities),
            ],
            env=child_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(report.exists, "what the inner process made", WITHIN_S)
        self.made: dict[str, Any] = json.loads(report.read_text())
        self.token: str = self.made["token"]
        assert processes_of(self.token)
        assert all(Path(group).exists() for group in self.made["groups"])
        assert bool(self.made["image"]) == bool(self.loops())

    def children(self) -> dict[str, psutil.Process]:
        """Of the outer process: the janitor, and what is in the house."""
        found = psutil.Process(self.process.pid).children()
        is_janitor = [any("janitor" in word for word in one.cmdline()) for one in found]
        return {
            "janitor" if janitor else "house": one
            for one, janitor in zip(found, is_janitor, strict=True)
        }

    def loops(self) -> list[str]:
        files = Path("/sys/block").glob("loop*/loop/backing_file")
        return [text for file in files if self.token in (text := file.read_text())]

    def leftovers(self) -> list[str]:
        """All that can be seen of the run on this machine."""
        found = [f"process {pid}" for pid in processes_of(self.token)]
        found += [group for group in self.made["groups"] if Path(group).exists()]
        found += self.loops()
        if self.token in Path("/proc/self/mountinfo").read_text():
            found.append("a mount")
        own = os.readlink("/proc/self/ns/net")
        if self.made["network"] != own:
            for path in Path("/proc").glob("[0-9]*/ns/net"):
                try:
                    network = os.readlink(path)
                except OSError:
                    continue
                found += [str(path)] if network == self.made["network"] else []
        for folder in (TEMPORARY, Path("/dev/shm")):
            found += [str(path) for path in folder.glob(f"{self.token}*")]
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def wait_for(look: Callable[[], object], what: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, f"after {within_s:g} s: {what}"
        time.sleep(0.01)


@pytest.fixture
def outer(tmp_path: Path, machine: Machine, is_private: bool) -> Iterator[Outer]:
    outer = Outer(tmp_path, machine, is_private)
    yield outer
    outer.end()
    wait_for(lambda: not outer.leftovers(), "leftovers", WITHIN_S)


def assert_gone(outer: Outer) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while (left := outer.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []


def test_house_leaves_nothing_when_the_outer_process_is_killed(outer: Outer) -> None:
    outer.process.kill()
    outer.process.wait()
    assert_gone(outer)


def test_house_leaves_nothing_when_what_is_in_it_is_killed(outer: Outer) -> None:
    outer.children()["house"].kill()
    assert outer.process.wait(WITHIN_S) == 137
    assert_gone(outer)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_house_passes_signals_on_and_has_the_exit_code_of_the_command(
    outer: Outer, number: signal.Signals
) -> None:
    outer.process.send_signal(number)
    assert outer.process.wait(WITHIN_S) == 42
    assert outer.process.stdout is not None
    assert outer.process.stdout.read() == f"ends in order {number.value}\n"
    assert outer.leftovers() == []


def test_next_run_removes_what_is_left_when_the_janitor_was_killed_too(
    outer: Outer,
) -> None:
    outer.children()["janitor"].kill()
    outer.process.kill()
    outer.process.wait()
    folder = TEMPORARY / outer.token
    wait_for(lambda: folder.exists(), "the folder", 0.0)

    removed = remove_leftovers()

    assert f"folder {folder}" in removed
    assert [line for line in removed if "control group" in line] or not outer.made[
        "groups"
    ]
    assert_gone(outer)


async def test_house_takes_in_orphans(
    is_private: bool, machine: Machine, tmp_path: Path
) -> None:
    script = tmp_path / "zombies.py"
    script.write_text(ZOMBIES)
    said = bytearray()
    code = await run_in_house(
        [sys.executable, str(script)],
        machine,
        is_private=is_private,
        read_output=partial(read_into, said),
    )
    assert (code, said.decode()) == (0, "gone\n")


async def read_into(said: bytearray, stream: trio.abc.ReceiveStream) -> None:
    async for chunk in stream:
        said += chunk


async def test_house_says_how_the_command_ended(
    is_private: bool, machine: Machine
) -> None:
    run = partial(run_in_house, machine=machine, is_private=is_private)
    assert await run(["sh", "-c", "exit 3"]) == 3
    assert await run(["sh", "-c", "kill -9 $$"]) == 137
    assert await run(["/no/such/program"]) == 127


async def test_house_ends_the_command_when_it_is_cancelled(
    is_private: bool, machine: Machine, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    with trio.move_on_after(WITHIN_S) as scope:
        async with trio.open_nursery() as nursery:
            command = f"echo $RAFTLEADER_CHAOS_RUN > {file}; trap '' TERM; sleep 100"
            nursery.start_soon(
                partial(
                    run_in_house, ["sh", "-c", command], machine, is_private=is_private
                )
            )
            while not file.exists() or not file.read_text():  # noqa: ASYNC110
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert not scope.cancelled_caught
    token = file.read_text().strip()
    assert processes_of(token) == []
    assert token not in os.listdir(TEMPORARY)


def test_leftovers_of_a_run_that_lives_are_let_alone() -> None:
    folder, lock = make_folder()
    try:
        assert not [line for line in remove_leftovers() if folder.name in line]
        assert folder.exists()
    finally:
        os.close(lock)
    assert f"folder {folder}" in remove_leftovers()
    assert not folder.exists()
