"""Keeping one event stream open: the IO that session.py decides about."""

from __future__ import annotations

import logging
from typing import Protocol

import attrs
import msgspec
import trio

from raftleader.errors import InvalidInputError, RaftLeaderError, UnavailableError
from raftleader.framework.addresses import address_of_location
from raftleader.framework.http_client import AnswerStream, HttpClient
from raftleader.framework.session import SILENCE_S, Phase, Probe, Session
from raftleader.framework.wishes import Wishes
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1 import decode_event, encode_call
from raftleader.protocol.recordio import RecordDecoder
from raftleader.protocol.scheduler_api import Error, Event, Subscribe, Subscribed

log = logging.getLogger("raftleader.framework")

SCHEDULER_PATH = "/api/v1/scheduler"
JSON_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"))
PROBE_TIMEOUT_S = 1.0
"""A node answers a probe from memory; one that takes longer is in trouble."""
SUBSCRIBE_TIMEOUT_S = 5.0
"""A leader answers SUBSCRIBE once it is committed, or 503 (CALL_TIMEOUT_S)."""


@attrs.frozen(eq=False)
class Link:
    """One stream, from SUBSCRIBED to its end. Calls name its ``stream_id``."""

    address: str
    stream_id: str
    framework_id: FrameworkId
    ended: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def suspect(self, reason: str) -> None:
        """A call learnt that this stream is over, or its leader silent."""
        if not self.ended.is_set():
            log.info("giving up the stream from %s: %s", self.address, reason)
        self.scope.cancel()


class Listener(Protocol):
    """Who is told of events, in order."""

    async def hear(self, event: Event) -> None:
        """Take an event at once; then wait, if need be, to slow the stream."""

    def hear_loss(self) -> None:
        """The stream was lost."""


