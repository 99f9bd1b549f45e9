"""Containers over HTTP: sessions, attached input and output, and the whole life of
one; real processes, real sockets."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from support.fake_agent_view import FakeAgentView

from agent.config import AgentConfig
from agent.endpoints import Endpoints
from agent.operator_api import attaching
from agent.operator_api.api import streams_body
from agent.operator_api.following import BEFORE_BYTES_MAX
from raftleader.cli.streamed_request import StreamedRequest, open_streamed_request
from raftleader.framework import HttpClient, open_http_client
from raftleader.framework.http_client import AnswerStream
from raftleader.httpd.server import serve_http
from raftleader.protocol.recordio import RecordDecoder, encode_record
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

JSON = [("Content-Type", "application/json")]
NAME = {"value": "one", "parent": {"value": "root"}}
INPUT_HEADERS = (
    ("Content-Type", "application/recordio"),
    ("Message-Content-Type", "application/json"),
)
SESSION_HEADERS = (
    *JSON,
    ("Accept", "application/recordio"),
    ("Message-Accept", "application/json"),
)


@attrs.define
class Api:
    """Speaks to the agent as any client would."""

    http: HttpClient
    address: str
    endpoints: Endpoints
    view: FakeAgentView
    stack: AsyncExitStack

    def add_task(
        self, container_id: str, sandbox: Path | None = None, **more: Any
    ) -> Path:
        """A container of the agent itself; its sandbox."""
        root = self.endpoints.config.sandbox_root
        sandbox = sandbox or root / "F-1" / "tasks" / container_id
        sandbox.mkdir(parents=True)
        self.view.add_container(container_id, sandbox, **more)
        return sandbox

    async def call(self, type_: str, **body: Any) -> tuple[int, Any]:
        answer = await self.http.request(
            self.address,
            "POST",
            "/api/v1",
            headers=JSON,
            body=json.dumps({"type": type_, type_.lower(): body}).encode(),
            timeout_s=20,
        )
        if answer.headers.get("content-type") == "application/json":
            return answer.status, json.loads(answer.body)[type_.lower()]
        return answer.status, answer.text

    async def stream(self, type_: str, **body: Any) -> AnswerStream:
        answer = await self.stack.enter_async_context(
            self.http.stream(
                self.address,
                "POST",
                "/api/v1",
                headers=SESSION_HEADERS,
                body=json.dumps({"type": type_, type_.lower(): body}).encode(),
            )
        )
        assert answer.status == 200, (await answer.read_all()).text
        assert answer.headers["content-type"] == "application/recordio"
        assert answer.headers["message-content-type"] == "application/json"
        return answer

    async def session(self, line: str, *, tty: bool = False) -> AnswerStream:
        container: dict[str, Any] = {"type": "MESOS"}
        if tty:
            container["tty_info"] = {"window_size": {"rows": 24, "columns": 80}}
        return await self.stream(
            "LAUNCH_NESTED_CONTAINER_SESSION",
            container_id=NAME,
            command={"value": line},
            container=container,
        )

    async def input(self) -> StreamedRequest:
        request = await self.stack.enter_async_context(
            open_streamed_request(self.address, "/api/v1", INPUT_HEADERS)
        )
        await send(request, type="CONTAINER_ID", container_id=NAME)
        return request


async def send(request: StreamedRequest, **body: Any) -> None:
    call = {"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": body}
    await request.send(encode_record(json.dumps(call).encode()))


async def send_data(request: StreamedRequest, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    io = {"type": "DATA", "data": {"type": "STDIN", "data": text}}
    await send(request, type="PROCESS_IO", process_io=io)


async def send_control(request: StreamedRequest, type_: str, **body: Any) -> None:
    control = {"type": type_, type_.lower(): body}
    io = {"type": "CONTROL", "control": control}
    await send(request, type="PROCESS_IO", process_io=io)


@attrs.define
class Shown:
    """What a stream of ProcessIO says."""

    answer: AnswerStream
    decoder: RecordDecoder = attrs.field(factory=RecordDecoder)
    data: dict[str, bytes] = attrs.field(factory=lambda: {"STDOUT": b"", "STDERR": b""})
    controls: list[Any] = attrs.field(factory=list)

    async def until(self, end: bytes | None = None) -> bytes:
        """Read until this was written, or to the end."""
        with trio.fail_after(20):
            while end is None or end not in self.data["STDOUT"]:
                received = await self.answer.receive()
                if not received:
                    assert end is None, self.data
                    break
                for record in self.decoder.feed(received):
                    self._take(json.loads(record))
        return self.data["STDOUT"]

    def _take(self, message: Any) -> None:
        if message["type"] == "CONTROL":
            self.controls.append(message["control"])
        else:
            data = message["data"]
            self.data[data["type"]] += base64.b64decode(data["data"])


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    view = FakeAgentView()
    (tmp_path / "sandbox").mkdir()
    view.add_container("root", tmp_path / "sandbox")
    endpoints = Endpoints(
        config=AgentConfig(leaders=("mem://n1",), work_dir=tmp_path),
        view=view,
        run_blocking=trio.to_thread.run_sync,
    )
    async with (
        trio.open_nursery() as nursery,
        open_http_client() as http,
        AsyncExitStack() as stack,
    ):
        await nursery.start(endpoints.run)

        async def serve(task_status: trio.TaskStatus[str]) -> None:
            await serve_http(
                endpoints.handle,
                "127.0.0.1:0",
                streams_body=streams_body,
                task_status=task_status,
            )

        address: str = await nursery.start(serve)
        yield Api(http, address, endpoints, view, stack)
        nursery.cancel_scope.cancel()


async def test_session_streams_both_outputs_and_its_exit_can_be_had(api: Api) -> None:
    shown = Shown(await api.session("echo $OF_THE_TASK; echo bad >&2; exit 7"))
    assert await shown.until() == b"yes\n"
    assert shown.data["STDERR"] == b"bad\n"
    status, body = await api.call("WAIT_NESTED_CONTAINER", container_id=NAME)
    assert (status, os.waitstatus_to_exitcode(body["exit_status"])) == (200, 7)
    assert (await api.call("REMOVE_NESTED_CONTAINER", container_id=NAME))[0] == 200
    assert (await api.call("WAIT_NESTED_CONTAINER", container_id=NAME))[0] == 404


async def test_shell_in_a_terminal_is_typed_into_and_left(api: Api) -> None:
    shown = Shown(await api.session("exec sh", tty=True))
    request = await api.input()
    await send_data(request, b"echo $((6*7)); stty size\n")
    assert b"42\r\n" in await shown.until(b"24 80")
    await send_data(request, b"\x04")  # the end of its input, as it is typed
    await shown.until()


async def test_window_is_resized_while_a_shell_runs_in_it(api: Api) -> None:
    shown = Shown(await api.session("exec sh", tty=True))
    request = await api.input()
    await send_control(request, "HEARTBEAT", interval={"nanoseconds": 10**9})
    await send_control(request, "TTY_INFO", window_size={"rows": 50, "columns": 132})
    await send_data(request, b"stty size\nexit 3\n")
    await shown.until(b"50 132")
    await shown.until()
    answer = await request.read_answer()  # since it has ended
    assert answer.status == 200
    status, body = await api.call("WAIT_CONTAINER", container_id=NAME)
    assert (status, os.waitstatus_to_exitcode(body["exit_status"])) == (200, 3)


async def test_input_that_ends_is_answered_and_another_may_follow(api: Api) -> None:
    shown = Shown(await api.session("wc -c"))
    first = await api.input()
    await send_data(first, bytes(300_000))
    taken = await api.stack.enter_async_context(
        open_streamed_request(api.address, "/api/v1", INPUT_HEADERS)
    )
    await send(taken, type="CONTAINER_ID", container_id=NAME)
    answer = await taken.read_answer()
    assert answer.status == 409
    assert answer.text == "Multiple input connections are not allowed"
    await first.finish()
    assert (await first.read_answer()).status == 200
    second = await api.input()
    await send_data(second, b"x")
    await send_data(second, b"")
    await second.finish()
    assert int(await shown.until()) == 300_001


async def test_client_that_goes_takes_its_session_with_it(api: Api) -> None:
    shown = Shown(await api.session("trap '' HUP TERM; echo $$; sleep 100"))
    await shown.until(b"\n")
    (container,) = api.endpoints.nested.all()
    await api.stack.aclose()
    with trio.fail_after(20):
        await container.ended.wait()
    assert container.wait_status == signal.SIGKILL


async def test_output_of_a_task_is_followed_from_its_beginning_to_its_end(
    api: Api,
) -> None:
    sandbox = api.add_task("task")
    (sandbox / "stdout").write_bytes(b"before\n")
    shown = Shown(
        await api.stream("ATTACH_CONTAINER_OUTPUT", container_id={"value": "task"})
    )
    assert await shown.until(b"before\n") == b"before\n"
    with (sandbox / "stdout").open("ab") as file:
        file.write(b"more\n")
    await shown.until(b"more\n")
    (sandbox / "stderr").write_bytes(b"bad\n")  # it may be there late, too
    with (sandbox / "stdout").open("ab") as file:
        file.write(bytes(300_000))
    api.view.end_container("task")
    assert await shown.until() == b"before\nmore\n" + bytes(300_000)
    assert shown.data["STDERR"] == b"bad\n"
    assert api.view.watcher_count == 1  # that of the nested containers


async def test_output_of_a_task_of_a_group_is_followed(api: Api) -> None:
    sandbox = api.add_task("executor")
    group_task = sandbox / "tasks" / "t1"
    api.add_task("task", group_task, parent="executor")
    (group_task / "stdout").write_bytes(b"hello\n")
    name = {"value": "task", "parent": {"value": "executor"}}
    shown = Shown(await api.stream("ATTACH_CONTAINER_OUTPUT", container_id=name))
    await shown.until(b"hello\n")
    api.view.end_container("task")
    await shown.until()


async def test_what_a_task_wrote_long_ago_is_not_told(api: Api) -> None:
    sandbox = api.add_task("task")
    (sandbox / "stdout").write_bytes(bytes(BEFORE_BYTES_MAX) + b"x" + bytes(10))
    shown = Shown(
        await api.stream("ATTACH_CONTAINER_OUTPUT", container_id={"value": "task"})
    )
    await shown.until(b"x" + bytes(10))
    assert len(shown.data["STDOUT"]) == BEFORE_BYTES_MAX
    (sandbox / "stdout").write_bytes(b"shorter\n")
    await shown.until(b"shorter\n")


async def test_file_of_a_task_that_leads_elsewhere_is_not_told(
    api: Api, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"secret\n")
    sandbox = api.add_task("task")
    (sandbox / "stdout").symlink_to(tmp_path / "secret")
    (sandbox / "stderr").write_bytes(b"there\n")
    shown = Shown(
        await api.stream("ATTACH_CONTAINER_OUTPUT", container_id={"value": "task"})
    )
    api.view.end_container("task")
    assert await shown.until() == b""
    assert shown.data["STDERR"] == b"there\n"


async def test_input_of_a_task_is_refused_in_words(api: Api) -> None:
    api.add_task("task")
    request = await api.stack.enter_async_context(
        open_streamed_request(api.address, "/api/v1", INPUT_HEADERS)
    )
    await send(request, type="CONTAINER_ID", container_id={"value": "task"})
    answer = await request.read_answer()
    assert answer.status == 400
    assert answer.text == "Container task has no terminal, and reads no input"


async def test_output_is_attached_to_by_others_in_either_encoding(api: Api) -> None:
    session = Shown(await api.session("read line; echo $line; exec sleep 100"))
    joined = Shown(await api.stream("ATTACH_CONTAINER_OUTPUT", container_id=NAME))
    async with api.http.stream(
        api.address,
        "POST",
        "/api/v1",
        headers=[
            ("Content-Type", "application/x-protobuf"),
            ("Accept", "application/recordio"),
            ("Message-Accept", "application/x-protobuf"),
        ],
        body=write_message(
            Media.PROTOBUF,
            "agent.Call",
            {
                "type": "ATTACH_CONTAINER_OUTPUT",
                "attach_container_output": {"container_id": NAME},
            },
        ),
    ) as answer:
        assert answer.headers["message-content-type"] == "application/x-protobuf"
        request = await api.input()
        await send_data(request, b"hello\n")
        await session.until(b"hello")
        await joined.until(b"hello")
        (record,) = RecordDecoder().feed(await answer.receive())
    data = read_message(Media.PROTOBUF, "agent.ProcessIO", record).required_child(
        "data"
    )
    assert data.octets("data", bytes_max=100) == b"hello\n"
    assert (await api.call("KILL_NESTED_CONTAINER", container_id=NAME))[0] == 200
    await session.until()
    await joined.until()


async def test_plain_json_is_framed_too_when_nobody_asks_for_recordio(api: Api) -> None:
    call = {
        "type": "LAUNCH_NESTED_CONTAINER_SESSION",
        "launch_nested_container_session": {
            "container_id": NAME,
            "command": {"value": "echo hi"},
        },
    }
    async with api.http.stream(
        api.address, "POST", "/api/v1", headers=JSON, body=json.dumps(call).encode()
    ) as answer:
        assert answer.headers["content-type"] == "application/json"
        assert await Shown(answer).until() == b"hi\n"


async def test_silent_stream_has_heartbeats(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "HEARTBEAT_S", 0.01)
    shown = Shown(await api.session("sleep 0.1"))
    await shown.until()
    assert shown.controls[0] == {
        "type": "HEARTBEAT",
        "heartbeat": {"interval": {"nanoseconds": 30 * 10**9}},
    }


async def test_nested_container_is_launched_awaited_signalled_and_removed(
    api: Api, tmp_path: Path
) -> None:
    launch = {"container_id": NAME, "command": {"value": "echo $$; exec sleep 100"}}
    assert (await api.call("LAUNCH_CONTAINER", **launch))[0] == 200
    assert (await api.call("LAUNCH_NESTED_CONTAINER", **launch))[0] == 202
    status, text = await api.call("REMOVE_CONTAINER", container_id=NAME)
    assert (status, text) == (409, "Container root.one has not terminated yet")
    _, shown = await api.call("GET_CONTAINERS", show_nested=True)
    assert [c["container_id"] for c in shown["containers"]] == [{"value": "root"}, NAME]

    found: list[Any] = []
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            found.append(await api.call("WAIT_CONTAINER", container_id=NAME))

        nursery.start_soon(wait)
        while not (tmp_path / "sandbox/containers/one/stdout").read_bytes():  # noqa: ASYNC110
            await trio.sleep(0.005)
        async with open_http_client() as http:  # the other connection waits
            other = attrs.evolve(api, http=http)
            kill = await other.call("KILL_CONTAINER", container_id=NAME, signal=15)
            assert kill[0] == 200
    status, body = found[0]
    assert (status, body["exit_status"]) == (200, signal.SIGTERM)
    status, _ = await api.call("KILL_CONTAINER", container_id=NAME)
    assert status == 404
    assert (await api.call("REMOVE_CONTAINER", container_id=NAME))[0] == 200
    assert not (tmp_path / "sandbox/containers/one").exists()


async def test_container_of_the_agent_is_awaited_and_signalled_through_it(
    api: Api,
) -> None:
    view = api.endpoints.view
    assert isinstance(view, FakeAgentView)
    root = {"value": "root"}
    assert (await api.call("KILL_CONTAINER", container_id=root, signal=10))[0] == 200
    assert view.signals == [("root", 10)]
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            status, body = await api.call("WAIT_CONTAINER", container_id=root)
            assert (status, body) == (200, {"exit_status": 4 << 8})

        while not view._watchers[1:]:  # noqa: ASYNC110
            await trio.sleep(0.005)
        view.end_container("root", code=4)


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([b"\xff"], "expected a digit"),
        ([b"3\n{}x"], "is not JSON"),
        ([], "Received EOF while reading request body"),
        (
            [{"type": "GET_HEALTH"}],
            "Streaming 'Content-Type' application/recordio is not supported for"
            " GET_HEALTH call",
        ),
        (
            [{"type": "ATTACH_CONTAINER_INPUT"}],
            "Expecting 'attach_container_input' to be present",
        ),
        ([{"type": "PROCESS_IO"}], "'attach_container_input.type' to be CONTAINER_ID"),
        (
            [{"type": "CONTAINER_ID", "container_id": {"value": "x"}}],
            "Container x cannot be found",
        ),
        (
            [{"type": "CONTAINER_ID", "container_id": {"value": "root"}}],
            "has no terminal, and reads no input",
        ),
        (
            [{"type": "CONTAINER_ID", "container_id": NAME}] * 2,
            "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of:"
            " 'CONTAINER_ID'",
        ),
        (["begin", {}], "Expecting 'attach_container_input.process_io' to be present"),
        (["begin", {"process_io": {}}], "Expecting 'process_io.type' to be present"),
        (
            ["begin", {"process_io": {"type": "DATA"}}],
            "Expecting 'process_io.data' to be present",
        ),
        (
            ["begin", {"process_io": {"type": "DATA", "data": {"type": "STDOUT"}}}],
            "Expecting 'process_io.data.type' to be 'STDIN'",
        ),
        (
            ["begin", {"process_io": {"type": "DATA", "data": {"type": "STDIN"}}}],
            "Expecting 'process_io.data.data' to be present",
        ),
        (
            [
                "begin",
                {
                    "process_io": {
                        "type": "CONTROL",
                        "control": {
                            "type": "TTY_INFO",
                            "tty_info": {"window_size": {"rows": 1, "columns": 1}},
                        },
                    }
                },
            ],
            "Unable to set the window size",
        ),
        (["begin", b"5\n{}"], "the stream ended within a record"),
    ],
)
async def test_wrong_records_of_input_are_refused_in_words(
    api: Api, records: list[Any], text: str
) -> None:
    await api.session("sleep 100")
    request = await api.stack.enter_async_context(
        open_streamed_request(api.address, "/api/v1", INPUT_HEADERS)
    )
    for record in records:
        if isinstance(record, bytes):
            await request.send(record)
        elif record == "begin":
            await send(request, type="CONTAINER_ID", container_id=NAME)
        elif record.get("type") in ("GET_HEALTH", "ATTACH_CONTAINER_INPUT"):
            await request.send(encode_record(json.dumps(record).encode()))
        else:
            await send(request, **{"type": "PROCESS_IO"} | record)
    await request.finish()
    answer = await request.read_answer()
    assert answer.status in (400, 404, 415)
    assert text in answer.text
