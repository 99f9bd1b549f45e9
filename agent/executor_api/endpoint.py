"""``POST /api/v1/executor``: the order of the checks, statuses and texts are Mesos'."""

from __future__ import annotations

import attrs

from agent.executor_api.streams import ExecutorStreams
from agent.inbox import Inbox
from agent.machine import Machine
from agent.machine.events import ExecutorCalled
from agent.machine.held import Executor, ExecutorState
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.httpd.negotiation import accepted_media, content_media
from raftleader.protocol.executor_api import Beat, Call, SendMessage, Subscribe, Update
from raftleader.protocol.executor_v1 import decode_call
from raftleader.protocol.tasks import Source, TaskState
from raftleader.protocol.wire.media import Media

PATHS = frozenset({"/api/v1/executor", "/slave(1)/api/v1/executor"})
CALL_BYTES_MAX = 1024 * 1024
"""Largest UPDATE or MESSAGE: it goes on to the leaders, and updates into their log."""
_PARTS = frozenset(
    {"type", "executor_id", "framework_id", "subscribe", "update", "message"}
)
_WHOLE = "body"
"""The path of what is wrong with a body as a whole."""
_EITHER = f"{Media.JSON.value} or {Media.PROTOBUF.value}"


def is_executor_path(path: str) -> bool:
    """Whether this endpoint answers there; a slash at the end does not matter."""
    return path.rstrip("/") in PATHS


@attrs.define(eq=False)
class ExecutorEndpoint:
    """Answers executors; :meth:`handle` is the handler to serve."""

    machine: Machine
    inbox: Inbox
    streams: ExecutorStreams

    def handle(self, request: Request) -> Answer | Deferred:
        if request.method != "POST":
            text = f"Expecting one of {{ 'POST' }}, but received '{request.method}'"
            return _problem(405, text, (("Allow", "POST"),))
        header = request.headers.get("content-type")
        if not header:
            return _problem(400, "Expecting 'Content-Type' to be present")
        media = content_media(header)
        if media is None:
            return _problem(415, f"Expecting 'Content-Type' of {_EITHER}")
        try:
            call = decode_call(request.body, media)
        except InvalidInputError as error:
            return _problem(400, _words_for(error, media))
        problem = _problem_of(call)
        if problem is not None:
            return _problem(400, f"Failed to validate Executor::Call: {problem}")
        accepted = Media.JSON
        if isinstance(call, Subscribe):
            found = accepted_media(request.headers.get("accept"))
            if found is None:
                text = f"Expecting 'Accept' to allow '{Media.PROTOBUF.value}' or"
                return _problem(406, f"{text} '{Media.JSON.value}'")
            accepted = found
        elif isinstance(call, Beat):
            return Response(status=202)
        elif len(request.body) > CALL_BYTES_MAX:
            return _problem(413, f"the call is longer than {CALL_BYTES_MAX} bytes")
        return self._answer(call, accepted)

    def _answer(
        self, call: Subscribe | Update | SendMessage, media: Media
    ) -> Answer | Deferred:
        row = self._row_of(call)
        if isinstance(row, Response):
            return row
        if isinstance(call, Subscribe):
            return self.streams.open(row.run, call, media)
        if row.state is ExecutorState.REGISTERING:
            return _problem(403, "Executor is not subscribed")
        event = ExecutorCalled(row.run, call)

        async def answer() -> Answer:
            await self.inbox.post(event)
            return Response(status=202)

        return answer

    def _row_of(self, call: Call) -> Executor | Response:
        rows = self.machine.executors.rows
        row = rows.get((call.framework_id, call.executor_id))
        if row is not None and row.info is not None and not row.is_default:
            return row
        held = self.machine.tasks.held
        if any(key[0] == call.framework_id for key in (*rows, *held)):
            return _problem(400, "Executor cannot be found")
        return _problem(400, "Framework cannot be found")


def _words_for(error: InvalidInputError, media: Media) -> str:
    is_json = media is Media.JSON
    if error.path == _WHOLE:
        what = "JSON" if is_json else "Call protobuf"
        return f"Failed to parse body into {what}: {error.problem}"
    if error.problem == "is required":
        if error.path in _PARTS:
            problem = f"Expecting '{error.path}' to be present"
            return f"Failed to validate Executor::Call: {problem}"
        how = "convert JSON" if is_json else "parse body"
        missing = f"Missing required fields: {error.path}"
        return f"Failed to {how} into Call protobuf: {missing}"
    if error.path in ("type", "update.status.uuid", "update.status.source"):
        return f"Failed to validate Executor::Call: {error}"
    return f"Failed to convert JSON into Call protobuf: {error}"


def _problem_of(call: Call) -> str | None:
    if isinstance(call, Subscribe):
        if any(status.uuid is None for status in call.unacknowledged_updates):
            return "Expecting 'uuid' to be present"
        return None
    if not isinstance(call, Update):
        return None
    status = call.status
    if status.uuid is None:
        return "Expecting 'uuid' to be present"
    if status.executor_id is not None and status.executor_id != call.executor_id:
        return (
            f"ExecutorID in Call: {call.executor_id} does not match ExecutorID in"
            f" TaskStatus: {status.executor_id}"
        )
    whom = f"executor {call.executor_id} of framework {call.framework_id}"
    if status.source is not Source.EXECUTOR:
        text = f"Received Call from {whom} with invalid source, expecting"
        return f"{text} 'SOURCE_EXECUTOR'"
    if status.state is TaskState.STAGING:
        return f"Received TASK_STAGING from {whom} which is not allowed"
    return None


def _problem(
    status: int, text: str, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    plain = ("Content-Type", "text/plain; charset=utf-8")
    return Response(status=status, headers=(plain, *headers), body=text.encode())