class Subscription:
    """Runs a session: finds the leader, subscribes, reads events, starts again."""

    def __init__(
        self,
        session: Session,
        wishes: Wishes,
        listener: Listener,
        *,
        streams: HttpClient,
        probes: HttpClient,
        calls: HttpClient,
    ) -> None:
        self.session = session
        self.wishes = wishes
        self.link: Link | None = None
        self._listener = listener
        self._streams = streams
        self._probes = probes
        self._calls = calls
        self._news = trio.Event()
        self._link_changed = trio.Event()
        self._is_closed = False

    async def wait_link(self) -> Link:
        """The open stream, as soon as there is one.

        Raises what ended the session, UnavailableError after ``close``.
        """
        while self.link is None:
            if self.session.error is not None:
                raise self.session.error
            if self._is_closed:
                raise UnavailableError("the driver has stopped")
            await self._link_changed.wait()
        return self.link

    def close(self) -> None:
        """``run`` has ended: let go of everybody who waits for a stream."""
        self._is_closed = True
        if self.link is not None:
            self.link.ended.set()
            self.link = None
        self._link_changed.set()

    async def run(self) -> None:
        """Until cancelled. Raises what ended the session, see FrameworkEndedError."""
        while True:
            match self.session.phase:
                case Phase.SEEKING:
                    await self._seek()
                case Phase.SUBSCRIBING:
                    await self._subscribe()
                case _:
                    assert self.session.error is not None
                    self._link_changed.set()
                    raise self.session.error

    # --- Seeking ------------------------------------------------------------------

    async def _seek(self) -> None:
        async with trio.open_nursery() as nursery:
            while self.session.phase is Phase.SEEKING:
                step = self.session.next_step(trio.current_time())
                if isinstance(step, Probe):
                    nursery.start_soon(self._probe, step.address)
                    continue
                self._news = trio.Event()
                with trio.move_on_at(step.until_s):
                    await self._news.wait()
            nursery.cancel_scope.cancel()

    async def _probe(self, address: str) -> None:
        try:
            answer = await self._probes.request(
                address, "GET", SCHEDULER_PATH, timeout_s=PROBE_TIMEOUT_S
            )
        except RaftLeaderError as error:
            log.debug("probe failed: %s", error)
            self.session.probe_failed(address, trio.current_time())
        else:
            location = address_of_location(answer.headers.get("location"))
            self.session.probe_answered(
                address, answer.status, location, trio.current_time()
            )
        self._news.set()

    # --- Subscribing ----------------------------------------------------------------

    async def _subscribe(self) -> None:
        session = self.session
        assert session.leader is not None
        wishes = self.wishes
        info = msgspec.structs.replace(wishes.framework, id=session.framework_id)
        call = Subscribe(
            framework_info=info,
            framework_id=session.framework_id,
            suppressed_roles=wishes.suppressed_roles,
            offer_constraints=wishes.offer_constraints,
        )
        try:
            async with self._streams.stream(
                session.leader,
                "POST",
                SCHEDULER_PATH,
                headers=JSON_HEADERS,
                body=encode_call(call),
                timeout_s=SUBSCRIBE_TIMEOUT_S,
            ) as answer:
                if answer.status == 200:
                    await self._follow(answer)
                else:
                    await self._refused(answer)
        except RaftLeaderError as error:
            log.info("subscription to %s ended: %s", session.leader, error)
            may_happen = not isinstance(error, UnavailableError)
            if session.phase is Phase.SUBSCRIBING:
                session.subscribe_failed(trio.current_time(), may_happen=may_happen)
        if session.phase is Phase.SUBSCRIBING:  # the stream closed without a word
            session.subscribe_failed(trio.current_time(), may_happen=True)
        elif session.phase is Phase.SUBSCRIBED:
            session.stream_lost(trio.current_time())
        self._unlink()

    async def _refused(self, answer: AnswerStream) -> None:
        with trio.move_on_after(PROBE_TIMEOUT_S):
            whole = await answer.read_all()
            location = address_of_location(whole.headers.get("location"))
            self.session.subscribe_refused(
                whole.status, whole.text, location, trio.current_time()
            )

    def _unlink(self) -> None:
        if self.link is not None:
            self.link.ended.set()
            # A leader that is paused would keep its calls waiting for their whole
            # timeout; they may be repeated, so repeat them where they are heard.
            self._calls.drop(self.link.address, "its stream was lost")
            self.link = None
            if self.session.phase is not Phase.ENDED:
                self._listener.hear_loss()

    # --- Subscribed -----------------------------------------------------------------

    async def _follow(self, answer: AnswerStream) -> None:
        """Read events until the stream ends, is given up, or falls silent."""
        records = RecordDecoder()
        deadline_s = trio.current_time() + SUBSCRIBE_TIMEOUT_S
        scope = trio.CancelScope()
        with scope:
            while True:
                data: bytes | None = None
                with trio.move_on_at(deadline_s):
                    data = await answer.receive()
                if data is None:
                    if not await self._is_alive():
                        return
                    deadline_s = trio.current_time() + SILENCE_S
                    deadline_s = min(deadline_s, self.session.lost_at_s)
                    continue
                if not data:
                    return
                self.session.heard(trio.current_time())
                for record in records.feed(data):
                    await self._take(record, answer, scope)
                if self.session.phase is Phase.SUBSCRIBED:
                    deadline_s = self.session.silent_at_s
                elif self.session.phase is not Phase.SUBSCRIBING:
                    return

    async def _take(
        self, record: bytes, answer: AnswerStream, scope: trio.CancelScope
    ) -> None:
        try:
            event = decode_event(record)
        except InvalidInputError as error:
            # Framing is sound, so the next event can be read: losing the stream
            # would only bring the same event again.
            log.error("an event could not be read: %s", error)
            return
        match event:
            case Subscribed() if self.session.phase is Phase.SUBSCRIBING:
                self.session.subscribed(event, trio.current_time())
                self.link = Link(
                    address=answer.address,
                    stream_id=answer.headers.get("mesos-stream-id", ""),
                    framework_id=event.framework_id,
                    scope=scope,
                )
                self._link_changed.set()
                self._link_changed = trio.Event()
            case Error():
                self.session.error_received(event.message, trio.current_time())
                if self.session.phase is not Phase.ENDED:
                    return
            case _ if self.session.phase is not Phase.SUBSCRIBED:
                return
        await self._listener.hear(event)

    async def _is_alive(self) -> bool:
        """The stream is silent: does its leader still lead?"""
        if self.session.phase is not Phase.SUBSCRIBED:
            return False  # SUBSCRIBED did not come in time
        if trio.current_time() >= self.session.lost_at_s:
            log.info("%d heartbeats missed", self.session.missed_heartbeats_max)
            return False
        assert self.session.leader is not None
        try:
            answer = await self._probes.request(
                self.session.leader, "GET", SCHEDULER_PATH, timeout_s=PROBE_TIMEOUT_S
            )
        except RaftLeaderError as error:
            log.info("the leader is silent: %s", error)
            return False
        return "location" not in answer.headers and answer.status < 500
