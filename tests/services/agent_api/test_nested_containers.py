"""Nested containers with real processes: start, output, input, terminal, end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from support.fake_agent_view import FakeAgentView

from agent.nested.container import Container, Kind
from agent.nested.containers import LaunchOrder, NestedContainers
from agent.nested.leftovers import MARKER, kill_leftovers, mark
from agent.nested.names import ContainerName
from agent.nested.output import OutputReader, Source
from agent.nested.starting import LaunchRefusedError
from agent.nested.terminal import WindowSize
from raftleader.protocol.tasks import CommandInfo


def order(
    line: str,
    name: str = "root.one",
    kind: Kind = Kind.SESSION,
    *,
    tty: bool = False,
    window: WindowSize | None = None,
) -> LaunchOrder:
    return LaunchOrder(
        name=ContainerName(tuple(name.split("."))),
        kind=kind,
        command=CommandInfo(value=line),
        has_terminal=tty,
        window=window,
    )


def launch(
    containers: NestedContainers, what: LaunchOrder
) -> tuple[Container, OutputReader]:
    launched = containers.launch_nowait(what, is_watched=True)
    assert launched is not None
    assert launched[1] is not None
    return launched[0], launched[1]


async def read_all(reader: OutputReader) -> dict[Source, bytes]:
    found = dict.fromkeys(Source, b"")
    while pieces := await reader.receive():
        for source, data in pieces:
            found[source] += data
    return found


async def read_until(reader: OutputReader, end: bytes) -> bytes:
    found = b""
    with trio.fail_after(20):
        while end not in found:
            pieces = await reader.receive()
            assert pieces, found
            found += b"".join(data for _, data in pieces)
    return found


async def test_session_runs_where_its_task_does_and_both_outputs_are_told_apart(
    containers: NestedContainers, tmp_path: Path
) -> None:
    line = 'pwd; echo "$OF_THE_TASK $MESOS_SANDBOX"; echo bad >&2; exit 7'
    container, reader = launch(containers, order(line))
    output = await read_all(reader)
    sandbox = tmp_path / "sandbox"
    assert output[Source.STDOUT].decode() == f"{sandbox}\nyes {sandbox}\n"
    assert output[Source.STDERR] == b"bad\n"
    await container.ended.wait()
    assert os.waitstatus_to_exitcode(container.wait_status or 0) == 7
    assert container.pid is None
    assert not container.signal(signal.SIGKILL)


async def test_shell_in_a_terminal_echoes_knows_its_size_and_is_told_of_a_new_one(
    containers: NestedContainers,
) -> None:
    size = WindowSize(rows=24, columns=80)
    container, reader = launch(containers, order("sh", tty=True, window=size))
    # Written so that the echo of what is typed is not what is waited for.
    await container.write_input(b"echo $((6*7)); tty; stty size; stty -echo\n")
    shown = await read_until(reader, b"24 80")
    assert b"echo $((6*7))" in shown
    assert b"42\r\n/dev/pts/" in shown
    container.resize(WindowSize(rows=50, columns=132))
    await container.write_input(b"stty size\n")
    await read_until(reader, b"50 132")
    await container.write_input(b"exit 3\n")
    await read_all(reader)
    await container.ended.wait()
    assert os.waitstatus_to_exitcode(container.wait_status or 0) == 3


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and whatever it starts does, too."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
async def test_control_c_typed_in_a_terminal_interrupts_what_runs_in_it(
    containers: NestedContainers,
) -> None:
    line = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 1; done"
    container, reader = launch(containers, order(line, tty=True))
    await read_until(reader, b"ready")
    await container.write_input(b"\x03")
    await read_until(reader, b"interrupted")
    await container.ended.wait()
    assert os.waitstatus_to_exitcode(container.wait_status or 0) == 9


async def test_program_that_is_not_there_is_refused_but_in_a_terminal_ends_with_127(
    containers: NestedContainers,
) -> None:
    name = ContainerName(("root", "x"))
    command = CommandInfo(value="/no/such", shell=False, arguments=("such",))
    plain = LaunchOrder(name=name, kind=Kind.SESSION, command=command)
    with pytest.raises(LaunchRefusedError, match=r"cannot start the command.*no/such"):
        containers.launch_nowait(plain)
    assert containers.launch_error_count == 1
    in_terminal = LaunchOrder(
        name=name, kind=Kind.SESSION, command=command, has_terminal=True
    )
    container, reader = launch(containers, in_terminal)
    assert b"not found" in (await read_all(reader))[Source.STDOUT]
    await container.ended.wait()
    assert os.waitstatus_to_exitcode(container.wait_status or 0) == 127


async def test_input_reaches_the_process_until_it_is_closed(
    containers: NestedContainers,
) -> None:
    container, reader = launch(containers, order("wc -c; exit 5"))
    for _ in range(40):  # more than a pipe holds
        await container.write_input(bytes(10_000))
    container.close_input()
    assert int((await read_all(reader))[Source.STDOUT]) == 400_000
    await container.ended.wait()
    await container.write_input(b"dropped")
    container.close_input()


async def test_writer_that_waits_is_released_when_the_process_ends(
    containers: NestedContainers,
) -> None:
    for number, tty in enumerate((False, True)):
        what = order("exec sleep 100", f"root.{number}", tty=tty)
        container, _ = launch(containers, what)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(container.write_input, bytes(1_000_000))
                await trio.testing.wait_all_tasks_blocked()
                container.signal(signal.SIGKILL)
        await container.ended.wait()


async def test_large_output_arrives_whole_when_its_reader_is_slow(
    containers: NestedContainers,
) -> None:
    line = "head -c 5000000 /dev/zero; echo done"
    container, reader = launch(containers, order(line))
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert container.pid is not None  # it waits for us
    assert len((await read_all(reader))[Source.STDOUT]) == 5_000_005


async def test_both_outputs_are_whole_when_both_wait_for_a_slow_reader(
    containers: NestedContainers,
) -> None:
    line = "head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait"
    _, reader = launch(containers, order(line))
    await trio.testing.wait_all_tasks_blocked(0.05)
    with trio.fail_after(20):
        output = await read_all(reader)
    assert [len(data) for data in output.values()] == [3_000_000, 3_000_000]


async def test_several_read_the_same_and_only_the_slow_one_is_cut(
    containers: NestedContainers,
) -> None:
    line = "read go; head -c 3000000 /dev/zero"
    container, first = launch(containers, order(line))
    second, slow = container.output.open_reader(), container.output.open_reader()
    found: list[int] = []

    async def count(reader: OutputReader) -> None:
        found.append(len((await read_all(reader))[Source.STDOUT]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count, first)
        nursery.start_soon(count, second)
        await container.write_input(b"go\n")
    assert found == [3_000_000, 3_000_000]
    assert slow.was_cut
    assert not second.was_cut
    assert container.output.cut_count == 1
    late = container.output.open_reader()
    assert await late.receive() == []


async def test_nested_container_keeps_its_output_in_a_sandbox_of_its_own(
    containers: NestedContainers, tmp_path: Path
) -> None:
    line = 'pwd; echo "$OF_THE_TASK:$MESOS_SANDBOX"; echo bad >&2'
    what = order(line, kind=Kind.NESTED)
    container, _ = launch(containers, what)
    assert containers.launch_nowait(what) is None
    await container.ended.wait()
    sandbox = tmp_path / "sandbox" / "containers" / "one"
    assert (sandbox / "stdout").read_text() == f"{sandbox}\n:{sandbox}\n"
    assert (sandbox / "stderr").read_text() == "bad\n"
    with pytest.raises(LaunchRefusedError, match="has already run"):
        containers.launch_nowait(what)
    assert await containers.remove(what.name)
    assert not sandbox.exists()
    assert containers.find(what.name) is None
    assert await containers.remove(what.name)


async def test_standalone_container_needs_no_parent(
    containers: NestedContainers, tmp_path: Path
) -> None:
    container, _ = launch(containers, order("sleep 100", "alone", Kind.STANDALONE))
    assert container.sandbox == str(tmp_path / "containers" / "alone")
    assert not await containers.remove(container.name)
    inner, reader = launch(containers, order("echo in; sleep 100", "alone.inner"))
    await read_until(reader, b"in")
    containers.end(container)
    with trio.fail_after(20):
        await container.ended.wait()
        await inner.ended.wait()
    assert os.waitstatus_to_exitcode(inner.wait_status or 0) == -signal.SIGKILL


@pytest.mark.parametrize("name", ["nobody.one", "root.nobody.one", "x.root.one"])
async def test_container_without_a_parent_is_refused(
    containers: NestedContainers, name: str
) -> None:
    with pytest.raises(LaunchRefusedError, match=r"Parent container .* does not exist"):
        containers.launch_nowait(order("true", name))


async def test_containers_of_the_agent_itself_are_known_but_not_ours(
    containers: NestedContainers, view: FakeAgentView, tmp_path: Path
) -> None:
    view.add_container("task", tmp_path, parent="root")
    name = ContainerName(("root", "task"))
    assert containers.is_of_view(name)
    assert not containers.is_of_view(ContainerName(("task",)))
    assert containers.launch_nowait(order("true", "root.task")) is None
    assert not await containers.remove(name)
    launch(containers, order("true", "root.task.debug"))
    assert await containers.wait_end_of_view(ContainerName(("unknown",))) is None
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            end = await containers.wait_end_of_view(name)
            assert end is not None
            assert end.exit is not None
            assert end.exit.code == 4

        await trio.testing.wait_all_tasks_blocked()
        view.end_container("task", code=4)


async def test_end_of_the_parent_ends_and_forgets_what_is_in_it(
    containers: NestedContainers, view: FakeAgentView
) -> None:
    container, _ = launch(containers, order("sleep 100"))
    view.end_container("root")
    assert containers.all() == []
    with trio.fail_after(20):
        await container.ended.wait()


async def test_process_that_leaves_the_group_does_not_hold_up_the_end(
    containers: NestedContainers,
) -> None:
    container, reader = launch(containers, order("setsid sleep 5 & echo bye"))
    with trio.fail_after(3):
        assert (await read_all(reader))[Source.STDOUT] == b"bye\n"
        await container.ended.wait()


async def test_all_end_with_the_agent(view: FakeAgentView, tmp_path: Path) -> None:
    containers = NestedContainers(view, tmp_path / "containers", str(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(containers.run)
        line = "trap '' TERM HUP; sleep 100"
        plain, _ = launch(containers, order(line, "root.1"))
        tty, _ = launch(containers, order(line, "root.2", tty=True))
        pids = [plain.pid, tty.pid]
        nursery.cancel_scope.cancel()
    assert plain.ended.is_set()
    assert tty.ended.is_set()
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_what_a_dead_agent_left_is_killed_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = {"PATH": "/usr/bin:/bin"}
    processes = [
        subprocess.Popen(["sleep", "9"], env={MARKER: marker, **path})  # noqa: ASYNC220
        for marker in (
            mark(str(tmp_path), "old"),
            mark(str(tmp_path), "new"),
            mark(f"{tmp_path}2", "old"),
        )
    ]
    try:
        assert await kill_leftovers(str(tmp_path), "new") >= 1
        assert processes[0].wait(5) == -signal.SIGKILL
        assert [process.poll() for process in processes[1:]] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()
