"""``raftleader exec``: finds the task's container and joins our streams to it."""

from __future__ import annotations

import os
import pty
import signal
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
import trio.testing
from support.fake_agent_view import FakeAgentView

from agent.config import AgentConfig
from agent.endpoints import Endpoints
from agent.operator_api.api import streams_body
from agent.view import ExecutorState, ExecutorView, FrameworkView, TaskView
from raftleader.cli.api_client import ApiClient
from raftleader.cli.exec_session import ExecRequest, run_session
from raftleader.cli.exec_target import Target, find_target
from raftleader.cli.local_terminal import LocalStreams
from raftleader.errors import ApiError, InvalidInputError, UnavailableError
from raftleader.framework import open_http_client
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.httpd.server import serve_http
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resources import EMPTY
from raftleader.protocol.tasks import (
    ExecutorInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)


@attrs.define(eq=False)
class Cluster:
    """A leader's lists and an agent behind one address."""

    client: ApiClient
    address: str = ""
    rows: dict[str, list[dict[str, str]]] = attrs.field(factory=dict)

    async def target(self) -> Target:
        return await find_target(self.client, "t1", None)


def framework() -> FrameworkView:
    status = TaskStatus(
        task_id=TaskId("t1"),
        state=TaskState.RUNNING,
        source=Source.EXECUTOR,
        container_id="inner",
    )
    info = TaskInfo(name="t", task_id=TaskId("t1"), agent_id=AgentId("A-1"))
    task = TaskView(
        framework_id=FrameworkId("F-1"),
        info=info,
        role="*",
        executor_id="e1",
        state=TaskState.RUNNING,
        statuses=(status, msgspec.structs.replace(status, container_id=None)),
        container_id="inner",
    )
    executor = ExecutorView(
        framework_id=FrameworkId("F-1"),
        info=ExecutorInfo(executor_id="e1"),
        container_id="root",
        sandbox="",
        state=ExecutorState.RUNNING,
        is_command_task=False,
        resources=EMPTY,
        launched=(task,),
    )
    return FrameworkView(
        framework_id=FrameworkId("F-1"),
        info=FrameworkInfo(user="u", name="f"),
        executors=(executor,),
    )


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    view = FakeAgentView(shown_frameworks=[framework()])
    (tmp_path / "sandbox").mkdir()
    view.add_container("root", tmp_path)
    view.add_container("inner", tmp_path / "sandbox", parent="root")
    endpoints = Endpoints(
        config=AgentConfig(leaders=("mem://n1",), work_dir=tmp_path),
        view=view,
        run_blocking=trio.to_thread.run_sync,
    )

    def handle(request: Request) -> Answer | Deferred:
        name = request.path.removeprefix("/raftleader/v1/")
        if name in made.rows:
            return Response(
                status=200, body=msgspec.json.encode({name: made.rows[name]})
            )
        return endpoints.handle(request)

    async def serve(task_status: trio.TaskStatus[str]) -> None:
        await serve_http(
            handle, "127.0.0.1:0", streams_body=streams_body, task_status=task_status
        )

    async with trio.open_nursery() as nursery, open_http_client() as http:
        await nursery.start(endpoints.run)
        address: str = await nursery.start(serve)
        made = Cluster(ApiClient(http=http, addresses=[address]), address)
        made.rows = {
            "tasks": [
                {
                    "id": "t1",
                    "framework_id": "F-1",
                    "agent_id": "A-1",
                    "state": "TASK_RUNNING",
                }
            ],
            "agents": [{"id": "A-1", "address": address}],
        }
        yield made
        nursery.cancel_scope.cancel()


@attrs.define
class Shell:
    """What a shell would give us: pipes, of which a test has the other ends."""

    streams: LocalStreams
    stdin: int
    stdout: int
    stderr: int

    @classmethod
    def with_pipes(cls) -> Shell:
        (stdin, our_stdin), (our_stdout, stdout) = os.pipe(), os.pipe()
        our_stderr, stderr = os.pipe()
        streams = LocalStreams(stdin=stdin, stdout=stdout, stderr=stderr)
        return cls(streams, our_stdin, our_stdout, our_stderr)

    def end(self) -> tuple[bytes, bytes]:
        """Close all; what was written."""
        found = []
        for fd, ours in (
            (self.streams.stdout, self.stdout),
            (self.streams.stderr, self.stderr),
        ):
            os.close(fd)
            found.append(os.read(ours, 1_000_000))
            os.close(ours)
        os.close(self.streams.stdin)
        return found[0], found[1]


def command(line: str) -> tuple[str, ...]:
    return ("sh", "-c", line)


async def test_exit_code_and_both_outputs_are_passed_on(cluster: Cluster) -> None:
    target = await cluster.target()
    assert target.container_id == {"value": "inner", "parent": {"value": "root"}}
    shell = Shell.with_pipes()
    os.close(shell.stdin)
    line = "cat; echo $OF_THE_TASK; echo bad >&2; exit 7"
    code = await run_session(
        cluster.client, target, ExecRequest(command=command(line)), shell.streams
    )
    assert (code, shell.end()) == (7, (b"yes\n", b"bad\n"))


async def test_signal_that_ended_the_command_is_passed_on(cluster: Cluster) -> None:
    shell = Shell.with_pipes()
    request = ExecRequest(command=command("kill -TERM $$; sleep 10"))
    code = await run_session(
        cluster.client, await cluster.target(), request, shell.streams
    )
    assert code == 128 + signal.SIGTERM
    os.close(shell.stdin)
    shell.end()


