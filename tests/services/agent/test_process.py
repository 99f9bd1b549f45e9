"""Real processes: few, and quick. Nothing is left of them at the end."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from agent.containerizer.interface import Launch, Leftover, StartError
from agent.containerizer.leftovers import kill_leftovers, read_boot_id, start_ticks_of
from agent.containerizer.process import ProcessContainerizer
from agent.machine.effects import Signal
from agent.machine.events import ProcessExit
from agent.records import ProcessMark
from raftleader.protocol.ids import FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import CommandInfo

KEY: TaskKey = (FrameworkId("fw"), TaskId("t"))


@attrs.define(eq=False)
class Bench:
    """A containerizer that runs, and the ends it has reported."""

    containerizer: ProcessContainerizer
    root: Path
    exits: dict[TaskKey, ProcessExit] = attrs.field(factory=dict)

    def start(
        self, command: CommandInfo | str, key: TaskKey = KEY, **more: Any
    ) -> ProcessMark:
        if isinstance(command, str):
            command = CommandInfo(value=command)
        launch = Launch(
            key=key, command=command, sandbox=self.sandbox(key), agent_id="a1", **more
        )
        return self.containerizer.start_nowait(launch)

    def sandbox(self, key: TaskKey = KEY) -> str:
        return f"{self.root}/{key[0]}/tasks/{key[1]}"

    async def wait_exit(self, key: TaskKey = KEY) -> ProcessExit:
        await self.wait(lambda: key in self.exits)
        return self.exits[key]

    async def wait(self, is_so: Any) -> None:
        with trio.fail_after(10):
            while not is_so():  # noqa: ASYNC110 - other processes make it so
                await trio.sleep(0.002)

    def stdout(self) -> str:
        return self.read("stdout")

    def read(self, name: str) -> str:
        """Content of a file of the task's sandbox; "" if there is none yet."""
        try:
            return Path(self.sandbox(), name).read_text()
        except FileNotFoundError:
            return ""


@pytest.fixture
async def bench(nursery: trio.Nursery, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(ProcessContainerizer(), tmp_path)
    await nursery.start(bench.containerizer.run, bench.exits.__setitem__)
    yield bench


async def test_process_runs_in_its_sandbox_with_a_clean_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_AGENT", "secret")
    command = CommandInfo(
        value="pwd; cat task.data; env | sort; echo err >&2",
        environment=(("MINE", "1"), ("MESOS_TASK_ID", "forged")),
    )
    bench.start(command, data=b"input\n")

    assert await bench.wait_exit() == ProcessExit(code=0)
    sandbox = bench.sandbox()
    lines = [x for x in bench.stdout().splitlines() if not x.startswith(("_=", "SHL"))]
    assert lines[:2] == [sandbox, "input"]
    environment = dict(line.split("=", 1) for line in lines[2:])
    path = environment.pop("PATH")
    assert "/bin" in path.split(":")
    environment.pop("PWD", None)
    assert environment == {
        "MINE": "1",
        "MESOS_SANDBOX": sandbox,
        "MESOS_DIRECTORY": sandbox,
        "MESOS_FRAMEWORK_ID": "fw",
        "MESOS_TASK_ID": "t",
        "MESOS_AGENT_ID": "a1",
    }
    assert bench.read("stderr") == "err\n"


async def test_process_without_a_shell_gets_its_arguments_as_they_are(
    bench: Bench,
) -> None:
    command = CommandInfo(
        value="echo", shell=False, arguments=("argv0", "$HOME", "a b")
    )
    bench.start(command)
    assert await bench.wait_exit() == ProcessExit(code=0)
    assert bench.stdout() == "$HOME a b\n"


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("exit 7", ProcessExit(code=7)),
        ("kill -SEGV $$", ProcessExit(signal="SIGSEGV")),
        ("kill -40 $$", ProcessExit(signal="40")),
    ],
)
async def test_exit_says_how_it_ended(
    bench: Bench, line: str, how: ProcessExit
) -> None:
    bench.start(line)
    assert await bench.wait_exit() == how


async def test_signal_reaches_the_whole_group(bench: Bench) -> None:
    bench.start("sleep 1000 & echo $! > child; wait")
    await bench.wait(lambda: bench.read("child").endswith("\n"))
    pid = int(bench.read("child"))
    bench.containerizer.signal_nowait(KEY, Signal.TERM)

    assert await bench.wait_exit() == ProcessExit(signal="SIGTERM")
    await bench.wait(lambda: is_gone(pid))
    bench.containerizer.signal_nowait(KEY, Signal.KILL)  # nobody is hit


