"""What a command names is fetched into its sandbox, by real processes."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from msgspec.structs import replace

from agent.containerizer.interface import Leftover
from agent.containerizer.leftovers import kill_leftovers, read_boot_id
from agent.containerizer.process import ProcessContainerizer
from agent.fetcher.bounds import BOUNDS
from raftleader.httpd.messages import Answer, Request, Response, Stream, StreamWriter
from raftleader.httpd.server import serve_http
from raftleader.protocol.ids import FrameworkId, TaskId
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Reason,
    TaskState,
    Uri,
)

S = TaskState
PROGRAM = Path(__file__).with_name("small_executor.py")
LOCAL = {"no_proxy": "127.0.0.1"}


def tgz(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


@attrs.define(eq=False)
class Server:
    """Serves ``pages``; what is under ``/slow`` never comes to its end."""

    address: str = ""
    pages: dict[str, bytes] = attrs.field(factory=dict)
    requests: list[Request] = attrs.field(factory=list)
    slow: trio.Event = attrs.field(factory=trio.Event)

    def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        path = request.path
        if path.startswith("/slow"):
            return Stream(run=self.dribble)
        if path.startswith("/cut"):
            return Stream(run=self.cut)
        if path.startswith("/to/"):
            target = request.query.get("url") or path.removeprefix("/to")
            return Response(status=302, headers=(("Location", target),))
        if path not in self.pages:
            return Response(status=404)
        return Response(status=200, body=self.pages[path])

    async def dribble(self, writer: StreamWriter) -> None:
        await writer.send([b"a little"])
        self.slow.set()
        await trio.sleep_forever()

    async def cut(self, writer: StreamWriter) -> None:
        await writer.send([b"a little"])
        raise trio.BrokenResourceError

    def uri(self, path: str, **more: Any) -> Uri:
        return Uri(value=f"http://{self.address}{path}", **more)


@pytest.fixture
async def server(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)
    server = Server()
    server.address = await nursery.start(serve_http, server.handle, "127.0.0.1:0")
    yield server


def sandbox(world: Any, task: str = "t") -> Path:
    return Path(world.work_dir, "frameworks/fw/tasks", task)


async def test_task_finds_what_its_uris_name(
    world: Any, server: Server, tmp_path: Path
) -> None:
    local = tmp_path / "local file"
    local.write_text("local")
    server.pages = {
        "/pack.tgz": tgz(**{"bin/hello": "#!/bin/sh\necho hello"}),
        "/run": b"#!/bin/sh\necho run",
        "/words.gz": gzip.compress(b"words"),
        "/pages/a b": b"spaces",
    }
    uris = (
        server.uri("/pack.tgz"),
        server.uri("/to/run", is_executable=True, output_file="tools/run"),
        server.uri("/words.gz", is_cached=True),
        server.uri("/pack.tgz", is_extracted=False, output_file="kept.tgz"),
        server.uri("/pages/a b"),
        Uri(value=f"file://{local}", output_file="first"),
        Uri(value=str(local)),
    )
    line = "./bin/hello; tools/run; cat words first 'a b' 'local file'"
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        command = CommandInfo(value=line, uris=uris)
        await leader.run("t", command, data=b"input")
        await leader.wait_state("t", S.FINISHED)

    folder = sandbox(world)
    assert (folder / "stdout").read_text() == "hello\nrun\nwordslocalspaceslocal"
    told = (folder / "stderr").read_text()
    address = server.address
    assert f"fetcher: Fetching URI 'http://{address}/pack.tgz'\n" in told
    assert "Extracted 'pack.tgz' into the sandbox" in told
    assert f"Fetched 'http://{address}/to/run' to 'tools/run'" in told
    assert stat.S_IMODE((folder / "first").stat().st_mode) == 0o644
    assert (folder / "task.data").read_bytes() == b"input"
    states = leader.states("t")
    assert states == [S.STARTING, S.RUNNING, S.FINISHED]


async def test_executor_that_is_fetched_runs_tasks(world: Any, server: Server) -> None:
    program = f"#!{sys.executable} -S\n{PROGRAM.read_text()}"
    server.pages = {"/executors/small": program.encode()}
    info = ExecutorInfo(
        executor_id="e",
        type=ExecutorType.CUSTOM,
        command=CommandInfo(
            value="./small",
            shell=False,
            uris=(server.uri("/executors/small", is_executable=True),),
        ),
    )
    leader = await world.add_leader()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        await leader.run("a", None, executor=info, data=b"echo done")
        finished = await leader.wait_state("a", S.FINISHED)
        await leader.shut_down("e")
        report = await leader.wait_report("e")

    assert (finished.message, report.status) == ("rc=0", 3 << 8)
    assert [request.path for request in server.requests] == ["/executors/small"]


async def test_tasks_of_a_group_each_fetch_their_own(
    world: Any, server: Server
) -> None:
    server.pages = {"/x": b"from the server"}
    info = ExecutorInfo(executor_id="e", type=ExecutorType.DEFAULT)
    command = CommandInfo(value="cat x", uris=(server.uri("/x"),))
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run_all(("a", "b"), command, is_group=True, executor=info)
        await leader.wait_state("a", S.FINISHED)
        await leader.wait_state("b", S.FINISHED)

    (run,) = world.work_dir.glob("frameworks/fw/executors/e/runs/*-*")
    for task in ("a", "b"):
        assert (run / "tasks" / task / "stdout").read_text() == "from the server"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/missing", "received HTTP return code 404"),
        ("/cut", "Error downloading resource|ended too early"),
        ("/bad.tgz", "Failed to extract archive 'bad.tgz': ../x is not in the"),
        ("/to/?url=file:///etc/passwd", "HTTP return code 302"),
        ("/to/?url=ftp://127.0.0.1/x", "unknown url type: ftp"),
    ],
)
async def test_fetch_that_fails_fails_the_task_and_says_why(
    world: Any, server: Server, path: str, problem: str
) -> None:
    server.pages = {"/bad.tgz": tgz(**{"../x": "1"})}
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        command = CommandInfo(value="true", uris=(server.uri(path),))
        await leader.run("t", command)
        failed = await leader.wait_state("t", S.FAILED)

    assert failed.reason is Reason.CONTAINER_LAUNCH_FAILED
    message = failed.message or ""
    assert message.startswith(f"Failed to fetch 'http://{server.address}{path}': ")
    assert re.search(problem, message)
    assert message in (sandbox(world) / "stderr").read_text()
    assert leader.states("t") == [S.STARTING, S.FAILED]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("tools/x", "relative path"),
        ("hdfs://h/x", "only http, https and file"),
        ("/no/such/file", "No such file"),
        ("/dev/zero", "not a plain file"),
        ("/etc", "not a plain file"),
        ("http://127.0.0.1:1/x", "Connection refused"),
        ("http://[half/x", "Error downloading resource"),
    ],
)
async def test_uri_that_leads_nowhere_fails_the_task(
    world: Any, server: Server, value: str, problem: str
) -> None:
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="true", uris=(Uri(value=value),)))
        failed = await leader.wait_state("t", S.FAILED)
    assert problem in (failed.message or "")
    assert problem in (sandbox(world) / "stderr").read_text()


async def test_executor_that_cannot_be_fetched_fails_its_tasks(
    world: Any, server: Server
) -> None:
    command = CommandInfo(value="./x", uris=(server.uri("/x"),))
    info = ExecutorInfo(executor_id="e", type=ExecutorType.CUSTOM, command=command)
    leader = await world.add_leader()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        await leader.run("a", None, executor=info)
        failed = await leader.wait_state("a", S.FAILED)
        report = await leader.wait_report("e")
    assert failed.reason is Reason.CONTAINER_LAUNCH_FAILED
    assert "HTTP return code 404" in (failed.message or "")
    assert "HTTP return code 404" in report.message


async def test_kill_ends_a_fetch_and_no_other_task_waits_for_it(
    world: Any, server: Server
) -> None:
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="true", uris=(server.uri("/slow/x"),)))
        with trio.fail_after(10):
            await server.slow.wait()
        await leader.run("other", CommandInfo(value="true"))
        await leader.wait_state("other", S.FINISHED)
        assert fetchers_of(sandbox(world))
        assert leader.states("t") == [S.STARTING]

        await leader.kill("t")
        killed = await leader.wait_state("t", S.KILLED)
        assert not fetchers_of(sandbox(world))

    assert killed.reason is Reason.TASK_KILLED_DURING_LAUNCH


async def test_shutdown_of_an_executor_ends_its_fetch(
    world: Any, server: Server
) -> None:
    command = CommandInfo(value="./x", uris=(server.uri("/slow/x"),))
    info = ExecutorInfo(executor_id="e", type=ExecutorType.CUSTOM, command=command)
    leader = await world.add_leader()
    async with world.agent(http="127.0.0.1:0"):
        await leader.wait(lambda it: it.links)
        await leader.run("a", None, executor=info)
        with trio.fail_after(10):
            await server.slow.wait()
        await leader.shut_down("e")
        failed = await leader.wait_state("a", S.FAILED)
        await leader.wait_report("e")
        (run,) = world.work_dir.glob("frameworks/fw/executors/e/runs/*-*")
        assert not fetchers_of(run)
    assert failed.reason is Reason.EXECUTOR_TERMINATED


@pytest.mark.parametrize(
    ("bounds", "path", "problem"),
    [
        ({"stall_s": 0.2}, "/slow/x", "nothing came for 0.2 s"),
        ({"timeout_s": 1.0}, "/slow/x", "not done in 1 s"),
        ({"bytes_max": 99}, "/large", "more than 99 bytes"),
        ({"disk_free_bytes_min": 2**60}, "/large", "nearly full"),
    ],
)
async def test_fetch_is_bounded(
    world: Any, server: Server, bounds: dict[str, float], path: str, problem: str
) -> None:
    server.pages = {"/large": bytes(100)}
    leader = await world.add_leader()
    containerizer = ProcessContainerizer(fetch_bounds=replace(BOUNDS, **bounds))
    async with world.agent(containerizer):
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="true", uris=(server.uri(path),)))
        failed = await leader.wait_state("t", S.FAILED)
        assert not fetchers_of(sandbox(world))
    assert problem in (failed.message or "")
    assert (sandbox(world) / "stdout").read_bytes() == b""


async def test_fetcher_that_cannot_be_started_fails_the_task(
    world: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="true", uris=(server.uri("/x"),)))
        failed = await leader.wait_state("t", S.FAILED)
    assert "/no/such/python" in (failed.message or "")


async def test_command_cannot_change_how_its_fetch_is_done(
    world: Any, server: Server
) -> None:
    """What it sets is for the task only: a fetch may begin as root."""
    server.pages = {"/x": b"1"}
    environment = {
        "http_proxy": "http://127.0.0.1:1",
        "PYTHONPATH": "/tmp",
        "PYTHONHOME": "/nowhere",
        "LD_PRELOAD": "/no/such/library.so",
    }
    command = CommandInfo(
        value="cat x",
        environment=tuple(environment.items()),
        uris=(server.uri("/x"),),
    )
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", command)
        await leader.wait_state("t", S.FINISHED)
    assert "Fetched" in (sandbox(world) / "stderr").read_text()


async def test_password_of_a_uri_is_used_and_not_told(
    world: Any, server: Server
) -> None:
    server.pages = {"/x": b"1"}
    uri = Uri(value=f"http://me:secret@{server.address}/x")
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="true", uris=(uri,)))
        await leader.wait_state("t", S.FINISHED)
    (request,) = server.requests
    assert request.headers["authorization"] == "Basic bWU6c2VjcmV0"
    assert "secret" not in (sandbox(world) / "stderr").read_text()


async def test_fetch_is_done_as_the_user_of_the_task(
    world: Any, server: Server, tmp_path: Path
) -> None:
    """Who may not read a file cannot have it fetched, and what is made is theirs."""
    secret = tmp_path / "secret"
    secret.write_text("1")
    secret.chmod(0o600)
    server.pages = {"/pack.tgz": tgz(**{"deep/x": "1"})}
    command = CommandInfo(
        value="stat -c %U . deep/x pack.tgz",
        user="nobody",
        uris=(server.uri("/pack.tgz"),),
    )
    spy = replace(command, uris=(Uri(value=str(secret)),))
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", command)
        if os.geteuid() != 0:
            failed = await leader.wait_state("t", S.FAILED)
            assert "the agent is not root" in (failed.message or "")
            return
        await leader.wait_state("t", S.FINISHED)
        await leader.run("spy", spy)
        failed = await leader.wait_state("spy", S.FAILED)
    assert (sandbox(world) / "stdout").read_text() == "nobody\n" * 3
    assert "Permission denied" in (failed.message or "")


async def test_fetch_of_an_agent_that_died_is_found_and_killed(
    world: Any, server: Server
) -> None:
    """As what is left of tasks: by its environment, since no process was noted."""
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="true", uris=(server.uri("/slow/x"),)))
        with trio.fail_after(10):
            await server.slow.wait()
        key = (FrameworkId("fw"), TaskId("t"))
        left = Leftover(key, str(sandbox(world)), None)
        assert await kill_leftovers([left], boot_id=read_boot_id()) == 1
        failed = await leader.wait_state("t", S.FAILED)
    assert "the fetcher ended with signal 9" in (failed.message or "")


def fetchers_of(folder: Path) -> list[int]:
    """Processes of fetches into this sandbox."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"MESOS_SANDBOX={folder}\0".encode() in environment + b"\0":
            found.append(int(entry.name))
    return found
