"""Acknowledging status updates in the background, many at a time.

Losing an acknowledgement harms nobody: the leader sends the update again, it is
recognised and acknowledged again. So there is no retry over streams, and what
waits when a stream ends is dropped.
"""

from __future__ import annotations

import logging

import trio

from raftleader.errors import RaftLeaderError
from raftleader.framework.calls import (
    ATTEMPT_TIMEOUT_S,
    BUSY_PAUSE_S,
    encode_call_request,
    is_stale,
)
from raftleader.framework.http_answers import Answer
from raftleader.framework.http_client import HttpClient
from raftleader.framework.subscription import Link, Subscription
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.offers import OperationStatus
from raftleader.protocol.scheduler_api import Acknowledge, AcknowledgeOperation
from raftleader.protocol.tasks import TaskStatus

log = logging.getLogger("raftleader.framework")

ACKNOWLEDGEMENTS_WAITING_MAX = 10_000
"""More than this and the handler waits: it is faster than the leader."""
BATCH_MAX = 128
"""In flight at once: half of a connection's pipeline, the rest is for calls."""
UUIDS_MAX = 100_000
"""Updates remembered, to recognise those that come again."""

AnyStatus = TaskStatus | OperationStatus


def acknowledging(
    framework_id: FrameworkId, status: AnyStatus
) -> Acknowledge | AcknowledgeOperation | None:
    """The call that acknowledges this update; None if nobody waits for one."""
    if status.uuid is None:
        return None
    if isinstance(status, TaskStatus):
        if status.agent_id is None:
            return None
        return Acknowledge(
            framework_id=framework_id,
            agent_id=status.agent_id,
            task_id=status.task_id,
            uuid=status.uuid,
        )
    if status.operation_id is None:
        return None
    return AcknowledgeOperation(
        framework_id=framework_id,
        operation_id=status.operation_id,
        uuid=status.uuid,
        agent_id=status.agent_id,
    )


class Acknowledger:
    """Remembers which updates were dealt with, and tells the leader."""

    def __init__(self, subscription: Subscription, client: HttpClient) -> None:
        self.sent = 0
        self._subscription = subscription
        self._client = client
        self._queue: list[AnyStatus] = []
        self._wake = trio.Event()
        self._room = trio.Event()
        self._handled: dict[bytes, None] = {}

    def is_handled(self, status: AnyStatus) -> bool:
        """Whether this very update has been dealt with before."""
        return status.uuid is not None and status.uuid in self._handled

    def remember(self, status: AnyStatus) -> None:
        """Note that an update has been dealt with."""
        assert status.uuid is not None
        self._handled[status.uuid] = None
        if len(self._handled) > UUIDS_MAX:
            del self._handled[next(iter(self._handled))]

    async def acknowledge_soon(self, status: AnyStatus) -> None:
        """Queue an acknowledgement. Waits only if ten thousand wait already.

        Nothing happens for an update that nobody wants to be acknowledged.
        """
        if acknowledging(FrameworkId(""), status) is None:
            return
        self.remember(status)
        self._queue.append(status)
        self._wake.set()
        while len(self._queue) > ACKNOWLEDGEMENTS_WAITING_MAX:
            if self._room.is_set():
                self._room = trio.Event()
            await self._room.wait()

    async def run(self) -> None:
        """Send what is queued, until cancelled or the session has ended."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            try:
                link = await self._subscription.wait_link()
            except RaftLeaderError:
                return  # whoever reads the stream tells why, if it is an error
            while self._queue and not link.ended.is_set():
                batch = self._queue[:BATCH_MAX]
                rest = await self._send(link, batch)
                self._queue[: len(batch)] = rest
                self._room.set()
                if rest:
                    await trio.sleep(BUSY_PAUSE_S)
            if link.ended.is_set():
                self._queue.clear()
                self._room.set()

    async def _send(self, link: Link, batch: list[AnyStatus]) -> list[AnyStatus]:
        """Send them all, then wait for all answers; returns those to send again."""
        rest: list[AnyStatus] = []
        try:
            connection = await self._client.connection(link.address)
            exchanges = [
                await connection.post(self._encode(link, status)) for status in batch
            ]
            for status, exchange in zip(batch, exchanges, strict=True):
                answer = await exchange.wait(ATTEMPT_TIMEOUT_S)
                if self._is_busy(link, answer):
                    rest.append(status)
                else:
                    self.sent += answer.status in (200, 202)
        except RaftLeaderError as error:
            link.suspect(str(error))
            await link.ended.wait()
            return []
        return rest

    def _encode(self, link: Link, status: AnyStatus) -> bytes:
        call = acknowledging(link.framework_id, status)
        assert call is not None
        return encode_call_request(link, call)

    def _is_busy(self, link: Link, answer: Answer) -> bool:
        if answer.status in (200, 202):
            return False
        if answer.status in (408, 429, 503):
            return True
        if is_stale(link, answer):
            link.suspect(f"HTTP {answer.status} {answer.text}")
        elif "cannot be found" in answer.text:
            pass  # torn down meanwhile; the stream says so
        else:
            log.error("acknowledgement refused: %d %s", answer.status, answer.text)
        return False
