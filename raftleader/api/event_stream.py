"""A framework's events as a chunked answer: one RecordIO record in each chunk."""

from __future__ import annotations

from collections.abc import Callable

import trio

from raftleader.httpd.messages import Stream, StreamWriter
from raftleader.leader.interface import EventStream
from raftleader.protocol.json_v1 import encode_event
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.scheduler_api import Error
from raftleader.protocol.wire.media import Media


def event_stream(
    stream: EventStream, capabilities: Callable[[], tuple[str, ...]], media: Media
) -> Stream:
    """The answer to an accepted SUBSCRIBE. Closes ``stream`` when it ends.

    ``capabilities`` is asked for each group of events: a framework may change them
    while its stream is open.
    """

    async def run(writer: StreamWriter) -> None:
        try:
            while True:
                try:
                    events = await stream.receive()
                except trio.EndOfChannel:
                    return
                known = capabilities()
                await writer.send(
                    [
                        encode_record(
                            encode_event(event, capabilities=known, media=media)
                        )
                        for event in events
                    ]
                )
        finally:
            stream.close()

    return Stream(headers=_headers(stream.stream_id, media), run=run)


def error_stream(message: str, *, stream_id: str, media: Media) -> Stream:
    """The answer to a SUBSCRIBE that is refused as Mesos refuses it: with status
    200, one ERROR event, and the end. ``stream_id`` names nothing; clients look
    for the header before they look at events."""

    async def run(writer: StreamWriter) -> None:
        error = encode_event(Error(message=message), capabilities=(), media=media)
        await writer.send([encode_record(error)])

    return Stream(headers=_headers(stream_id, media), is_finite=True, run=run)


def _headers(stream_id: str, media: Media) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", media.value), ("Mesos-Stream-Id", stream_id))
