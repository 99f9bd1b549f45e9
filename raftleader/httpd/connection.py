"""One client's connection: requests in, answers out in the same order.

Theory of operation. The reader parses what arrives and calls the handler for each
request at once; a deferred answer is waited for in a task of its own. Each request
has a *slot* in a queue. Whoever makes the first slot ready *flushes*: all ready
slots at the head of the queue leave in one write. So an answer that needs no wait
costs no task switch, and answers that become ready together leave together. Kept
promises have nobody to flush them: the server does it for all its connections.

Nobody but the flusher writes. A stream, once at the head, is the flusher for good.
"""

from __future__ import annotations

import logging
from functools import partial

import trio

from raftleader.httpd.answer_queue import AnswerQueue, Slot
from raftleader.httpd.bodies import BodyStream
from raftleader.httpd.flushing import Flushing
from raftleader.httpd.messages import (
    Deferred,
    Handler,
    MakeResponse,
    Promise,
    Response,
    Stream,
    StreamsBody,
)
from raftleader.httpd.parsing import (
    BodyPart,
    ContinueWanted,
    ParsedRequest,
    Refusal,
    RequestParser,
)
from raftleader.httpd.sockets import SendsAtOnce
from raftleader.httpd.streaming import WRITE_TIMEOUT_S, ChunkWriter, run_cancelled
from raftleader.httpd.writing import CONTINUE, stream_head, text_response
from raftleader.limits import PIPELINED_REQUESTS_MAX

IDLE_TIMEOUT_S = 120.0
"""A connection without a request, or a request that does not get complete."""
WATCH_S = 1.0
"""Between two looks whether that is over, when it is not known yet."""
LINGER_S = 2.0
"""After the last answer we read on for so long: closing with unread bytes would
reset the connection, and the client might never see the answer."""

_STREAM_TO_NOBODY = text_response(
    400, "a stream ends when the client says that it sends nothing more\n"
)

_log = logging.getLogger(__name__)


