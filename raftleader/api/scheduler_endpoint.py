"""``POST /api/v1/scheduler``: Mesos' scheduler API.

The checks run in Mesos' order, since clients depend on which status wins. What
can be decided at once is; a command is submitted at once too, so that pipelined
calls keep their order and share a log entry; only its outcome is waited for.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from functools import partial

from raftleader.api.answers import (
    guarded,
    method_problem,
    not_leading,
    problem_answer,
    text_answer,
)
from raftleader.api.call_problems import call_problem
from raftleader.api.commands import LoggedCall, command_of, subscription_of
from raftleader.api.event_stream import error_stream, event_stream
from raftleader.errors import InvalidInputError, NotLeaderError, RaftLeaderError
from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Promise,
    Reply,
    Request,
    Response,
)
from raftleader.httpd.negotiation import accepted_media, content_media
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.scheduler_api import (
    Acknowledge,
    AcknowledgeOperation,
    Call,
    Kill,
    Reconcile,
    ReconcileOperations,
    ReconcileTask,
    RequestResources,
    SendMessage,
    Subscribe,
    UnknownCall,
    UpdateFramework,
)
from raftleader.protocol.wire.media import Media
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Subscription

SubscribedCall = (
    LoggedCall | Reconcile | ReconcileOperations | SendMessage | RequestResources
)
"""All calls but SUBSCRIBE."""

STREAM_ID_HEADER = "mesos-stream-id"

_ACCEPTED = Response(status=202)
_UPDATED = Response(status=200)
_EITHER = f"{Media.JSON.value} or {Media.PROTOBUF.value}"
_NOT_ACCEPTABLE = (
    f"Expecting 'Accept' to allow '{Media.PROTOBUF.value}' or '{Media.JSON.value}'"
)
_NO_FRAMEWORK_ID = (
    "Failed to validate scheduler::Call: Expecting 'framework_id' to be present"
)
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

    def __call__(self, request: Request) -> Reply:
        """Check, decode and submit; the deferred part waits for the log."""
        try:
            return self._answer(request)
        except RaftLeaderError as error:
            return problem_answer(self._node, request, error)

    def _answer(self, request: Request) -> Reply:
        if not self._node.leadership.leading:
            return not_leading(self._node, request)
        problem = method_problem(request, "POST")
        if problem is not None:
            return problem
        media = _content_media(request)
        if isinstance(media, Response):
            return media
        try:
            call = decode_call(request.body, media)
            self._require_agent(call)
        except InvalidInputError as error:
            self._node.figures.on_invalid_call(error.path)
            return text_answer(400, call_problem(error, media))
        # Of all others the answer has no body, so any Accept will do.
        if isinstance(call, Subscribe | ReconcileOperations):
            accepted = accepted_media(request.headers.get("accept"))
            if accepted is None:
                return text_answer(406, _NOT_ACCEPTABLE)
            if isinstance(call, Subscribe):
                return self._subscribe(call, request, accepted)
        framework_id = call.framework_id
        problem = self._stream_problem(framework_id, request)
        if problem is not None:
            return problem
        assert framework_id is not None
        self._count(framework_id, call)
        return self._call(call, request)

    def _require_agent(self, call: Call) -> None:
        """Mesos wants the agent's id of whoever acknowledges an operation. One whose
        offers were not valid has no agent, and its status names none.

        Raises InvalidInputError."""
        if not isinstance(call, AcknowledgeOperation) or call.agent_id is not None:
            return
        row = self._node.state.operations.get((call.framework_id, call.operation_id))
        if row is None or row.agent_id is not None:
            raise InvalidInputError(
                "acknowledge_operation_status.agent_id", "is required"
            )

    def _count(
        self, framework_id: FrameworkId, call: SubscribedCall | UnknownCall
    ) -> None:
        figures = self._node.figures
        figures.on_call(framework_id, call)
        if isinstance(call, Acknowledge):
            figures.acknowledged[call.agent_id in self._node.state.agents] += 1
        elif isinstance(call, AcknowledgeOperation):
            key = (framework_id, call.operation_id)
            is_known = key in self._node.state.operations
            figures.operations_acknowledged[is_known] += 1

    def _call(self, call: SubscribedCall | UnknownCall, request: Request) -> Reply:
        """A call of a framework on its own stream."""
        match call:
            case Reconcile():
                return self._waiting(
                    request,
                    partial(self._node.reconcile, call.framework_id, call.tasks),
                )
            case ReconcileOperations():
                reconcile = self._node.reconcile_operations
                return self._waiting(
                    request, partial(reconcile, call.framework_id, call.operations)
                )
            case SendMessage():
                self._node.send_to_executor(
                    call.framework_id, call.agent_id, call.executor_id, call.data
                )
                return _ACCEPTED
            case RequestResources():
                return _ACCEPTED
            case UnknownCall():
                text = f"{call.type} is not served by this version\n"
                return text_answer(501, text)
            case Kill():
                return self._kill(call, request)
            case _:
                return self._submit(call, request)

    def _stream_problem(
        self, framework_id: FrameworkId | None, request: Request
    ) -> Response | None:
        """Why this framework may not call on this stream, or None."""
        if framework_id is None:
            return text_answer(400, _NO_FRAMEWORK_ID)
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

    def _subscribe(
        self, call: Subscribe, request: Request, media: Media
    ) -> Answer | Deferred:
        if STREAM_ID_HEADER in request.headers:
            text = "Subscribe calls should not include the 'Mesos-Stream-Id' header"
            return text_answer(400, text)
        if call.problem is not None:
            return _error_stream(call.problem, media)
        ticket = self._node.submit(subscription_of(call))

        async def open_stream() -> Answer:
            outcome = await ticket.wait()
            if isinstance(outcome, Accepted):
                value = outcome.value
                assert isinstance(value, Subscription)
                if value.framework_id in self._node.state.frameworks:
                    self._node.figures.on_call(value.framework_id, call)
                stream = self._node.open_stream(value.framework_id, value.subscription)
                capabilities = partial(
                    self._capabilities, value.framework_id, call.framework_info
                )
                return event_stream(stream, capabilities, media)
            if outcome.refusal is Refusal.STALE_TERM:
                raise NotLeaderError(None)
            return _error_stream(outcome.message or outcome.refusal.value, media)

        return guarded(self._node, request, open_stream)

    def _capabilities(
        self, framework_id: FrameworkId, subscribed_as: FrameworkInfo
    ) -> tuple[str, ...]:
        framework = self._node.state.frameworks.get(framework_id)
        info = subscribed_as if framework is None else framework.info
        return info.capabilities

    def _submit(self, call: LoggedCall, request: Request) -> Response | Promise:
        """Within PROPOSE_TIMEOUT_S the log says how it ended."""
        if isinstance(call, UpdateFramework) and call.problem is not None:
            text = f"Supplied FrameworkInfo is not valid: {call.problem}"
            return text_answer(400, text)
        promise = Promise()

        def told(result: Outcome | RaftLeaderError) -> None:
            promise.keep(partial(self._answer_for, call, request, result))

        self._node.submit(command_of(call), told)
        return promise

    def _answer_for(
        self, call: LoggedCall, request: Request, result: Outcome | RaftLeaderError
    ) -> Response:
        try:
            if isinstance(result, RaftLeaderError):
                return problem_answer(self._node, request, result)
            if isinstance(result, Accepted):
                return _UPDATED if isinstance(call, UpdateFramework) else _ACCEPTED
            return _refused(result)
        except NotLeaderError as error:
            return problem_answer(self._node, request, error)

    def _kill(self, call: Kill, request: Request) -> Deferred:
        ticket = self._node.submit(command_of(call))

        async def wait() -> Answer:
            outcome = await ticket.wait()
            if isinstance(outcome, Accepted):
                return _ACCEPTED
            if outcome.refusal is Refusal.UNKNOWN_TASK:
                # The framework waits for news of this task: tell it what we know.
                task = ReconcileTask(task_id=call.task_id, agent_id=call.agent_id)
                await self._node.reconcile(call.framework_id, (task,))
            return _refused(outcome)

        return guarded(self._node, request, wait)

    def _waiting(
        self, request: Request, work: Callable[[], Awaitable[None]]
    ) -> Deferred:
        async def wait() -> Answer:
            await work()
            return _ACCEPTED

        return guarded(self._node, request, wait)


def _content_media(request: Request) -> Media | Response:
    """The encoding of the call, or why there is none that we read."""
    content_type = request.headers.get("content-type")
    if not content_type:
        return text_answer(400, "Expecting 'Content-Type' to be present")
    media = content_media(content_type)
    return media or text_answer(415, f"Expecting 'Content-Type' of {_EITHER}")


def _error_stream(message: str, media: Media) -> Answer:
    """A subscription that failed: one ERROR, and the end."""
    return error_stream(message, stream_id=str(uuid.uuid4()), media=media)


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
