"""``POST /api/v1``: Mesos' operator API. The checks run in Mesos' order."""

from __future__ import annotations

from raftleader.api.answers import (
    method_problem,
    not_leading,
    problem_answer,
    text_answer,
)
from raftleader.api.call_problems import call_problem
from raftleader.api.operator.calls import OperatorCalls
from raftleader.errors import InvalidInputError, RaftLeaderError
from raftleader.httpd.messages import Answer, Deferred, Request
from raftleader.httpd.negotiation import accepted_media, content_media
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.json_v1_fields import Fields
from raftleader.protocol.wire.codec import read_message
from raftleader.protocol.wire.media import Media
from raftleader.protocol.wire.schema import labels_of

CALL = "master.Call"
WITHOUT_BODY = frozenset(
    {
        "UNKNOWN",
        "GET_HEALTH",
        "GET_FLAGS",
        "GET_VERSION",
        "GET_LOGGING_LEVEL",
        "GET_STATE",
        "GET_AGENTS",
        "GET_FRAMEWORKS",
        "GET_EXECUTORS",
        "GET_OPERATIONS",
        "GET_TASKS",
        "GET_ROLES",
        "GET_WEIGHTS",
        "GET_MASTER",
        "SUBSCRIBE",
        "GET_MAINTENANCE_STATUS",
        "GET_MAINTENANCE_SCHEDULE",
        "GET_QUOTA",
    }
)
"""Calls that are their type and nothing else. Any other has a field of its own."""

_EITHER = f"{Media.JSON.value} or {Media.PROTOBUF.value}"
_API = "master"
_INVALID = f"Failed to validate {_API}::Call: "


class OperatorEndpoint:
    """Answers operator calls on behalf of ``node``. Never raises for bad input."""

    def __init__(self, node: LeaderNode, calls: OperatorCalls) -> None:
        self._node = node
        self._calls = calls

    def __call__(self, request: Request) -> Answer | Deferred:
        """Check and decode; what takes time is deferred."""
        try:
            return self._answer(request)
        except RaftLeaderError as error:
            return problem_answer(self._node, request, error)

    def _answer(self, request: Request) -> Answer | Deferred:
        if not self._node.leadership.leading:
            return not_leading(self._node, request)
        problem = method_problem(request, "POST")
        if problem is not None:
            return problem
        content_type = request.headers.get("content-type")
        if not content_type:
            return text_answer(400, "Expecting 'Content-Type' to be present")
        content = content_media(content_type)
        if content is None:
            return text_answer(415, f"Expecting 'Content-Type' of {_EITHER}")
        try:
            call = read_message(content, CALL, request.body)
            return self._answer_call(call, request)
        except InvalidInputError as error:
            return text_answer(400, call_problem(error, content, api=_API))

    def _answer_call(self, call: Fields, request: Request) -> Answer | Deferred:
        kind = call.text("type")
        if kind is None or kind not in labels_of("master.Call.Type"):
            return text_answer(400, f"{_INVALID}Expecting 'type' to be present")
        if kind not in WITHOUT_BODY and call.child(kind.lower()) is None:
            text = f"{_INVALID}Expecting '{kind.lower()}' to be present"
            return text_answer(400, text)
        media = accepted_media(request.headers.get("accept"))
        if media is None:
            return text_answer(406, f"Expecting 'Accept' to allow {_EITHER}")
        return self._calls.answer(kind, call, media, request)
