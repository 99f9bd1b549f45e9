"""The event streams of executors: one RecordIO record in each HTTP chunk."""

from __future__ import annotations

import logging
from collections import deque

import attrs
import trio

from agent.inbox import Inbox
from agent.machine.events import ExecutorSubscribed, StreamLost
from agent.records import ExecutorRun
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import Stream, StreamWriter
from raftleader.protocol.executor_api import Event, Heartbeat, Subscribe
from raftleader.protocol.executor_v1 import encode_event
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.wire.media import Media

logger = logging.getLogger(__name__)

HEARTBEAT_INTERVAL_S = 30 * 60.0
"""Between two HEARTBEAT events; Mesos' own value."""
BYTES_WAITING_MAX = 32 * 1024 * 1024
"""Events that wait for one executor; then its stream is cut. It may subscribe again,
and hears then what it missed, but for messages."""


@attrs.define(eq=False)
class _Stream:
    media: Media
    records: deque[bytes] = attrs.field(factory=deque)
    bytes_waiting: int = 0
    is_closing: bool = False
    woken: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class ExecutorStreams:
    """The open streams, by number.

    Attributes:
        cut: Streams that were cut since their executors did not read.
    """

    inbox: Inbox
    cut: int = attrs.field(default=0, init=False)
    _streams: dict[int, _Stream] = attrs.field(factory=dict, init=False)
    _last_number: int = attrs.field(default=0, init=False)

    def open(self, run: ExecutorRun, call: Subscribe, media: Media) -> Stream:
        """The answer to a SUBSCRIBE; the machine learns of it at once."""
        self._last_number += 1
        number, stream = self._last_number, _Stream(media)
        self._streams[number] = stream
        self.inbox.post_nowait(ExecutorSubscribed(run, number, call))

        async def write(writer: StreamWriter) -> None:
            try:
                await self._write(stream, writer)
            finally:
                self._streams.pop(number, None)
                self.inbox.post_nowait(StreamLost(run, number))

        return Stream(headers=(("Content-Type", media.value),), run=write)

    def send_nowait(self, number: int, event: Event) -> None:
        """Queue an event; nothing if that stream is over."""
        stream = self._streams.get(number)
        if stream is None or stream.is_closing:
            return
        try:
            record = encode_record(encode_event(event, media=stream.media))
        except InvalidInputError as error:
            logger.error("an event cannot be written for an executor: %s", error)
            self.close_nowait(number)
            return
        if stream.bytes_waiting + len(record) > BYTES_WAITING_MAX:
            logger.warning("an executor does not read its events; cutting its stream")
            self.cut += 1
            stream.records.clear()
            self.close_nowait(number)
            return
        stream.records.append(record)
        stream.bytes_waiting += len(record)
        stream.woken.set()

    def close_nowait(self, number: int) -> None:
        """End this stream when what waits has been written."""
        stream = self._streams.get(number)
        if stream is not None:
            stream.is_closing = True
            stream.woken.set()

    async def _write(self, stream: _Stream, writer: StreamWriter) -> None:
        await writer.send([])
        while True:
            with trio.move_on_after(HEARTBEAT_INTERVAL_S) as silence:
                await stream.woken.wait()
            stream.woken = trio.Event()
            records = list(stream.records)
            stream.records.clear()
            stream.bytes_waiting = 0
            if silence.cancelled_caught:
                beat = encode_event(Heartbeat(), media=stream.media)
                records.append(encode_record(beat))
            if records:
                await writer.send(records)
            if stream.is_closing and not stream.records:
                return
