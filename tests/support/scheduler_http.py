"""A framework that speaks to a node's scheduler API by hand, and what it hears."""

from __future__ import annotations

import json
from typing import Any

import attrs
import trio

from raftleader.protocol.wire.codec import write_message
from raftleader.protocol.wire.media import Media

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
SCHEDULER = "/api/v1/scheduler"
CHUNK_BYTES = 65_536


@attrs.frozen
class Reply:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Api:
    """Speaks to one node, each call over a connection of its own."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    async def ask(
        self,
        body: bytes = b"",
        *,
        method: str = "POST",
        path: str = SCHEDULER,
        **headers: str | None,
    ) -> Reply:
        """Send one request and read its whole answer."""
        stream, head, rest = await self.begin(body, method=method, path=path, **headers)
        async with stream:
            while piece := await stream.receive_some(CHUNK_BYTES):
                rest += piece
        return Reply(head.status, head.headers, rest)

    async def begin(
        self, body: bytes, *, method: str, path: str, **headers: str | None
    ) -> tuple[trio.SocketStream, Reply, bytes]:
        """Send one request and read the head of its answer, and what came with it."""
        named = {"Content-Type": JSON, "Connection": "close"}
        for name, value in headers.items():
            named["-".join(part.title() for part in name.split("_"))] = value or ""
        lines = "".join(f"{name}: {text}\r\n" for name, text in named.items() if text)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        stream = await trio.open_tcp_stream(*self.address)
        await stream.send_all(head.encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            piece = await stream.receive_some(CHUNK_BYTES)
            assert piece, f"no answer but {received!r}"
            received += piece
        top, _, rest = received.partition(b"\r\n\r\n")
        first, *others = top.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in others)
        fields = {name.lower(): text for name, text in fields.items()}
        return stream, Reply(int(first.split()[1]), fields, b""), rest

    async def call(self, message: Any, **headers: str | None) -> Reply:
        """POST a message as JSON."""
        return await self.ask(json.dumps(message).encode(), **headers)


class Framework:
    """A subscribed framework that reads its stream."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.id = ""
        self.stream_id = ""
        self._unread = b""

    async def begin(self, **info: Any) -> None:
        message = subscription(**info)
        stream, head, self._unread = await self.api.begin(
            json.dumps(message).encode(), method="POST", path=SCHEDULER
        )
        assert head.status == 200, head
        self.stream_id = head.headers["mesos-stream-id"]
        self._stream = stream
        event = await self.next("SUBSCRIBED")
        self.id = event["subscribed"]["framework_id"]["value"]

    async def leave(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def next(self, *kinds: str) -> Any:
        """The next event of these types; others are passed over."""
        with trio.fail_after(10):
            while True:
                event = json.loads(await self._record())
                if event["type"] in kinds:
                    return event

    async def _record(self) -> bytes:
        """One chunk, which is one record."""
        size = int(await self._until(b"\r\n"), 16)
        while len(self._unread) < size + 2:
            self._unread += await self._some()
        chunk, self._unread = self._unread[:size], self._unread[size + 2 :]
        length, _, record = chunk.partition(b"\n")
        assert int(length) == len(record)
        return record

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            self._unread += await self._some()
        found, _, self._unread = self._unread.partition(mark)
        return found

    async def _some(self) -> bytes:
        piece = await self._stream.receive_some(CHUNK_BYTES)
        assert piece, "the stream has ended"
        return bytes(piece)

    def message(self, kind: str, **body: Any) -> Any:
        return {"type": kind, "framework_id": {"value": self.id}, **body}

    async def call(self, kind: str, **body: Any) -> Reply:
        return await self.api.call(
            self.message(kind, **body), mesos_stream_id=self.stream_id
        )

    async def offer(self) -> Any:
        """An offer that is still good."""
        offers = (await self.next("OFFERS"))["offers"]["offers"]
        return offers[-1]


def subscription(**info: Any) -> Any:
    top = {
        name: info.pop(name)
        for name in ("suppressed_roles", "offer_constraints")
        if name in info
    }
    described = {"user": "u", "name": "n"} | info
    return {"type": "SUBSCRIBE", "subscribe": {"framework_info": described, **top}}


def judged(row: str, reply: Reply, status: int, words: str) -> list[str]:
    """What is wrong with an answer."""
    text = reply.body.decode(errors="replace")
    if reply.status == status and words in text:
        return []
    return [f"{row}: {reply.status} {text!r} instead of {status} {words!r}"]


async def refusal(api: Api, message: Any) -> str:
    """The message of the ERROR that a SUBSCRIBE is answered with, or what came."""
    reply = await api.call(message)
    if reply.status != 200:
        return f"status {reply.status}: {reply.body!r}"
    _, _, rest = reply.body.partition(b"\r\n")
    record = rest.partition(b"\n")[2].partition(b"\r\n")[0]
    event = json.loads(record)
    return str(event.get("error", {"message": event["type"]})["message"])


def scalar(name: str, value: Any, **more: Any) -> Any:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


class Launcher:
    """A framework that asks for something impossible with every offer."""

    def __init__(self, framework: Framework) -> None:
        self.framework = framework

    async def accept(self, *operations: Any, as_protobuf: bool = False) -> Any:
        """ACCEPT an offer; the next update of a task or an operation."""
        offer = await self.framework.offer()
        message = self.framework.message(
            "ACCEPT",
            accept={
                "offer_ids": [offer["id"]],
                "operations": [self._of(each, offer) for each in operations],
                "filters": {"refuse_seconds": 0},
            },
        )
        body, media = json.dumps(message).encode(), JSON
        if as_protobuf:
            tree = without_null(message)
            body = write_message(Media.PROTOBUF, "scheduler.Call", tree)
            media = PROTOBUF
        reply = await self.framework.api.ask(
            body, content_type=media, mesos_stream_id=self.framework.stream_id
        )
        if reply.status != 202:
            return {"state": str(reply.status), "message": reply.body.decode()}
        event = await self.framework.next("UPDATE", "UPDATE_OPERATION_STATUS")
        return event[event["type"].lower()]["status"]

    def _of(self, operation: Any, offer: Any) -> Any:
        """With the ids that only the offer tells."""
        text = json.dumps(operation).replace('"?"', json.dumps(self.framework.id))
        return json.loads(
            text.replace('"AGENT"', json.dumps(offer["agent_id"]["value"]))
        )


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items() if v is not None}
    return [without_null(v) for v in value] if isinstance(value, list) else value
