"""Answering with a document: whole if it is small, as a stream if it is not."""

from __future__ import annotations

import trio

from raftleader.api.rendering import Pieces
from raftleader.httpd.messages import Answer, Response, Stream, StreamWriter

WHOLE_BYTES_MAX = 1024 * 1024
"""A larger document is streamed: the first byte leaves early, and the leader never
holds all of it."""
CHUNK_BYTES = 64 * 1024
"""Of a streamed document; a socket takes that much at once."""

Headers = tuple[tuple[str, str], ...]


async def document_answer(pieces: Pieces, headers: Headers) -> Answer:
    """Status 200 with this document. Lets others run between its steps."""
    begun: list[bytes] = []
    size = 0
    for piece in pieces:
        if piece:
            begun.append(piece)
            size += len(piece)
            if size > WHOLE_BYTES_MAX:
                return _stream(b"".join(begun), pieces, headers)
        else:
            await trio.lowlevel.checkpoint()
    return Response(status=200, headers=headers, body=b"".join(begun))


async def whole_document(pieces: Pieces) -> bytes:
    """All of it. Lets others run between its steps."""
    parts: list[bytes] = []
    for piece in pieces:
        if piece:
            parts.append(piece)
        else:
            await trio.lowlevel.checkpoint()
    return b"".join(parts)


def _stream(begun: bytes, pieces: Pieces, headers: Headers) -> Stream:
    async def run(writer: StreamWriter) -> None:
        await writer.send([begun])
        parts: list[bytes] = []
        size = 0
        for piece in pieces:
            if piece:
                parts.append(piece)
                size += len(piece)
            elif size < CHUNK_BYTES:
                await trio.lowlevel.checkpoint()
            else:
                await writer.send([b"".join(parts)])
                parts, size = [], 0
        if parts:
            await writer.send([b"".join(parts)])

    return Stream(headers=headers, is_finite=True, run=run)
