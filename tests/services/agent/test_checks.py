"""When a check reports, on a virtual clock with scripted looks; and real looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
import trio.testing

from agent.checks.definition import Kind, Probe, read_check
from agent.checks.probing import ProbeError, is_success, look
from agent.checks.service import Checks
from agent.containerizer.interface import Launch
from agent.inbox import Inbox
from agent.machine.events import CheckReported, Event, HealthReported
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import CommandInfo, TaskInfo

KEY: TaskKey = (FrameworkId("fw"), TaskId("t"))
LAUNCH = Launch(key=KEY, command=CommandInfo(value="x"), sandbox="/nowhere")


def task(**checks: dict[str, Any]) -> TaskInfo:
    texts = {name: json.dumps(check).encode() for name, check in checks.items()}
    return TaskInfo(name="t", task_id=KEY[1], agent_id=AgentId("a"), **texts)  # type: ignore[arg-type]


def tcp(**more: Any) -> dict[str, Any]:
    return {"type": "TCP", "tcp": {"port": 1}, "interval_seconds": 10, **more}


class Script:
    """Looks that find what was said, one after the other; then nothing more."""

    def __init__(self, *found: Any) -> None:
        self.found = list(found)
        self.times: list[float] = []

    async def look(self, probe: Probe, launch: Launch) -> dict[str, Any]:
        self.times.append(trio.current_time())
        if not self.found:
            await trio.sleep_forever()
        found = self.found.pop(0)
        if found is None:
            raise ProbeError("timed out")
        return {"succeeded": found}


async def run_checks(info: TaskInfo, script: Script) -> list[Event]:
    inbox = Inbox()
    checks = Checks(inbox, script.look)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checks.run)
        await trio.testing.wait_all_tasks_blocked()
        checks.begin(KEY, info, LAUNCH)
        await trio.sleep(200)
        checks.end(KEY)
        checks.end(KEY)
        nursery.cancel_scope.cancel()
    inbox.post_nowait(HealthReported(KEY, is_healthy=True))
    return (await inbox.take())[:-1]


async def test_health_is_told_on_every_failure_and_on_the_first_success(
    autojump_clock: trio.testing.MockClock,
) -> None:
    script = Script(True, True, False, True, None, False, False, True)
    info = task(health_check=tcp(delay_seconds=5, grace_period_seconds=0))
    events = await run_checks(info, script)

    assert events == [
        HealthReported(KEY, is_healthy=True),
        HealthReported(KEY, is_healthy=False),
        HealthReported(KEY, is_healthy=True),
        HealthReported(KEY, is_healthy=False),
        HealthReported(KEY, is_healthy=False),
        HealthReported(KEY, is_healthy=False, is_fatal=True),
        HealthReported(KEY, is_healthy=True),
    ]
    assert script.times[:3] == [5.0, 15.0, 25.0]


async def test_failures_in_the_grace_period_do_not_count_until_a_success(
    autojump_clock: trio.testing.MockClock,
) -> None:
    info = task(health_check=tcp(delay_seconds=0, grace_period_seconds=100))
    events = await run_checks(info, Script(False, False, True, False))
    assert events == [
        HealthReported(KEY, is_healthy=True),
        HealthReported(KEY, is_healthy=False),
    ]


async def test_check_is_told_when_it_changes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    info = task(check=tcp(delay_seconds=1))
    events = await run_checks(info, Script(True, True, None, None, False))

    def status(**tcp: bool) -> bytes:
        return json.dumps({"tcp": tcp, "type": "TCP"}, separators=(",", ":")).encode()

    assert events == [
        CheckReported(KEY, status(succeeded=True)),
        CheckReported(KEY, status()),
        CheckReported(KEY, status(succeeded=False)),
    ]


async def test_both_checks_of_a_task_end_with_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    info = task(health_check=tcp(delay_seconds=1), check=tcp(delay_seconds=2))
    script = Script(True, True)
    events = await run_checks(info, script)
    assert {type(event) for event in events} == {HealthReported, CheckReported}


# --- real looks ---------------------------------------------------------------------


def launch_in(folder: Path) -> Launch:
    (folder / "stderr").touch()
    environment = (("MINE", "1"),)
    return Launch(
        key=KEY,
        command=CommandInfo(value="x", environment=environment),
        sandbox=str(folder),
        agent_id="a",
    )


def command_probe(value: str, **more: Any) -> Probe:
    return Probe(kind=Kind.COMMAND, command=CommandInfo(value=value), **more)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('test "$MINE" = 1 && test "$MESOS_TASK_ID" = t && test -f stderr', 0),
        ("echo no; exit 3", 3),
        ("kill -9 $$", 137),
    ],
)
async def test_command_runs_in_the_sandbox_with_the_tasks_environment(
    tmp_path: Path, line: str, code: int
) -> None:
    found = await look(command_probe(line), launch_in(tmp_path))
    assert found == {"exit_code": code}
    assert is_success(command_probe(line), found) is (code == 0)
    if "echo" in line:
        assert (tmp_path / "stderr").read_text() == "no\n"


async def test_command_that_takes_too_long_is_killed_with_all_it_began(
    tmp_path: Path,
) -> None:
    probe = command_probe("sleep 60 & echo $! > pid; wait", timeout_s=0.1)
    with pytest.raises(ProbeError, match=r"timed out after 0\.1secs"):
        await look(probe, launch_in(tmp_path))
    pid = int((tmp_path / "pid").read_text())
    with trio.fail_after(5):
        while psutil.pid_exists(pid):  # noqa: ASYNC110 - another process
            await trio.sleep(0.005)


async def test_command_that_is_no_program_fails(tmp_path: Path) -> None:
    command = CommandInfo(value="/no/such", shell=False)
    with pytest.raises(ProbeError, match="cannot be started"):
        await look(Probe(kind=Kind.COMMAND, command=command), launch_in(tmp_path))


async def serve(
    nursery: trio.Nursery, answer: Callable[[trio.SocketStream], Any]
) -> int:
    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await answer(stream)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, handle, listeners)
    port: int = listeners[0].socket.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("head", "status", "is_healthy"),
    [
        (b"HTTP/1.1 200 OK\r\n", 200, True),
        (b"HTTP/1.1 302 Found\r\n", 302, True),
        (b"HTTP/1.0 503 No\r\n", 503, False),
    ],
)
async def test_http_looks_at_the_status(
    nursery: trio.Nursery, head: bytes, status: int, is_healthy: bool
) -> None:
    requests: list[bytes] = []

    async def answer(stream: trio.SocketStream) -> None:
        requests.append(await stream.receive_some())
        await stream.send_all(head + b"Content-Length: 0\r\n\r\n")

    port = await serve(nursery, answer)
    text = json.dumps({"type": "HTTP", "http": {"port": port, "path": "/up"}})
    probe = read_check(text.encode())
    found = await look(probe, LAUNCH)
    assert found == {"status_code": status}
    assert is_success(probe, found) is is_healthy
    assert requests[0].startswith(b"GET /up HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 abc\r\n"])
async def test_what_is_no_http_fails(nursery: trio.Nursery, said: bytes) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(said)

    port = await serve(nursery, answer)
    with pytest.raises(ProbeError, match="HTTP check failed"):
        await look(Probe(kind=Kind.HTTP, port=port), LAUNCH)


async def test_tcp_looks_whether_anybody_listens(nursery: trio.Nursery) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    port = await serve(nursery, answer)
    probe = Probe(kind=Kind.TCP, port=port)
    assert await look(probe, LAUNCH) == {"succeeded": True}
    nursery.cancel_scope.cancel()
    with trio.CancelScope(shield=True):
        free = await trio.open_tcp_listeners(0, host="127.0.0.1")
        closed = free[0].socket.getsockname()[1]
        await free[0].aclose()
        probe = Probe(kind=Kind.TCP, port=closed)
        assert await look(probe, LAUNCH) == {"succeeded": False}
