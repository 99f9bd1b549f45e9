"""``POST /api/v1/scheduler``: Mesos' scheduler API.

The checks run in Mesos' order, since clients depend on which status wins. What
can be decided at once is; a command is submitted at once too, so that pipelined
calls keep their order and share a log entry; only its outcome is waited for.
"""

from __future__ import annotations

import uuid

from raftleader.api.answers import (
    guarded,
    method_problem,
    not_leading,
    problem_answer,
    text_answer,
)
from raftleader.api.commands import LoggedCall, command_of, subscription_of
from raftleader.api.event_stream import error_stream, event_stream
from raftleader.api.media_types import accepts_json, is_json
from raftleader.errors import NotLeaderError, RaftLeaderError
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.scheduler_api import (
    Kill,
    Reconcile,
    ReconcileTask,
    Subscribe,
    UnknownCall,
)
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Subscription

STREAM_ID_HEADER = "mesos-stream-id"

_ACCEPTED = Response(status=202)
_UNKNOWN_FRAMEWORK = "Framework cannot be found"
_NOT_SUBSCRIBED = "Framework is not subscribed"
"""There are frameworks that compare this text: it must stay as it is."""

# The call was well formed and void: Mesos answers 202 and ignores it.
_IGNORED = frozenset(
    {
        Refusal.UNKNOWN_TASK,
        Refusal.UNKNOWN_AGENT,
        Refusal.WRONG_AGENT,
        Refusal.INVALID_OFFERS,
    }
)


class SchedulerEndpoint:
    """Answers scheduler calls on behalf of ``node``. Never raises for bad input."""

    def __init__(self, node: LeaderNode) -> None:
        self._node = node

    def __call__(self, request: Request) -> Answer | Deferred:
        """Check, decode and submit; the deferred part waits for the log."""
        try:
            return self._answer(request)
        except RaftLeaderError as error:
            return problem_answer(self._node, request, error)

    def _answer(self, request: Request) -> Answer | Deferred:
        if not self._node.leadership.leading:
            return not_leading(self._node, request)
        problem = method_problem(request, "POST") or _content_type_problem(request)
        if problem is not None:
            return problem
        call = decode_call(request.body)
        if isinstance(call, UnknownCall):
            return text_answer(501, f"{call.type} is not served by this version\n")
        if isinstance(call, Subscribe):
            return self._subscribe(call, request)
        problem = self._stream_problem(call.framework_id, request)
        if problem is not None:
            return problem
        if isinstance(call, Reconcile):
            return self._reconcile(call, request)
        return self._submit(call, request)

    def _stream_problem(
        self, framework_id: FrameworkId, request: Request
    ) -> Response | None:
        """Why this framework may not call on this stream, or None."""
        if framework_id not in self._node.state.frameworks:
            return text_answer(400, _UNKNOWN_FRAMEWORK)
        stream = self._node.stream_of(framework_id)
        if stream is None:
            return text_answer(403, _NOT_SUBSCRIBED)
        sent = request.headers.get(STREAM_ID_HEADER)
        if sent is None:
            text = "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
            return text_answer(400, text)
        if sent != stream.stream_id:
            return text_answer(
                400,
                f"The stream ID '{sent}' included in this request didn't match the "
                f"stream ID currently associated with framework ID {framework_id}",
            )
        return None

    def _subscribe(self, call: Subscribe, request: Request) -> Answer | Deferred:
        if STREAM_ID_HEADER in request.headers:
            text = "Subscribe calls should not include the 'Mesos-Stream-Id' header"
            return text_answer(400, text)
        if not accepts_json(request.headers.get("accept")):
            return text_answer(406, "Expecting 'Accept' to allow application/json")
        ticket = self._node.submit(subscription_of(call))

        async def open_stream() -> Answer:
            outcome = await ticket.wait()
            if isinstance(outcome, Accepted):
                value = outcome.value
                assert isinstance(value, Subscription)
                stream = self._node.open_stream(value.framework_id, value.subscription)
                return event_stream(stream, call.framework_info.capabilities)
            if outcome.refusal is Refusal.STALE_TERM:
                raise NotLeaderError(None)
            message = outcome.message or outcome.refusal.value
            return error_stream(message, stream_id=str(uuid.uuid4()))

        return guarded(self._node, request, open_stream)

    def _submit(self, call: LoggedCall, request: Request) -> Deferred:
        ticket = self._node.submit(command_of(call))

        async def wait() -> Answer:
            outcome = await ticket.wait()
            if isinstance(outcome, Accepted):
                return _ACCEPTED
            if isinstance(call, Kill) and outcome.refusal is Refusal.UNKNOWN_TASK:
                # The framework waits for news of this task: tell it what we know.
                task = ReconcileTask(task_id=call.task_id, agent_id=call.agent_id)
                await self._node.reconcile(call.framework_id, (task,))
            return _refused(outcome)

        return guarded(self._node, request, wait)

    def _reconcile(self, call: Reconcile, request: Request) -> Deferred:
        async def reconcile() -> Answer:
            await self._node.reconcile(call.framework_id, call.tasks)
            return _ACCEPTED

        return guarded(self._node, request, reconcile)


def _content_type_problem(request: Request) -> Response | None:
    content_type = request.headers.get("content-type")
    if not content_type:
        return text_answer(400, "Expecting 'Content-Type' to be present")
    if not is_json(content_type):
        return text_answer(415, "Expecting 'Content-Type' of application/json")
    return None


def _refused(outcome: Outcome) -> Response:
    """The answer for a command the log rejected."""
    assert not isinstance(outcome, Accepted)
    refusal = outcome.refusal
    if refusal in _IGNORED:
        return _ACCEPTED
    if refusal is Refusal.STALE_TERM:
        raise NotLeaderError(None)
    if refusal in (Refusal.UNKNOWN_FRAMEWORK, Refusal.FRAMEWORK_REMOVED):
        return text_answer(400, _UNKNOWN_FRAMEWORK)
    if refusal is Refusal.FRAMEWORK_NOT_SUBSCRIBED:
        return text_answer(403, _NOT_SUBSCRIBED)
    return text_answer(400, outcome.message or refusal.value)