class Connection:
    """Serves one client over ``stream`` until either side ends it.

    Whatever the client does, ``serve`` returns; it raises only when cancelled.
    """

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        handler: Handler,
        *,
        peer: str,
        streams_body: StreamsBody | None = None,
        flushing: Flushing | None = None,
    ) -> None:
        """``flushing`` is the server's, which then writes kept promises; it needs a
        ``stream`` that ``SendsAtOnce``."""
        self._stream = stream
        self._sender = stream if isinstance(stream, SendsAtOnce) else None
        self._flushing = flushing
        self._handler = handler
        self._peer = peer
        self._parser = RequestParser(peer=peer, streams_body=streams_body)
        self._body: BodyStream | None = None
        self._slots = AnswerQueue()
        self._room = trio.Event()
        self._reading = trio.CancelScope()
        # Cancelled when the client is gone: nobody waits for what we do.
        self._everything = trio.CancelScope()
        self._deferred_count = 0
        self._promised_count = 0
        self._all_kept = trio.Event()
        self._is_flushing = False
        self._is_streaming = False
        self._is_stream_endless = False
        self._is_ending = False
        self._takes_promises = True
        self._has_seen_end = False
        self._request_began_s: float | None = None
        self._heard_s = trio.current_time()
        self._receiving = trio.CancelScope()
        self._is_receiving = False
        self._watching = trio.CancelScope()

    async def serve(self) -> None:
        """Serve, then close the stream. All that was started has ended by then."""
        try:
            with self._everything:
                async with trio.open_nursery() as self._nursery:
                    try:
                        await self._read_and_answer()
                    finally:
                        self._takes_promises = False
        finally:
            await self._cancel_streams_not_begun()
            self._parser.close()
            await trio.aclose_forcefully(self._stream)

    async def _read_and_answer(self) -> None:
        self._nursery.start_soon(self._watch)
        with self._reading:
            await self._read()
        self._watching.cancel()
        self._has_seen_end = True
        if self._body is not None:
            self._body.break_off()
        if self._is_stream_endless:
            self._everything.cancel()
        while self._promised_count:
            self._all_kept = trio.Event()
            await self._all_kept.wait()
        await self._flush()

    async def _read(self) -> None:
        """Until the end, also when we decide that this is it."""
        while True:
            data = b""
            # Entered again only after a cancellation by ``_watch``, which happens while
            # we receive: a scope for each request would cost more than reading it.
            with trio.CancelScope() as self._receiving:
                while not self._receiving.cancel_called:
                    data = await self._receive()
                    if not data:
                        return
                    if not self._receiving.cancel_called:
                        await self._take_bytes(data)
                        data = b""
            if data:  # It came at the last moment.
                await self._take_bytes(data)
            elif self._is_too_slow():
                self._parser.stop()
                self._request_began_s = None
                self._take(Refusal(status=408, text="the request came too slowly\n"))
                await self._flush()
            elif not self._slots and not self._is_streaming:
                return
            self._heard_s = trio.current_time()

    async def _receive(self) -> bytes:
        self._is_receiving = True
        try:
            return bytes(await self._stream.receive_some())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._everything.cancel()
            return b""
        finally:
            self._is_receiving = False

    async def _take_bytes(self, data: bytes) -> None:
        self._heard_s = trio.current_time()
        if self._is_ending or self._is_streaming:
            return  # Read only in order to see the end.
        count = self._parser.requests_count
        for item in self._parser.feed(data):
            if isinstance(item, BodyPart):
                await self._pass_on(item.data)
                continue
            await self._wait_for_room()
            if self._is_ending or self._is_streaming:
                break
            self._take(item)
        if not self._parser.is_within_request:
            self._request_began_s = None
        elif self._request_began_s is None or self._parser.requests_count > count:
            self._request_began_s = self._heard_s
        await self._flush()

    async def _watch(self) -> None:
        """Wake the reader when it has heard nothing for too long, or too little."""
        with self._watching:
            while True:
                await trio.sleep_until(max(self._due_s, trio.current_time() + WATCH_S))
                if self._is_receiving and trio.current_time() >= self._due_s:
                    self._receiving.cancel()

    @property
    def _due_s(self) -> float:
        began_s = self._request_began_s
        return (self._heard_s if began_s is None else began_s) + IDLE_TIMEOUT_S

    def _is_too_slow(self) -> bool:
        began_s = self._request_began_s
        return began_s is not None and trio.current_time() >= began_s + IDLE_TIMEOUT_S

    async def _wait_for_room(self) -> None:
        """Until another request may be taken, or none will be any more."""
        while len(self._slots) >= PIPELINED_REQUESTS_MAX:
            self._room = trio.Event()
            await self._flush()
            if self._is_ending or self._is_streaming:
                return
            if len(self._slots) >= PIPELINED_REQUESTS_MAX:
                await self._room.wait()

    async def _pass_on(self, part: bytes) -> None:
        if self._body is None:
            return  # Its request was not taken.
        if part:
            await self._flush()
            await self._body.put(part)
        else:
            self._body.end()

    def _take(self, item: ParsedRequest | ContinueWanted | Refusal) -> None:
        if isinstance(item, ContinueWanted):
            self._slots.append(Slot(None, CONTINUE))
        elif isinstance(item, Refusal) and self._body is not None:
            self._body.break_off()  # Its request is the last, and will be answered.
        elif isinstance(item, Refusal):
            answer = text_response(item.status, item.text)
            self._slots.append(Slot(None, answer, closes=True))
            _log.info("refused: peer=%s status=%d", self._peer, item.status)
        else:
            slot = Slot(item, closes=not item.keeps_alive)
            self._slots.append(slot)
            self._body = item.request.stream
            try:
                reply = self._handler(item.request)
            except Exception:
                slot.report()
                return
            if isinstance(reply, Response | Stream):
                slot.answer = reply
                if self._body is not None:
                    self._body.drop()
            elif isinstance(reply, Promise):
                self._promised_count += 1
                reply.when_kept(partial(self._kept, slot))
            else:
                self._deferred_count += 1
                self._nursery.start_soon(self._finish, slot, reply)

    async def _finish(self, slot: Slot, deferred: Deferred) -> None:
        try:
            answer = await deferred()
            if not isinstance(answer, Response | Stream):
                raise TypeError(f"{answer!r} is no answer")
            slot.answer = answer
        except Exception:
            slot.report()
        self._deferred_count -= 1
        assert slot.parsed is not None
        if slot.parsed.request.stream is not None:
            slot.parsed.request.stream.drop()
        await self._flush()

    def _kept(self, slot: Slot, make: MakeResponse) -> None:
        """A promise was kept: within the task of whoever did it."""
        slot.answer = make
        self._promised_count -= 1
        if not self._takes_promises:
            return  # The client is gone.
        if not self._promised_count:
            self._all_kept.set()
        if self._flushing is not None:
            self._flushing.flush_soon(self)
        else:
            self._nursery.start_soon(self._flush)

    def flush_nowait(self) -> None:
        """Write what is ready at the head of the queue and goes without waiting; a
        task does the rest."""
        is_free = self._takes_promises and not self._is_flushing
        if not is_free or not self._slots.is_ready:
            return
        if self._sender is not None and self._slots.stream is None:
            data, closes = self._slots.gather()
            self._room.set()
            try:
                sent = self._sender.send_nowait(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._everything.cancel()
                return
            if sent < len(data) or closes:
                self._slots.put_back(data[sent:], closes=closes)
            if not self._slots.is_ready:
                return
        self._nursery.start_soon(self._flush)

    async def _flush(self) -> None:
        """Write what is ready at the head of the queue, unless somebody does."""
        if self._is_flushing:
            return
        self._is_flushing = True
        while self._slots.is_ready:
            if self._deferred_count:
                # Others may be made ready in this very turn of the loop.
                await trio.lowlevel.checkpoint()
            stream = self._slots.stream
            if stream is not None:
                if stream.is_finite or not self._has_seen_end:
                    self._begin_stream(self._slots.pop(), stream)
                    return
                await self._refuse_stream(next(iter(self._slots)), stream)
                continue
            data, closes = self._slots.gather()
            self._room.set()
            await self._send(data)
            if closes:
                await self._end()
                return
        self._is_flushing = False

    async def _send(self, data: bytes) -> None:
        """Write. If the client is gone, everything gets cancelled."""
        try:
            if self._sender is not None:
                data = data[self._sender.send_nowait(data) :]
                if not data:
                    return
            with trio.move_on_after(WRITE_TIMEOUT_S):
                await self._stream.send_all(data)
                return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._everything.cancel()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def _end(self) -> None:
        """Nothing more to write: say so, then let the client read and go."""
        self._is_ending = True
        self._room.set()
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._everything.cancel()
        self._reading.deadline = trio.current_time() + LINGER_S

    async def _refuse_stream(self, slot: Slot, stream: Stream) -> None:
        """The client has said that it sends nothing more, before its turn came."""
        slot.answer, slot.closes = _STREAM_TO_NOBODY, True
        try:
            await run_cancelled(stream)
        except Exception:
            _log.exception("stream failed: peer=%s", self._peer)

    def _begin_stream(self, slot: Slot, stream: Stream) -> None:
        self._is_streaming = True
        self._is_stream_endless = not stream.is_finite
        self._room.set()
        self._nursery.start_soon(self._run_stream, slot, stream)

    async def _run_stream(self, slot: Slot, stream: Stream) -> None:
        assert slot.parsed is not None
        is_chunked = slot.parsed.takes_chunks
        writer: ChunkWriter | None = None
        try:
            head = stream_head(stream.status, stream.headers, is_chunked=is_chunked)
            writer = ChunkWriter(self._stream, head, is_chunked=is_chunked)
            if slot.parsed.request.method == "HEAD":
                await run_cancelled(stream)
                await writer.send([])
            else:
                await stream.run(writer)
                await writer.finish()
        except Exception as error:
            if writer is None:
                await run_cancelled(stream)
            if not isinstance(error, trio.BrokenResourceError):
                _log.exception("stream failed: peer=%s", self._peer)
            self._everything.cancel()
            return
        self._is_streaming = self._is_stream_endless = False
        await self._end()

    async def _cancel_streams_not_begun(self) -> None:
        """Keep the promise of ``Stream`` that ``run`` is always called."""
        for slot in self._slots:
            if isinstance(slot.answer, Stream):
                try:
                    await run_cancelled(slot.answer)
                except Exception:
                    _log.exception("stream failed: peer=%s", self._peer)
        self._slots.clear()
