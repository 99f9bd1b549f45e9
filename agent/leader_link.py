"""Sessions with the leader nodes: one to each, dialled for as long as we live.

A session that ends, for whatever reason, is followed by another after a pause that
grows and has chance in it, so that many agents do not come back in step. What was
on its way is lost with it; the machine and the leader repeat what matters.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Mapping

import attrs
import trio

from agent.config import AgentConfig
from agent.inbox import Inbox
from agent.machine.events import MessageArrived, SessionLost, SessionOpened
from raftleader.errors import InvalidInputError
from raftleader.protocol.agent_rpc import (
    FromAgent,
    NodeHello,
    Ping,
    Pong,
    Refused,
    decode_from_node,
    encode,
)
from transports.interface import (
    BadAddressError,
    BadFrameError,
    FrameTooLargeError,
    Link,
    Transport,
    TransportError,
)

logger = logging.getLogger(__name__)

FRAMES_WAITING_MAX = 10_000
"""Frames for a leader that does not read; then its session is closed. All that
matters is sent again in the next."""


@attrs.define(eq=False)
class Session:
    """One link while it is up. ``end`` ends it."""

    number: int
    end: trio.CancelScope
    frames: deque[bytes] = attrs.field(factory=deque)
    woken: trio.Event = attrs.field(factory=trio.Event)
    is_greeted: bool = False
    is_refused: bool = False

    def send_nowait(self, message: FromAgent) -> None:
        if len(self.frames) >= FRAMES_WAITING_MAX:
            logger.warning("a leader does not read what it is sent; closing the link")
            self.end.cancel()
            return
        self.frames.append(encode(message))
        self.woken.set()


@attrs.define(eq=False)
class LeaderLinks:
    """The sessions of one agent.

    Attributes:
        transports: How to dial each of the leaders' addresses.
        bad_frames: Frames no leader node may send, since the start.
        dials: Links tried, since the start.
    """

    config: AgentConfig
    transports: Mapping[str, Transport]
    inbox: Inbox
    rng: random.Random
    bad_frames: int = attrs.field(default=0, init=False)
    dials: int = attrs.field(default=0, init=False)
    _sessions: dict[int, Session] = attrs.field(factory=dict, init=False)
    _last_number: int = attrs.field(default=0, init=False)

    @property
    def open_count(self) -> int:
        return len(self._sessions)

    async def run(self) -> None:
        """Keep a session to each leader node, until cancelled."""
        async with trio.open_nursery() as nursery:
            for address in self.config.leaders:
                nursery.start_soon(self._keep, address)

    def send_nowait(self, number: int, message: FromAgent) -> None:
        """Queue a message; it is lost if that session is over or breaks."""
        session = self._sessions.get(number)
        if session is not None:
            session.send_nowait(message)

    def close_nowait(
        self, number: int, problem: str, *, is_refusal: bool, is_ordered: bool = False
    ) -> None:
        """Give a session up and dial again; see ``CloseSession``."""
        session = self._sessions.get(number)
        if session is None:
            return
        is_odd = is_refusal and not is_ordered
        level = logging.ERROR if is_odd else logging.WARNING
        logger.log(level, "session with a leader node given up: %s", problem)
        session.is_refused = is_refusal
        session.end.cancel()

    async def _keep(self, address: str) -> None:
        failures = 0
        while True:
            is_greeted, is_refused = await self._hold_session(address)
            failures = 0 if is_greeted else failures + 1
            if is_refused:
                pause_s = self.config.refused_backoff_s
            else:
                pause_s = min(
                    self.config.backoff_s_max,
                    self.config.backoff_s_min * 2 ** min(failures, 16),
                )
            await trio.sleep(pause_s * self.rng.uniform(0.5, 1.0))

    async def _hold_session(self, address: str) -> tuple[bool, bool]:
        """One session from dial to end: whether the node greeted, or refused."""
        self.dials += 1
        try:
            link = await self.transports[address].dial(address)
        except BadAddressError as error:
            logger.error("leaders: %s", error)
            return False, True
        except TransportError as error:
            logger.debug("cannot dial %s: %s", address, error)
            return False, False
        self._last_number += 1
        session = Session(self._last_number, trio.CancelScope())
        self._sessions[session.number] = session
        try:
            await self._speak(link, session, address)
        finally:
            del self._sessions[session.number]
            self.inbox.post_nowait(SessionLost(session.number))
            with trio.CancelScope(shield=True):
                await link.aclose()
        return session.is_greeted, session.is_refused

    async def _speak(self, link: Link, session: Session, address: str) -> None:
        """Until either side is done. A fault of the link or the node ends it only."""
        try:
            with session.end:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_write, link, session)
                    self.inbox.post_nowait(SessionOpened(session.number))
                    await self._read(link, session)
        except* (BadFrameError, FrameTooLargeError, InvalidInputError) as group:
            self.bad_frames += 1
            logger.warning("%s sent no valid frame: %s", address, _first(group))
        except* TransportError as group:
            logger.debug("session with %s ended: %s", address, _first(group))

    async def _read(self, link: Link, session: Session) -> None:
        # Pings do not count as an introduction: the hello itself may be lost.
        hello_due_s = trio.current_time() + self.config.hello_timeout_s
        while True:
            frames: list[bytes] = []
            with trio.move_on_at(self._silent_at_s(session, hello_due_s)) as patience:
                frames = await link.receive_many()
            if patience.cancelled_caught:
                logger.warning("a leader node is silent; dialling it anew")
                session.end.cancel()
                await trio.lowlevel.checkpoint()
            for frame in frames:
                message = decode_from_node(frame)
                if isinstance(message, Ping):
                    session.send_nowait(Pong(number=message.number))
                elif isinstance(message, Refused):
                    self.close_nowait(session.number, message.problem, is_refusal=True)
                else:
                    if isinstance(message, NodeHello):
                        session.is_greeted = True
                    await self.inbox.post(MessageArrived(session.number, message))

    def _silent_at_s(self, session: Session, hello_due_s: float) -> float:
        if not session.is_greeted:
            return hello_due_s
        # Also a node that has not pinged yet: it may have lost its power since.
        return trio.current_time() + self.config.silence_timeout_s


async def _write(link: Link, session: Session) -> None:
    while True:
        while session.frames:
            frames = list(session.frames)
            session.frames.clear()
            await link.send_many(frames)
        session.woken = trio.Event()
        await session.woken.wait()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    problem: BaseException = group
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem
