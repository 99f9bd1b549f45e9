"""An executor's event stream from its agent: opened, read, opened again."""

from __future__ import annotations

import logging
import random
from typing import Protocol

import attrs
import trio

from raftleader.errors import (
    ApiError,
    InvalidInputError,
    RaftLeaderError,
    UnavailableError,
)
from raftleader.framework.executors.environment import ExecutorEnvironment
from raftleader.framework.executors.ledger import Ledger
from raftleader.framework.http_client import AnswerStream, Headers, HttpClient
from raftleader.protocol.executor_api import Event, Subscribe, Subscribed
from raftleader.protocol.executor_v1 import decode_event, encode_call
from raftleader.protocol.recordio import RecordDecoder

log = logging.getLogger("raftleader.framework")

EXECUTOR_PATH = "/api/v1/executor"
REGISTRATION_TIMEOUT_S = 60.0
"""Until the first SUBSCRIBED; the agent gives us up after this time, too."""
SUBSCRIBE_TIMEOUT_S = 10.0
TRY_AGAIN = (404, 408, 429, 503)
"""An agent that has just started answers so while it reads its own memory."""


@attrs.frozen(eq=False)
class Link:
    """One stream, from SUBSCRIBED to its end.

    ``told``: uuids of the updates that SUBSCRIBE told.
    """

    told: frozenset[bytes]
    ended: trio.Event = attrs.field(factory=trio.Event)


class Listener(Protocol):
    """Who is told of events, in order."""

    async def hear(self, event: Event) -> None:
        """Take an event at once; then wait, if need be, to slow the stream."""

    def hear_loss(self) -> None:
        """The stream was lost."""


class ExecutorSubscription:
    """Keeps the stream open as the environment asks."""

    def __init__(
        self,
        environment: ExecutorEnvironment,
        ledger: Ledger,
        listener: Listener,
        *,
        streams: HttpClient,
        calls: HttpClient,
        rng: random.Random,
    ) -> None:
        self.link: Link | None = None
        self._environment = environment
        self._ledger = ledger
        self._listener = listener
        self._streams = streams
        self._calls = calls
        self._rng = rng
        self._changed = trio.Event()
        self._is_over = False

    @property
    def headers(self) -> Headers:
        """For every call."""
        media = "application/json"
        headers = [("Content-Type", media), ("Accept", media)]
        if self._environment.token is not None:
            headers.append(("Authorization", f"Bearer {self._environment.token}"))
        return headers

    async def wait_link(self) -> Link:
        """The open stream, as soon as there is one. Raises UnavailableError when the
        agent was given up."""
        while self.link is None:
            if self._is_over:
                raise UnavailableError("the agent is gone")
            await self._changed.wait()
        return self.link

    async def run(self) -> None:
        """Until the agent is lost for good. Raises ApiError if it refuses us."""
        environment = self._environment
        deadline_s = trio.current_time() + REGISTRATION_TIMEOUT_S
        try:
            while True:
                if await self._subscribe():
                    if not environment.is_checkpointed:
                        return
                    deadline_s = trio.current_time() + environment.recovery_timeout_s
                pause_s = self._rng.uniform(0, environment.backoff_s_max)
                if trio.current_time() + pause_s > deadline_s:
                    return
                await trio.sleep(pause_s)
        finally:
            self._is_over = True
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _subscribe(self) -> bool:
        """One attempt; whether there was a stream, which is over now."""
        told = frozenset(self._ledger.updates)
        call = Subscribe(
            executor_id=self._environment.executor_id,
            framework_id=self._environment.framework_id,
            unacknowledged_tasks=tuple(self._ledger.tasks.values()),
            unacknowledged_updates=tuple(self._ledger.updates.values()),
        )
        try:
            async with self._streams.stream(
                self._environment.agent,
                "POST",
                EXECUTOR_PATH,
                headers=self.headers,
                body=encode_call(call),
                timeout_s=SUBSCRIBE_TIMEOUT_S,
            ) as answer:
                if answer.status == 200:
                    await self._follow(answer, told)
                else:
                    whole = await answer.read_all()
                    if answer.status not in TRY_AGAIN:
                        raise ApiError(whole.status, whole.text)
                    log.info("the agent is not ready: %d %s", whole.status, whole.text)
        except ApiError:
            raise
        except RaftLeaderError as error:
            log.info("lost the agent: %s", error)
        if self.link is None:
            return False
        self.link.ended.set()
        self.link = None
        self._calls.drop(self._environment.agent, "its stream was lost")
        self._listener.hear_loss()
        return True

    async def _follow(self, answer: AnswerStream, told: frozenset[bytes]) -> None:
        records = RecordDecoder()
        while data := await answer.receive():
            for record in records.feed(data):
                try:
                    event = decode_event(record)
                except InvalidInputError as error:
                    # Framing is sound, so the next event can be read.
                    log.error("an event could not be read: %s", error)
                    continue
                if isinstance(event, Subscribed):
                    self.link = Link(told)
                    self._notify()
                if self.link is not None:
                    await self._listener.hear(event)
