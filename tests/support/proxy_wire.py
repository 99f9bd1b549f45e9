"""Both sides of a proxy, and its API: what conformance is asked with."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

ENDED = (trio.BrokenResourceError, trio.ClosedResourceError)


@attrs.frozen
class Answer:
    """Of the API."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@attrs.frozen
class ProxyApi:
    """A server's API. Its own calls raise if the answer is no success."""

    port: int

    async def ask(
        self, method: str, path: str, body: str | None = None, user_agent: str = "test"
    ) -> Answer:
        """One request on a connection of its own."""
        data = (body or "").encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"User-Agent: {user_agent}\r\nConnection: close\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream:
            await stream.send_all(head.encode() + data)
            answer = b"".join([part async for part in stream])
        top, _, rest = answer.partition(b"\r\n\r\n")
        status, *lines = top.decode().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(status.split()[1]), headers, rest.decode())

    async def call(self, method: str, path: str, document: Any = None) -> Any:
        body = None if document is None else json.dumps(document)
        answer = await self.ask(method, path, body)
        assert answer.status < 300, answer
        return answer.document if answer.body else None

    async def proxy(self, upstream: int, name: str = "p", **options: Any) -> int:
        """Make one before that port of loopback; the port it listens at."""
        options = {"listen": "127.0.0.1:0"} | options
        made = await self.call(
            "POST",
            "/proxies",
            {"name": name, "upstream": f"127.0.0.1:{upstream}", **options},
        )
        return int(made["listen"].rpartition(":")[2])

    async def add(
        self,
        kind: str,
        *,
        stream: str = "downstream",
        toxicity: float = 1.0,
        name: str | None = None,
        **attributes: int,
    ) -> str:
        """A toxic of the proxy p; its name."""
        toxic = {
            "type": kind,
            "stream": stream,
            "toxicity": toxicity,
            "attributes": attributes,
            **({"name": name} if name else {}),
        }
        made = await self.call("POST", "/proxies/p/toxics", toxic)
        return str(made["name"])

    async def change(self, name: str, **attributes: int) -> None:
        await self.call(
            "PATCH", f"/proxies/p/toxics/{name}", {"attributes": attributes}
        )

    async def remove(self, name: str) -> None:
        await self.call("DELETE", f"/proxies/p/toxics/{name}")

    async def clear(self) -> None:
        """No proxies."""
        for name in await self.call("GET", "/proxies"):
            await self.call("DELETE", f"/proxies/{name}")


@attrs.define
class Peers:
    """What listens behind a proxy: each connection waits here to be taken."""

    port: int
    _accepted: trio.MemoryReceiveChannel[Wire]

    async def next(self) -> Wire:
        with trio.fail_after(5):
            return await self._accepted.receive()


@attrs.frozen
class Wire:
    """One end of a connection."""

    stream: trio.SocketStream

    async def send(self, data: bytes) -> None:
        with trio.fail_after(10):
            await self.stream.send_all(data)

    async def read(self, size: int, timeout_s: float = 10.0) -> bytes:
        """Exactly so many bytes, or fewer at the end."""
        data = b""
        with trio.fail_after(timeout_s):
            while len(data) < size and (
                more := await self.stream.receive_some(size - len(data))
            ):
                data += more
        return data

    async def read_now(self) -> bytes:
        """What is there in one piece; waits for it."""
        with trio.fail_after(5):
            return await self.stream.receive_some()

    async def is_silent(self, for_s: float) -> bool:
        """Whether neither bytes nor an end come."""
        with trio.move_on_after(for_s):
            await self.stream.receive_some(1)
            return False
        return True

    async def end(self, timeout_s: float = 5.0) -> str:
        """How it ends: ``closed`` or ``reset``; bytes before that are dropped."""
        with trio.fail_after(timeout_s):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError as error:
                assert isinstance(error.__cause__, ConnectionResetError)
                return "reset"
        return "closed"

    async def close(self) -> None:
        await self.stream.aclose()


@asynccontextmanager
async def open_peers() -> AsyncIterator[Peers]:
    """A server on loopback; its connections close with the block."""
    send, receive = trio.open_memory_channel[Wire](1000)
    streams: list[trio.SocketStream] = []

    async def accept(stream: trio.SocketStream) -> None:
        streams.append(stream)
        await send.send(Wire(stream))
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, accept, listeners)
        try:
            yield Peers(listeners[0].socket.getsockname()[1], receive)
        finally:
            nursery.cancel_scope.cancel()
            for stream in streams:
                await trio.aclose_forcefully(stream)


async def dial(port: int) -> Wire:
    return Wire(await trio.open_tcp_stream("127.0.0.1", port))


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def s(self) -> float:
        return time.perf_counter() - self._began


async def is_refused(port: int) -> bool:
    with contextlib.suppress(OSError):
        await (await dial(port)).close()
        return False
    return True
