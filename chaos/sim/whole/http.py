"""HTTP connections in memory, which break, stall and lose answers.

The bytes are those of the real server and the real client; only sockets are missing.
"""

from __future__ import annotations

import logging
import random
from functools import partial

import attrs
import trio

from chaos.sim.whole.clock import VirtualClock
from chaos.sim.whole.network import Spawn
from chaos.sim.whole.stream import SimulatedStream, stream_pair
from raftleader.framework.http_client import Connect
from raftleader.httpd.connection import Connection
from raftleader.httpd.messages import Handler
from raftleader.node import HttpServer

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class HttpNetwork:
    """Servers by ``HOST:PORT``, and the connections of each host.

    Attributes:
        loss_probability: Chance that an answer is lost: the connection breaks when
            it arrives. The server has done what was asked.
    """

    clock: VirtualClock
    rng: random.Random
    latency_s: tuple[float, float]
    loss_probability: float = 0.0
    answers_lost: int = 0
    disturbances: int = 0
    _servers: dict[str, _Server] = attrs.field(factory=dict, init=False)
    _wires: list[_Wire] = attrs.field(factory=list, init=False)
    _stalled: dict[str, trio.Event] = attrs.field(factory=dict, init=False)

    def server(self, host: str, spawn: Spawn) -> HttpServer:
        """What stands for ``httpd.serve_http`` on ``host``."""

        async def serve(
            handler: Handler,
            address: str,
            *,
            task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
        ) -> None:
            async with trio.open_nursery() as nursery:
                self._servers[address] = _Server(nursery, handler, spawn)
                try:
                    task_status.started(address)
                    await trio.sleep_forever()
                finally:
                    del self._servers[address]

        return serve

    def connector(self, client: str) -> Connect:
        """How the host ``client`` connects."""

        async def connect(host: str, port: int) -> trio.abc.Stream:
            await trio.sleep(self.rng.uniform(*self.latency_s) * 2)
            while host in self._stalled:
                await self._stalled[host].wait()
            server = self._servers.get(f"{host}:{port}")
            if server is None:
                raise ConnectionRefusedError(f"nobody listens at {host}:{port}")
            ours, theirs = stream_pair(
                self.clock, random.Random(self.rng.getrandbits(64)), self.latency_s
            )
            wire = _Wire(client, host, ours, theirs)
            ours.on_arrival = partial(self._perhaps_lost, wire)
            self._stall(wire, is_stalled=host in self._stalled)
            self._wires.append(wire)
            server.spawn(server.nursery.start_soon, self._serve_one, wire, server)
            return ours

        return connect

    def break_all(self, host: str) -> int:
        """Break every connection of ``host`` at once; says how many."""
        found = [wire for wire in self._wires if host in (wire.client, wire.server)]
        for wire in found:
            self._break(wire)
        return len(found)

    def stall(self, host: str) -> None:
        """From now on nothing flows to and from the server ``host``."""
        self._stalled.setdefault(host, trio.Event())
        for wire in self._wires:
            if wire.server == host:
                self._stall(wire, is_stalled=True)

    def flow(self, host: str) -> None:
        """The end of ``stall``: what was kept back arrives."""
        event = self._stalled.pop(host, None)
        if event is not None:
            event.set()
        for wire in self._wires:
            if wire.server == host:
                self._stall(wire, is_stalled=False)

    def _perhaps_lost(self, wire: _Wire) -> bool:
        """An answer arrives at the client: False if it is lost instead."""
        if self.loss_probability and self.rng.random() < self.loss_probability:
            self.answers_lost += 1
            self._break(wire)
            return False
        return True

    def _break(self, wire: _Wire) -> None:
        self.disturbances += 1
        wire.ours.break_now()
        wire.theirs.break_now()
        if wire in self._wires:
            self._wires.remove(wire)

    def _stall(self, wire: _Wire, *, is_stalled: bool) -> None:
        self.disturbances += is_stalled
        wire.ours.stall(is_stalled=is_stalled)
        wire.theirs.stall(is_stalled=is_stalled)

    async def _serve_one(self, wire: _Wire, server: _Server) -> None:
        try:
            await Connection(wire.theirs, server.handler, peer=wire.client).serve()
        except Exception:
            _log.exception("connection failed")
        finally:
            wire.theirs.close_now()
            if wire in self._wires:
                self._wires.remove(wire)


@attrs.frozen(eq=False)
class _Server:
    nursery: trio.Nursery
    handler: Handler
    spawn: Spawn


@attrs.frozen(eq=False)
class _Wire:
    client: str
    server: str
    ours: SimulatedStream
    theirs: SimulatedStream
