"""Calls that outlive a leader: sent again until answered, within a deadline.

Every call of the scheduler API may be repeated: an ACCEPT repeated gives the
same outcome (promise P3), the others say what should be, not what to add.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from raftleader.errors import (
    ApiError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
    UnavailableError,
)
from raftleader.framework.http_answers import Answer
from raftleader.framework.http_client import HttpClient, encode_request
from raftleader.framework.http_connection import Exchange
from raftleader.framework.subscription import (
    JSON_HEADERS,
    SCHEDULER_PATH,
    Link,
    Subscription,
)
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1 import encode_call
from raftleader.protocol.scheduler_api import Call

log = logging.getLogger("raftleader.framework")

CALL_DEADLINE_S = 30.0
"""Far longer than a failover takes; whoever waits longer wants to be told."""
ATTEMPT_TIMEOUT_S = 6.0
"""A leader answers or refuses within CALL_TIMEOUT_S (5 s)."""
BUSY_PAUSE_S = 0.05
"""After a 503 of the leader itself; doubled up to BUSY_PAUSE_S_MAX."""
BUSY_PAUSE_S_MAX = 1.0

_NOT_DONE = (
    "No leader elected",
    "Leader has not finished recovery",
    "Master has not finished recovery",
)
_STALE = ("not subscribed", "stream", "Stream")


def encode_call_request(link: Link, call: Call) -> bytes:
    """A call, as it is sent beside the stream of ``link``."""
    headers = (*JSON_HEADERS, ("Mesos-Stream-Id", link.stream_id))
    return encode_request(
        link.address, "POST", SCHEDULER_PATH, headers, encode_call(call)
    )


class Caller:
    """Sends calls. Many may be waiting at once; they leave in the order made."""

    def __init__(self, subscription: Subscription, client: HttpClient) -> None:
        self.answered = 0
        self.repeated = 0
        self._subscription = subscription
        self._client = client

    async def call(
        self,
        make: Callable[[FrameworkId], Call],
        *,
        timeout_s: float = CALL_DEADLINE_S,
    ) -> None:
        """Send ``make(framework_id)`` until a leader answers 202.

        Waits through failovers. Raises ApiError if it was refused; at the
        deadline UnavailableError if it certainly was not done; what ended the
        session, if that ended; in the place of each OutcomeUnknownError if an
        attempt may have been done. Cancelled, it may or may not have been done.
        """
        doubt: RaftLeaderError | None = None
        problem: RaftLeaderError | None = None
        pause_s = BUSY_PAUSE_S
        exchange: Exchange | None = None
        with trio.move_on_after(timeout_s):
            while True:
                exchange = None
                try:
                    link = await self._subscription.wait_link()
                except RaftLeaderError as error:
                    raise in_view_of(doubt, error) from None
                if problem is not None:
                    self.repeated += 1
                try:
                    exchange = await self._send(link, make)
                    answer = await exchange.wait(ATTEMPT_TIMEOUT_S)
                    exchange = None
                except (UnavailableError, OverloadedError) as error:
                    problem = error
                    await self._move_on(link, str(error))
                    continue
                except OutcomeUnknownError as error:
                    problem = doubt = error
                    await self._move_on(link, str(error))
                    continue
                if answer.status in (200, 202):
                    self.answered += 1
                    return
                problem = ApiError(answer.status, answer.text)
                if answer.status in (408, 429, 503):
                    if not answer.text.startswith(_NOT_DONE):
                        doubt = problem
                    await trio.sleep(pause_s)
                    pause_s = min(pause_s * 2, BUSY_PAUSE_S_MAX)
                elif is_stale(link, answer):
                    await self._move_on(link, str(problem))
                else:
                    raise in_view_of(doubt, problem)
        if exchange is not None and exchange.may_be_done:
            doubt = OutcomeUnknownError(f"{link.address}: no answer in time")
        if doubt is not None:
            raise OutcomeUnknownError(f"gave up after {timeout_s:g} s: {doubt}")
        raise UnavailableError(
            f"no leader took the call within {timeout_s:g} s"
            + (f": {problem}" if problem else "")
        )

    async def _send(self, link: Link, make: Callable[[FrameworkId], Call]) -> Exchange:
        connection = await self._client.connection(link.address)
        data = encode_call_request(link, make(link.framework_id))
        return await connection.post(data)

    async def _move_on(self, link: Link, reason: str) -> None:
        link.suspect(reason)
        await link.ended.wait()


def in_view_of(
    doubt: RaftLeaderError | None, error: RaftLeaderError
) -> RaftLeaderError:
    """What to raise for ``error``: it says nothing of an earlier attempt in doubt."""
    if doubt is None or not error.definite:
        return error
    return OutcomeUnknownError(
        f"{error}; an earlier attempt may have been done: {doubt}"
    )


def is_stale(link: Link, answer: Answer) -> bool:
    """Whether a refusal means the stream of ``link`` is over, not the call wrong."""
    if link.ended.is_set() or answer.status in (301, 302, 307, 308):
        return True
    return answer.status in (400, 403) and any(w in answer.text for w in _STALE)
