"""An executor on a real connection that stops reading while events come."""

from __future__ import annotations

import socket
import tracemalloc

import pytest
import trio

from agent.executor_api import streams
from agent.executor_api.streams import ExecutorStreams
from agent.inbox import Inbox
from agent.records import ExecutorRun
from raftleader.httpd.messages import Request, Stream
from raftleader.httpd.server import serve_http, split_address
from raftleader.protocol.executor_api import Message, Subscribe
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.wire.media import Media

MESSAGES = 4_000
BOUND_BYTES = 2 * 1024 * 1024
UNREAD_BYTES = 2 * BOUND_BYTES + 4 * 1024 * 1024
"""What waits, what is being written, and what the kernel took."""


async def test_executor_that_stops_reading_is_cut_and_the_others_hear_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "BYTES_WAITING_MAX", BOUND_BYTES)
    opened = ExecutorStreams(Inbox())
    heard = 0

    def handler(request: Request) -> Stream:
        run = ExecutorRun(FrameworkId("f"), request.path[1:], "run")
        call = Subscribe(framework_id=run.framework_id, executor_id=run.executor_id)
        return opened.open(run, call, Media.JSON)

    async def read(client: trio.SocketStream) -> None:
        nonlocal heard
        async for data in client:
            heard += data.count(b'"MESSAGE"')

    async with trio.open_nursery() as nursery:
        address = await nursery.start(serve_http, handler, "127.0.0.1:0")
        quick = await trio.open_tcp_stream(*split_address(address))
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(split_address(address))
            stuck.sendall(b"POST /stuck HTTP/1.1\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked()
            await quick.send_all(b"POST /quick HTTP/1.1\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked()
            assert b"200 OK" in bytes(await quick.receive_some())
            nursery.start_soon(read, quick)
            tracemalloc.start()
            try:
                for number in range(MESSAGES):
                    data = number.to_bytes(4, "big") * 1024
                    for stream in (1, 2):
                        opened.send_nowait(stream, Message(data=data))
                    await trio.lowlevel.checkpoint()
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            with trio.fail_after(10):
                while True:
                    if heard == MESSAGES:
                        break
                    await trio.sleep(0.01)
        assert opened.cut == 1
        assert peak < UNREAD_BYTES
        nursery.cancel_scope.cancel()
