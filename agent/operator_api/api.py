"""``/api/v1`` of the agent: reads a call, finds who answers it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import trio

from agent.checkpoint import RunBlocking
from agent.config import AgentConfig
from agent.file_access import READ_BYTES_MAX, list_folder, read_at
from agent.nested.containers import NestedContainers
from agent.operator_api.attaching import Attaching
from agent.operator_api.calls import (
    RECORD_BYTES_MAX,
    Call,
    CallRefusedError,
    Handler,
    Records,
    done,
    invalid,
    read_call,
    refusal,
)
from agent.operator_api.containers_page import container_rows, row_to_message
from agent.operator_api.facts import flags_of, version_document
from agent.operator_api.lifecycle import Lifecycle
from agent.operator_api.logging_level import LoggingLevel
from agent.operator_api.metrics import Metrics
from agent.operator_api.views import (
    executors_tree,
    frameworks_tree,
    state_tree,
    tasks_tree,
)
from agent.view import AgentView
from raftleader.errors import InvalidInputError
from raftleader.httpd.bodies import BodyStream
from raftleader.httpd.messages import Answer, Deferred, Request
from raftleader.httpd.negotiation import (
    RECORDIO,
    MediaOfCall,
    Unacceptable,
    media_of_call,
)
from raftleader.httpd.writing import text_response
from raftleader.protocol.json_v1_agents import agent_info_to_json
from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.recordio import RecordDecoder

FIRST_RECORD_S = 60.0
"""A client that streams says within this time what it wants."""
LEVEL_MAX = 2**32 - 1
OFFSET_MAX = 2**63 - 1
NOT_IMPLEMENTED = {
    "ADD_RESOURCE_PROVIDER_CONFIG": "resource providers",
    "UPDATE_RESOURCE_PROVIDER_CONFIG": "resource providers",
    "REMOVE_RESOURCE_PROVIDER_CONFIG": "resource providers",
    "MARK_RESOURCE_PROVIDER_GONE": "resource providers",
    "PRUNE_IMAGES": "container images",
}
"""Calls that are answered 501, and what is missing for them."""


def streams_body(headers: Mapping[str, str]) -> bool:
    """Which requests are handled while their body comes (``serve_http``)."""
    return headers.get("content-type", "").lower().startswith(RECORDIO)


@attrs.define(eq=False)
class OperatorApi:
    """Answers calls; ``handle`` is the handler. ``run`` has to run beside it."""

    config: AgentConfig
    view: AgentView
    nested: NestedContainers
    metrics: Metrics
    run_blocking: RunBlocking
    logging_level: LoggingLevel = attrs.field(factory=LoggingLevel)
    _handlers: dict[str, Handler] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        lifecycle = Lifecycle(self.view, self.nested)
        attaching = Attaching(self.nested, self.config.sandbox_root, self.run_blocking)
        self._handlers = {
            "GET_HEALTH": lambda call: call.answer({"healthy": True}),
            "GET_FLAGS": self._flags,
            "GET_VERSION": self._version,
            "GET_METRICS": self._metrics,
            "GET_LOGGING_LEVEL": self._level,
            "SET_LOGGING_LEVEL": self._set_level,
            "LIST_FILES": self._list_files,
            "READ_FILE": self._read_file,
            "GET_STATE": lambda call: call.answer(state_tree(self.view)),
            "GET_CONTAINERS": self._containers,
            "GET_FRAMEWORKS": lambda call: call.answer(frameworks_tree(self.view)),
            "GET_EXECUTORS": lambda call: call.answer(executors_tree(self.view)),
            "GET_OPERATIONS": lambda call: call.answer({}),
            "GET_TASKS": lambda call: call.answer(tasks_tree(self.view)),
            "GET_AGENT": self._agent,
            "GET_RESOURCE_PROVIDERS": lambda call: call.answer({}),
            "LAUNCH_NESTED_CONTAINER": lifecycle.launch,
            "LAUNCH_CONTAINER": lifecycle.launch,
            "WAIT_NESTED_CONTAINER": lifecycle.wait,
            "WAIT_CONTAINER": lifecycle.wait,
            "KILL_NESTED_CONTAINER": lifecycle.kill,
            "KILL_CONTAINER": lifecycle.kill,
            "REMOVE_NESTED_CONTAINER": lifecycle.remove,
            "REMOVE_CONTAINER": lifecycle.remove,
            "LAUNCH_NESTED_CONTAINER_SESSION": attaching.session,
            "ATTACH_CONTAINER_INPUT": attaching.attach_input,
            "ATTACH_CONTAINER_OUTPUT": attaching.attach_output,
        }

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Watch over nested containers until cancelled, then end them."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.nested.run)
            nursery.start_soon(self.logging_level.run)
            task_status.started()

    def handle(self, request: Request) -> Answer | Deferred:
        """Answer a request for ``/api/v1``."""
        if request.method != "POST":
            text = f"Expecting one of {{ 'POST' }}, but received '{request.method}'"
            answer = text_response(405, text)
            return attrs.evolve(answer, headers=(*answer.headers, ("Allow", "POST")))
        media = media_of_call(request.headers)
        if isinstance(media, Unacceptable):
            return text_response(media.status, media.text)
        if media.is_content_streamed:
            assert request.stream is not None, "the server was told to stream it"
            return self._streamed(request.stream, media)
        if request.stream is not None:  # e.g. ``application/recordio2``
            return text_response(415, f"Expecting 'Content-Type' of {RECORDIO}")
        try:
            return _guarded(
                self._dispatch(read_call(request.body, media.content, media))
            )
        except (CallRefusedError, InvalidInputError) as error:
            return refusal(error)

    def _streamed(self, body: BodyStream, media: MediaOfCall) -> Deferred:
        async def answer() -> Answer:
            records = Records(
                body=body,
                decoder=RecordDecoder(record_bytes_max=RECORD_BYTES_MAX),
                waiting=[],
            )
            try:
                first = await _first_record(records)
                call = attrs.evolve(
                    read_call(first, media.content, media), records=records
                )
                found = _guarded(self._dispatch(call))
            except (CallRefusedError, InvalidInputError) as error:
                return refusal(error)
            return await found() if callable(found) else found

        return answer

    def _dispatch(self, call: Call) -> Answer | Deferred:
        if call.type in NOT_IMPLEMENTED:
            missing = NOT_IMPLEMENTED[call.type]
            text = f"{call.type} is not implemented: there are no {missing} here"
            raise CallRefusedError(501, text)
        handler = self._handlers.get(call.type)
        if call.type == "UNKNOWN":
            raise CallRefusedError(501, "UNKNOWN is no call")
        if handler is None:
            raise invalid("Expecting 'type' to be present")
        problem = call.media.problem_with(call.type)
        if problem is not None:
            raise CallRefusedError(problem.status, problem.text)
        return handler(call)

    def _flags(self, call: Call) -> Answer:
        flags = flags_of(self.config)
        return call.answer(
            {"flags": [{"name": n, "value": v} for n, v in flags.items()]}
        )

    def _version(self, call: Call) -> Answer:
        info: JsonObject = version_document()
        del info["raftleader_version"]
        return call.answer({"version_info": info})

    def _metrics(self, call: Call) -> Answer:
        call.body()
        numbers = self.metrics.snapshot()
        metrics = [{"name": name, "value": value} for name, value in numbers.items()]
        return call.answer({"metrics": metrics})

    def _level(self, call: Call) -> Answer:
        return call.answer({"level": self.logging_level.level})

    def _set_level(self, call: Call) -> Answer:
        body = call.body()
        level = body.integer("level", least=0, most=LEVEL_MAX)
        if level is None:
            raise body.invalid("level", "is required")
        duration = body.required_child("duration")
        nanoseconds = duration.integer("nanoseconds", least=0)
        if nanoseconds is None:
            raise duration.invalid("nanoseconds", "is required")
        self.logging_level.set(level, nanoseconds / 1e9)
        return done()

    def _list_files(self, call: Call) -> Deferred:
        path = call.body().required_text("path")

        async def answer() -> Answer:
            root = self.config.sandbox_root
            entries = await self.run_blocking(list_folder, root, path)
            infos = [entry.to_message() for entry in entries]
            return call.answer({"file_infos": infos} if infos else {})

        return answer

    def _read_file(self, call: Call) -> Deferred:
        body = call.body()
        path = body.required_text("path")
        offset = body.integer("offset", least=0, most=OFFSET_MAX)
        length = body.integer("length", least=0, most=OFFSET_MAX)
        if offset is None:
            raise body.invalid("offset", "is required")
        count = min(READ_BYTES_MAX, math.inf if length is None else length)

        async def answer() -> Answer:
            root = self.config.sandbox_root
            size, data = await self.run_blocking(
                read_at, root, path, offset, int(count)
            )
            return call.answer({"size": size, "data": data})

        return answer

    def _agent(self, call: Call) -> Answer:
        view = self.view
        form = ReservationForm.BOTH
        info = agent_info_to_json(view.agent_id, view.info, form=form)
        return call.answer({"agent_info": info})

    def _containers(self, call: Call) -> Deferred:
        body = call.fields.child("get_containers")
        shows_nested = bool(body and body.flag("show_nested"))
        shows_standalone = bool(body and body.flag("show_standalone"))

        async def answer() -> Answer:
            rows = await container_rows(
                self.view,
                self.nested,
                self.run_blocking,
                shows_nested=shows_nested,
                shows_standalone=shows_standalone,
            )
            ip = self.view.info.ip
            messages = [row_to_message(row, ip) for row in rows]
            return call.answer({"containers": messages} if messages else {})

        return answer


async def _first_record(records: Records) -> bytes:
    """The record that says what the stream is for."""
    with trio.move_on_after(FIRST_RECORD_S):
        try:
            async for data in records.body:
                found = records.decoder.feed(data)
                if found:
                    records.waiting.extend(found[1:])
                    return found[0]
        except trio.BrokenResourceError:
            pass
        raise CallRefusedError(400, "Received EOF while reading request body")
    raise CallRefusedError(408, "the first record came too slowly")


def _guarded(answer: Answer | Deferred) -> Answer | Deferred:
    """Turns what carrying out a call may raise into an answer."""
    if not callable(answer):
        return answer

    async def guarded() -> Answer:
        try:
            return await answer()
        except (CallRefusedError, InvalidInputError) as error:
            return refusal(error)
        except FileNotFoundError:
            return text_response(404, "there is no such file")
        except OSError as error:
            return text_response(403, f"cannot read the file: {error.strerror}")

    return guarded
