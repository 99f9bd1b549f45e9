"""The executor API over HTTP: each documented refusal, streams in both encodings."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from agent.containerizer.fake import FakeContainerizer, Script
from agent.executor_api import streams
from raftleader.protocol.executor_api import Event, Subscribed, Update
from raftleader.protocol.executor_v1 import decode_event, encode_call
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.recordio import RecordDecoder
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Source,
    TaskState,
    TaskStatus,
)
from raftleader.protocol.wire.media import Media

S = TaskState
JSON, PROTOBUF = Media.JSON.value, Media.PROTOBUF.value
EXECUTOR = ExecutorInfo(executor_id="e", command=CommandInfo(value="run"))
UUID = base64.b64encode(b"u" * 16).decode()


@attrs.define(eq=False)
class Client:
    """Requests to one agent, each on a connection of its own."""

    address: str

    async def post(
        self,
        body: dict[str, Any] | bytes,
        path: str = "/api/v1/executor",
        method: str = "POST",
        **headers: str | None,
    ) -> tuple[int, str]:
        """Status and text."""
        async with self.open(body, path, method, **headers) as stream:
            answer = b"".join([chunk async for chunk in stream])
        head, _, text = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), text.decode()

    @asynccontextmanager
    async def open(
        self,
        body: dict[str, Any] | bytes,
        path: str = "/api/v1/executor",
        method: str = "POST",
        **headers: str | None,
    ) -> AsyncIterator[trio.SocketStream]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content_type": JSON, **headers}
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{n.replace('_', '-')}: {v}" for n, v in named.items() if v]
        lines += [f"Content-Length: {len(data)}", "", ""]
        host, _, port = self.address.rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all("\r\n".join(lines).encode() + data)
            yield stream


@attrs.define(eq=False)
class Events:
    """The events of a stream that was answered 200."""

    stream: trio.SocketStream
    media: Media = Media.JSON
    head: str = ""
    _data: bytes = b""
    _decoder: RecordDecoder = attrs.field(factory=RecordDecoder)
    _events: list[Event] = attrs.field(factory=list)

    async def next(self) -> Event | None:
        """The next one; None at the end."""
        with trio.fail_after(10):
            while not self._events:
                data = await self.stream.receive_some()
                if not data:
                    return None
                self._data += data
                if not self.head:
                    head, _, self._data = self._data.partition(b"\r\n\r\n")
                    self.head = head.decode()
                    assert self.head.startswith("HTTP/1.1 200 OK\r\n")
                self._take_chunks()
        return self._events.pop(0)

    def _take_chunks(self) -> None:
        while b"\r\n" in self._data:
            size, _, rest = self._data.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            self._data = rest[length + 2 :]
            records = self._decoder.feed(rest[:length])
            assert len(records) <= 1, "one record in each chunk"
            self._events += [decode_event(record, self.media) for record in records]


def call(kind: str, **body: Any) -> dict[str, Any]:
    ids = {"framework_id": {"value": "fw"}, "executor_id": {"value": "e"}}
    return {"type": kind, **ids, **body}


def update(**status: Any) -> dict[str, Any]:
    said = {
        "task_id": {"value": "t"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_EXECUTOR",
        "uuid": UUID,
    }
    return call("UPDATE", update={"status": said | status})


SUBSCRIBE = call("SUBSCRIBE", subscribe={})


@attrs.define(eq=False)
class Bench:
    """An agent with an executor whose process runs and does nothing by itself."""

    client: Client
    leader: Any
    containerizer: FakeContainerizer

    @asynccontextmanager
    async def subscribe(self, media: Media = Media.JSON) -> AsyncIterator[Events]:
        async with self.client.open(SUBSCRIBE, accept=media.value) as stream:
            events = Events(stream, media)
            first = await events.next()
            assert isinstance(first, Subscribed)
            yield events


@pytest.fixture
async def bench(world: Any) -> AsyncIterator[Bench]:
    leader = await world.add_leader()
    containerizer = FakeContainerizer(lambda launch: Script(duration_s=3600.0))
    async with world.agent(
        containerizer, http="127.0.0.1:0", stop_grace_s=0.01
    ) as address:
        await leader.wait(lambda it: it.links)
        await leader.run("t", None, executor=EXECUTOR)
        with trio.fail_after(5):
            while not containerizer.running:  # noqa: ASYNC110 - the agent makes it so
                await trio.sleep(0.001)
        yield Bench(Client(address), leader, containerizer)


@pytest.mark.parametrize(
    ("body", "how", "status", "text"),
    [
        (SUBSCRIBE, {"method": "GET"}, 405, "Expecting one of { 'POST' }"),
        (
            SUBSCRIBE,
            {"content_type": None},
            400,
            "Expecting 'Content-Type' to be present",
        ),
        (
            SUBSCRIBE,
            {"content_type": "text/plain"},
            415,
            "Expecting 'Content-Type' of application/json or application/x-protobuf",
        ),
        (b"{", {}, 400, "Failed to parse body into JSON: "),
        (
            b"\xff\xff",
            {"content_type": PROTOBUF},
            400,
            "Failed to parse body into Call protobuf",
        ),
        ({}, {}, 400, "Expecting 'type' to be present"),
        (call("SUBSCRIBE"), {}, 400, "Expecting 'subscribe' to be present"),
        (call("UPDATE"), {}, 400, "Expecting 'update' to be present"),
        (call("MESSAGE"), {}, 400, "Expecting 'message' to be present"),
        (
            call("MESSAGE", message={}),
            {},
            400,
            "Failed to convert JSON into Call protobuf: Missing required fields:"
            " message.data",
        ),
        ({"type": "HEARTBEAT"}, {}, 400, "Expecting 'executor_id' to be present"),
        (update(uuid=None), {}, 400, "Expecting 'uuid' to be present"),
        (update(uuid="YWJj"), {}, 400, "must be 16 bytes"),
        (update(uuid="###"), {}, 400, "uuid"),
        (
            update(executor_id={"value": "x"}),
            {},
            400,
            "ExecutorID in Call: e does not match ExecutorID in TaskStatus: x",
        ),
        (
            update(source="SOURCE_AGENT"),
            {},
            400,
            "Received Call from executor e of framework fw with invalid source,"
            " expecting 'SOURCE_EXECUTOR'",
        ),
        (update(source=None), {}, 400, "with invalid source"),
        (
            update(state="TASK_STAGING"),
            {},
            400,
            "Received TASK_STAGING from executor e of framework fw which is not",
        ),
        (update(state="TASK_ODD"), {}, 400, "is not a task state"),
        (
            SUBSCRIBE,
            {"accept": "text/html"},
            406,
            "Expecting 'Accept' to allow 'application/x-protobuf' or",
        ),
        (SUBSCRIBE | {"framework_id": {"value": "x"}}, {}, 400, "Framework cannot be"),
        (SUBSCRIBE | {"executor_id": {"value": "x"}}, {}, 400, "Executor cannot be"),
        (update(), {}, 403, "Executor is not subscribed"),
        (
            call("MESSAGE", message={"data": ""}),
            {},
            403,
            "Executor is not subscribed",
        ),
        (update(message="x" * 40_000, labels={"labels": "x"}), {}, 400, "labels"),
        (call("HEARTBEAT"), {}, 202, ""),
        (call("HEARTBEAT") | {"framework_id": {"value": "x"}}, {}, 202, ""),
    ],
)
async def test_call_is_answered_as_by_mesos(
    bench: Bench, body: Any, how: dict[str, Any], status: int, text: str
) -> None:
    for path in ("/api/v1/executor", "/slave(1)/api/v1/executor", "/api/v1/executor/"):
        answer = await bench.client.post(body, path, **how)
        assert answer[0] == status, answer
        assert text in answer[1]
    assert bench.leader.statuses == []


async def test_update_too_large_for_the_log_is_refused(bench: Bench) -> None:
    async with bench.subscribe():
        labels = [{"key": str(n), "value": "x" * 4_000} for n in range(300)]
        answer = await bench.client.post(update(labels={"labels": labels}))
        assert answer[0] == 413


@pytest.mark.parametrize("media", list(Media))
async def test_stream_and_calls_work_in_both_encodings(
    bench: Bench, media: Media
) -> None:
    async with bench.subscribe(media) as events:
        assert f"Content-Type: {media.value}\r\n" in events.head + "\r\n"
        assert "Transfer-Encoding: chunked" in events.head
        launch: Any = await events.next()
        assert launch.task.task_id == "t"
        status = TaskStatus(
            task_id=launch.task.task_id,
            state=S.RUNNING,
            source=Source.EXECUTOR,
            uuid=b"u" * 16,
        )
        said = Update(executor_id="e", framework_id=FrameworkId("fw"), status=status)
        answer = await bench.client.post(
            encode_call(said, media), content_type=media.value
        )
        assert answer == (202, "")
        acknowledged: Any = await events.next()
        assert acknowledged.uuid == b"u" * 16
        await bench.leader.wait_state("t", S.RUNNING)


async def test_second_subscription_ends_the_first(bench: Bench) -> None:
    async with bench.subscribe() as first:
        await first.next()
        async with bench.subscribe() as second:
            assert await first.next() is None
            launch: Any = await second.next()  # nobody said that it had come
            assert launch.task.task_id == "t"


async def test_executor_that_does_not_read_is_cut_and_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BYTES_WAITING_MAX", 10_000)
    async with bench.subscribe() as events:
        await bench.leader.run("u", None, executor=EXECUTOR, data=b"x" * 20_000)
        while (event := await events.next()) is not None:
            assert event.task.task_id == "t"  # type: ignore[union-attr]
    monkeypatch.undo()
    async with bench.subscribe():
        answer = await bench.client.post(update())
        assert answer[0] == 202


async def test_default_executor_has_no_api(bench: Bench) -> None:
    info = ExecutorInfo(executor_id="own", type=ExecutorType.DEFAULT)
    line = CommandInfo(value="x")
    await bench.leader.run_all(("g",), line, is_group=True, executor=info)
    await bench.leader.wait_state("g", S.RUNNING)
    answer = await bench.client.post(SUBSCRIBE | {"executor_id": {"value": "own"}})
    assert answer == (400, "Executor cannot be found")