async def test_group_is_killed_when_its_leader_ends(bench: Bench) -> None:
    bench.start("sleep 1000 & echo $!")
    assert await bench.wait_exit() == ProcessExit(code=0)
    pid = int(bench.stdout())
    await bench.wait(lambda: is_gone(pid))


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (CommandInfo(value="no-such-program", shell=False), "no-such-program"),
        (CommandInfo(value="nul\0", shell=False), "null"),
        (CommandInfo(value="true", user="no-such-user"), "no user 'no-such-user'"),
        (CommandInfo(value="true", environment=(("A=B", "1"),)), "environment"),
        (CommandInfo(value="x" * 4_000_000), "too long"),
    ],
)
async def test_start_that_cannot_be_says_why_and_leaves_nothing(
    bench: Bench, command: CommandInfo, problem: str
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StartError, match=problem):
        bench.start(command)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_start_in_a_sandbox_that_exists_is_refused(bench: Bench) -> None:
    bench.start("true")
    await bench.wait_exit()
    with pytest.raises(StartError, match="none is started twice"):
        bench.start("true")


async def test_process_of_another_user_owns_its_sandbox(bench: Bench) -> None:
    command = CommandInfo(value="id -un; echo x > mine", user="nobody")
    if os.geteuid() != 0:
        with pytest.raises(StartError, match="the agent is not root"):
            bench.start(command)
        return
    bench.start(command)
    assert await bench.wait_exit() == ProcessExit(code=0)
    assert bench.stdout() == "nobody\n"


async def test_many_processes_are_all_reaped(bench: Bench) -> None:
    before = len(os.listdir("/proc/self/fd"))
    keys = [(FrameworkId("fw"), TaskId(f"t{n}")) for n in range(100)]
    command = CommandInfo(value="/bin/true", shell=False, arguments=("true",))
    for key in keys:
        bench.start(command, key)
    await bench.wait(lambda: len(bench.exits) == 100)

    assert set(bench.exits.values()) == {ProcessExit(code=0)}
    assert len(os.listdir("/proc/self/fd")) == before


async def test_leftovers_are_killed_by_mark_and_by_environment(bench: Bench) -> None:
    """The second child has left the session, the third has no environment left."""
    mark = bench.start(
        "setsid sleep 1000 & echo $!; env -i sleep 1000 & echo $!; sleep 1000"
    )
    await bench.wait(lambda: len(bench.stdout().split()) == 2)
    pids = [int(pid) for pid in bench.stdout().split()]

    leftover = Leftover(KEY, bench.sandbox(), mark)
    assert await bench.containerizer.kill_leftovers([leftover]) >= 3
    for pid in pids:
        await bench.wait(lambda pid=pid: is_gone(pid))
    assert await bench.wait_exit() == ProcessExit(signal="SIGKILL")
    assert await bench.containerizer.kill_leftovers([leftover]) == 0


async def test_leftover_that_was_never_noted_is_found(bench: Bench) -> None:
    bench.start("exec sleep 1000")
    leftover = Leftover(KEY, bench.sandbox(), None)
    assert await bench.containerizer.kill_leftovers([leftover]) == 1
    assert await bench.wait_exit() == ProcessExit(signal="SIGKILL")


async def test_process_that_only_has_the_pid_of_a_leftover_is_spared(
    bench: Bench,
) -> None:
    innocent: TaskKey = (FrameworkId("fw"), TaskId("innocent"))
    mark = bench.start("exec sleep 1000", innocent)
    boot_id = read_boot_id()
    for other in (
        attrs_like(mark, start_ticks=mark.start_ticks - 1),
        attrs_like(mark, boot_id="another boot"),
        ProcessMark(pid=os.getpid(), start_ticks=1, boot_id=boot_id),
    ):
        leftover = Leftover(KEY, bench.sandbox(), other)
        assert await kill_leftovers([leftover], boot_id=boot_id) == 0
    assert innocent not in bench.exits
    assert start_ticks_of(mark.pid) == mark.start_ticks

    os.killpg(mark.pid, signal.SIGKILL)
    await bench.wait_exit(innocent)


def attrs_like(mark: ProcessMark, **changes: Any) -> ProcessMark:
    fields = {
        "pid": mark.pid,
        "start_ticks": mark.start_ticks,
        "boot_id": mark.boot_id,
    }
    return ProcessMark(**{**fields, **changes})


def is_gone(pid: int) -> bool:
    """Dead, or dead and only not yet waited for by its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b") ")[2][:1] == b"Z"
