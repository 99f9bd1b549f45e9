"""What every endpoint answers alike: JSON, text, redirects, and our errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import msgspec
import trio

from raftleader.errors import (
    InvalidInputError,
    NotLeaderError,
    OutcomeUnknownError,
    OverloadedError,
    RaftLeaderError,
)
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.leader.interface import LeaderNode
from raftleader.limits import CALL_TIMEOUT_S

JSON_HEADERS = (("Content-Type", "application/json"),)
"""Without any parameter: there are clients that compare it whole."""
ANSWER_TIMEOUT_S = CALL_TIMEOUT_S - 0.2
"""A deferred answer is given up after this time, so that the client hears of it."""
OUTCOME_UNKNOWN = (
    "The outcome is unknown: the call may have taken effect, or may still do so. "
    "Look before repeating it; ACCEPT may be repeated as it is.\n"
)

_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_RETRY_SOON = ("Retry-After", "1")

_log = logging.getLogger(__name__)


def text_answer(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """An answer for a person to read."""
    return Response(status=status, headers=(*headers, _TEXT), body=text.encode())


def json_answer(value: object) -> Response:
    """A successful answer for a program to read."""
    return Response(status=200, headers=JSON_HEADERS, body=msgspec.json.encode(value))


def not_leading(
    node: LeaderNode, request: Request, leader: str | None = None
) -> Response:
    """Send the client to the leader, or tell it that there is none right now.

    ``leader`` is what somebody else said; what this node knows counts more. The
    ``Location`` has no scheme, as Mesos' has none.
    """
    known = node.leader_address or leader
    if known is None:
        return text_answer(503, "No leader elected", _RETRY_SOON)
    if known == node.http_address:
        return text_answer(503, "Leader has not finished recovery", _RETRY_SOON)
    target = request.target if request.target.startswith("/") else request.path
    return Response(status=307, headers=(("Location", f"//{known}{target}"),))


def problem_answer(
    node: LeaderNode, request: Request, error: RaftLeaderError
) -> Response:
    """The answer for one of our errors."""
    match error:
        case NotLeaderError():
            return not_leading(node, request, error.leader)
        case OverloadedError():
            text = "Overloaded: nothing was taken, try again\n"
            return text_answer(503, text, _RETRY_SOON)
        case OutcomeUnknownError():
            return outcome_unknown()
        case InvalidInputError():
            return text_answer(400, f"{error}\n")
        case _:
            _log.error(
                "unexpected error: %s %s: %r", request.method, request.path, error
            )
            return text_answer(500, f"{error}\n")


def outcome_unknown() -> Response:
    """Tells programs in a header what the text tells people."""
    return text_answer(503, OUTCOME_UNKNOWN, ("Raftleader-Outcome", "unknown"))


def guarded(
    node: LeaderNode, request: Request, work: Callable[[], Awaitable[Answer]]
) -> Deferred:
    """``work`` with its time limited and our errors turned into answers."""

    async def answer() -> Answer:
        try:
            with trio.fail_after(ANSWER_TIMEOUT_S):
                return await work()
        except trio.TooSlowError:
            return outcome_unknown()
        except RaftLeaderError as error:
            return problem_answer(node, request, error)

    return answer


def method_problem(request: Request, *allowed: str) -> Response | None:
    """405 if the method is not among those allowed, else None."""
    if request.method in allowed:
        return None
    names = ", ".join(allowed)
    quoted = "', '".join(allowed)
    text = f"Expecting one of {{ '{quoted}' }}, but received '{request.method}'"
    return text_answer(405, text, ("Allow", names))
