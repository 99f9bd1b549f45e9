"""A framework's events as a chunked answer: one RecordIO record in each chunk."""

from __future__ import annotations

import trio

from raftleader.api.answers import JSON_HEADERS
from raftleader.httpd.messages import Stream, StreamWriter
from raftleader.leader.interface import EventStream
from raftleader.protocol.json_v1 import encode_event
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.scheduler_api import Error

EVENTS_PER_WRITE_MAX = 200
"""Encoding more in one go would hold up the loop, and with it Raft."""


def event_stream(stream: EventStream, capabilities: tuple[str, ...]) -> Stream:
    """The answer to an accepted SUBSCRIBE. Closes ``stream`` when it ends."""

    async def run(writer: StreamWriter) -> None:
        try:
            while True:
                try:
                    events = await stream.receive()
                except trio.EndOfChannel:
                    return
                for begin in range(0, len(events), EVENTS_PER_WRITE_MAX):
                    await writer.send(
                        [
                            encode_record(
                                encode_event(event, capabilities=capabilities)
                            )
                            for event in events[begin : begin + EVENTS_PER_WRITE_MAX]
                        ]
                    )
        finally:
            stream.close()

    return Stream(headers=_headers(stream.stream_id), run=run)


def error_stream(message: str, *, stream_id: str) -> Stream:
    """The answer to a SUBSCRIBE that is refused as Mesos refuses it: with status
    200, one ERROR event, and the end. ``stream_id`` names nothing; clients look
    for the header before they look at events."""

    async def run(writer: StreamWriter) -> None:
        error = encode_event(Error(message=message), capabilities=())
        await writer.send([encode_record(error)])

    return Stream(headers=_headers(stream_id), run=run)


def _headers(stream_id: str) -> tuple[tuple[str, str], ...]:
    return (*JSON_HEADERS, ("Mesos-Stream-Id", stream_id))
