"""HTTP connections in memory, which break, stall and lose answers.

The bytes are those of the real server and the real client; only sockets are missing.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import attrs
import trio
import trio.testing

from raftleader.framework.http_client import Connect
from raftleader.httpd.connection import Connection
from raftleader.httpd.messages import Handler

LATENCY_S = (0.0002, 0.002)

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class HttpNetwork:
    """Servers by ``HOST:PORT``, and the connections of each host.

    Attributes:
        loss_probability: Chance that an answer is lost: the connection breaks when
            the client is about to read. The server has done what was asked.
    """

    rng: random.Random
    loss_probability: float = 0.0
    _servers: dict[str, tuple[trio.Nursery, Handler]] = attrs.field(factory=dict)
    _wires: list[_Wire] = attrs.field(factory=list)
    _stalled: dict[str, trio.Event] = attrs.field(factory=dict)

    async def serve(
        self,
        handler: Handler,
        address: str,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """As ``httpd.serve_http``, at any address."""
        async with trio.open_nursery() as nursery:
            self._servers[address] = (nursery, handler)
            try:
                task_status.started(address)
                await trio.sleep_forever()
            finally:
                del self._servers[address]

    def connector(self, client: str) -> Connect:
        """How the host ``client`` connects."""

        async def connect(host: str, port: int) -> trio.abc.Stream:
            await trio.sleep(self.rng.uniform(*LATENCY_S))
            await self.wait_flowing(host)
            server = self._servers.get(f"{host}:{port}")
            if server is None:
                raise ConnectionRefusedError(f"nobody listens at {host}:{port}")
            nursery, handler = server
            wire = _Wire(client, host, *trio.testing.memory_stream_pair())
            self._wires.append(wire)
            nursery.start_soon(self._serve_one, wire, handler)
            return _End(self, wire, wire.ours, is_lossy=True)

        return connect

    def break_all(self, host: str) -> int:
        """Break every connection of ``host`` at once; says how many."""
        found = [wire for wire in self._wires if host in (wire.client, wire.server)]
        for wire in found:
            self.break_wire(wire)
        return len(found)

    def break_wire(self, wire: _Wire) -> None:
        wire.is_broken = True
        for stream in (wire.ours, wire.theirs):
            stream.send_stream.close()
            stream.receive_stream.close()
        if wire in self._wires:
            self._wires.remove(wire)

    def stall(self, host: str) -> None:
        """From now on nothing flows to and from the server ``host``."""
        self._stalled.setdefault(host, trio.Event())

    def flow(self, host: str) -> None:
        """The end of ``stall``: what was kept back arrives."""
        event = self._stalled.pop(host, None)
        if event is not None:
            event.set()

    async def wait_flowing(self, host: str) -> None:
        while host in self._stalled:
            await self._stalled[host].wait()

    async def _serve_one(self, wire: _Wire, handler: Handler) -> None:
        stream = _End(self, wire, wire.theirs, is_lossy=False)
        try:
            await Connection(stream, handler, peer=wire.client).serve()
        except Exception:
            _log.exception("connection failed")
        finally:
            self.break_wire(wire)


_Streams = trio.StapledStream[
    trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream
]


@attrs.define(eq=False)
class _Wire:
    client: str
    server: str
    ours: _Streams
    theirs: _Streams
    is_broken: bool = False


class _End(trio.abc.HalfCloseableStream):
    """One end of a connection."""

    def __init__(
        self, network: HttpNetwork, wire: _Wire, inner: _Streams, *, is_lossy: bool
    ) -> None:
        self._network = network
        self._wire = wire
        self._inner = inner
        self._is_lossy = is_lossy

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._until_flowing()
        with _Breaking(lambda: self._wire.is_broken):
            await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        with _Breaking(lambda: self._wire.is_broken):
            await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        with _Breaking(lambda: self._wire.is_broken):
            data = bytes(await self._inner.receive_some(max_bytes))
        await self._until_flowing()
        network = self._network
        if self._is_lossy and network.rng.random() < network.loss_probability:
            network.break_wire(self._wire)
            raise trio.BrokenResourceError("the answer was lost")
        return data

    async def send_eof(self) -> None:
        with _Breaking(lambda: self._wire.is_broken):
            await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _until_flowing(self) -> None:
        await self._network.wait_flowing(self._wire.server)
        if self._wire.is_broken:
            raise trio.BrokenResourceError("the connection broke")


@attrs.define
class _Breaking:
    """A stream that somebody else broke says so, as a socket would."""

    is_broken: Callable[[], bool]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, trio.ClosedResourceError) and self.is_broken():
            raise trio.BrokenResourceError("the connection broke") from error