async def test_input_is_passed_on_to_its_end(cluster: Cluster, tmp_path: Path) -> None:
    shell = Shell.with_pipes()
    request = ExecRequest(command=("wc", "-c"), passes_input=True)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def write() -> None:
            for _ in range(5):
                await trio.to_thread.run_sync(os.write, shell.stdin, bytes(50_000))
            os.close(shell.stdin)

        target = await cluster.target()
        assert await run_session(cluster.client, target, request, shell.streams) == 0
    assert int(shell.end()[0]) == 250_000

    # A file is never waited for.
    (tmp_path / "file").write_bytes(bytes(123))
    shell = Shell.with_pipes()
    os.close(shell.stdin)
    file = os.open(tmp_path / "file", os.O_RDONLY)
    os.dup2(file, shell.streams.stdin)
    os.close(file)
    assert await run_session(cluster.client, target, request, shell.streams) == 0
    assert int(shell.end()[0]) == 123


async def test_command_that_ends_does_not_wait_for_more_input(cluster: Cluster) -> None:
    shell = Shell.with_pipes()
    request = ExecRequest(command=("true",), passes_input=True)
    with trio.fail_after(20):
        code = await run_session(
            cluster.client, await cluster.target(), request, shell.streams
        )
    assert code == 0
    os.close(shell.stdin)
    shell.end()


@attrs.define
class Typist:
    """Somebody at a terminal of 30 by 100."""

    ours: int
    streams: LocalStreams

    @classmethod
    def sit_down(cls) -> Typist:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        os.set_blocking(ours, False)
        return cls(ours, LocalStreams(stdin=theirs, stdout=theirs, stderr=theirs))

    async def see(self, end: bytes) -> bytes:
        shown = b""
        with trio.fail_after(20):
            while end not in shown:
                await trio.lowlevel.wait_readable(self.ours)
                shown += os.read(self.ours, 10_000)
        return shown

    def type(self, keys: bytes) -> None:
        assert os.write(self.ours, keys) == len(keys)

    def leave(self) -> None:
        os.close(self.ours)
        os.close(self.streams.stdin)


async def test_terminal_is_passed_on_and_then_is_as_it_was(cluster: Cluster) -> None:
    typist = Typist.sit_down()
    before = termios.tcgetattr(typist.streams.stdin)
    request = ExecRequest(command=("sh",), passes_input=True, has_terminal=True)
    codes: list[int] = []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def run() -> None:
            codes.append(
                await run_session(
                    cluster.client, await cluster.target(), request, typist.streams
                )
            )

        await typist.see(b"# " if os.geteuid() == 0 else b"$ ")
        assert termios.tcgetattr(typist.streams.stdin) != before
        typist.type(b"stty size; echo $((6*7))\r")
        await typist.see(b"30 100\r\n42\r\n")
        termios.tcsetwinsize(typist.streams.stdin, (50, 132))
        os.kill(os.getpid(), signal.SIGWINCH)
        typist.type(b"sleep 0.05; stty size\r")
        await typist.see(b"50 132")
        typist.type(b"sh -c 'echo be''gun; exec sleep 100'\r")
        await typist.see(b"begun\r\n")
        typist.type(b"\x03")  # interrupts the sleep there, not us here
        await typist.see(b"^C")
        typist.type(b"exit 9\r")
    assert codes == [9]
    assert termios.tcgetattr(typist.streams.stdin) == before
    typist.leave()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + 15)]
)
async def test_signal_to_us_ends_the_command_and_puts_the_terminal_back(
    cluster: Cluster, tmp_path: Path, number: int, code: int
) -> None:
    typist = Typist.sit_down()
    before = termios.tcgetattr(typist.streams.stdin)
    line = "echo $$ > pid; echo ready; exec sleep 100"
    request = ExecRequest(command=command(line), passes_input=True, has_terminal=True)
    codes: list[int] = []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def run() -> None:
            codes.append(
                await run_session(
                    cluster.client, await cluster.target(), request, typist.streams
                )
            )

        await typist.see(b"ready")
        os.kill(os.getpid(), number)
    assert codes == [code]
    assert termios.tcgetattr(typist.streams.stdin) == before
    pid = int((tmp_path / "sandbox" / "pid").read_text())
    with trio.fail_after(20):
        while os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC110, ASYNC240 - another's
            await trio.sleep(0.005)
    typist.leave()


async def test_command_that_cannot_be_run_is_an_error(cluster: Cluster) -> None:
    request = ExecRequest(command=("/no/such",))
    with pytest.raises(ApiError, match="cannot start the command"):
        await run_session(
            cluster.client, await cluster.target(), request, LocalStreams()
        )


async def test_task_that_cannot_be_found_is_told_from_one_that_does_not_run(
    cluster: Cluster,
) -> None:
    with pytest.raises(InvalidInputError, match=r"^there is no task 'x'; .*tasks"):
        await find_target(cluster.client, "x", None)
    with pytest.raises(InvalidInputError, match="no task 't1' of framework 'F-9'"):
        await find_target(cluster.client, "t1", "F-9")
    (row,) = cluster.rows["tasks"]
    cluster.rows["tasks"] = [row, row | {"framework_id": "F-2"}]
    with pytest.raises(InvalidInputError, match=r"--framework \(F-1, F-2\)"):
        await find_target(cluster.client, "t1", None)
    assert await find_target(cluster.client, "t1", "F-1")
    with pytest.raises(UnavailableError, match="does not run: it is TASK_RUNNING"):
        await find_target(cluster.client, "t1", "F-2")
    cluster.rows["agents"] = []
    with pytest.raises(UnavailableError, match="is gone"):
        await find_target(cluster.client, "t1", "F-1")
