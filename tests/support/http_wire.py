"""One HTTP connection over a pair of memory streams, spoken to by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from raftleader.httpd.connection import Connection
from raftleader.httpd.messages import (
    Handler,
    Request,
    Response,
    StreamsBody,
)

MemoryStream = trio.StapledStream[
    trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream
]


@asynccontextmanager
async def connected(
    handler: Handler, streams_body: StreamsBody | None = None
) -> AsyncIterator[MemoryStream]:
    client, server = trio.testing.memory_stream_pair()
    connection = Connection(server, handler, peer="client", streams_body=streams_body)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.serve)
        yield client
        await client.aclose()


def get(path: str, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def echo(request: Request) -> Response:
    return Response(status=200, body=request.path.encode())


async def read_until_closed(client: MemoryStream) -> bytes:
    received = b""
    while piece := await client.receive_some():
        received += piece
    return received
