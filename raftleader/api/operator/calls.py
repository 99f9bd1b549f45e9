"""The calls of the operator API, each answered. Also what v0 pages are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from raftleader.api.answers import guarded, text_answer
from raftleader.api.documents import document_answer
from raftleader.api.mesos_facts import NodeFacts
from raftleader.api.operator.followers import Followers
from raftleader.api.operator.log_files import (
    FileRow,
    LogFiles,
    NoSuchFileError,
    NotAFileError,
)
from raftleader.api.operator.logging_level import LoggingLevel
from raftleader.api.operator.metric_names import Metrics
from raftleader.api.operator.metrics import fill_metrics
from raftleader.api.operator.reads import (
    RESPONSE,
    SMALL_READS,
    TABLE_READS,
    read_pieces,
)
from raftleader.api.operator.weights import read_weights
from raftleader.api.operator.writes import WRITES
from raftleader.api.rendering import Pieces, Rows, message_pieces
from raftleader.errors import NotLeaderError
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.json_v1_agents import leader_info_to_json
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_labels import read_nanoseconds
from raftleader.protocol.scheduler_api import LeaderInfo
from raftleader.protocol.served import MESOS_VERSION
from raftleader.protocol.wire.codec import write_message
from raftleader.protocol.wire.media import Media
from raftleader.state.commands import SetWeights
from raftleader.state.outcomes import Accepted, Outcome, Refusal

READS = TABLE_READS | SMALL_READS | {"GET_ROLES"}
_OK = Response(status=200)
_LEVEL_MAX = 2**32 - 1


class OperatorCalls:
    """Answers calls on behalf of ``node``, which leads."""

    def __init__(self, node: LeaderNode, facts: NodeFacts) -> None:
        self._node = node
        self._facts = facts
        self.followers = Followers(node)
        self.files = LogFiles(facts.log_file)
        self.logging = LoggingLevel()
        self._others: dict[str, Callable[[Fields], JsonObject]] = {
            "GET_HEALTH": lambda call: {"healthy": True},
            "GET_FLAGS": self._flags,
            "GET_VERSION": lambda call: {"version_info": _version_info()},
            "GET_LOGGING_LEVEL": lambda call: {"level": self.logging.level},
            "GET_MASTER": self._leader,
        }

    def answer(
        self, kind: str, call: Fields, media: Media, request: Request
    ) -> Answer | Deferred:
        """The answer to a call of this type, whose body is there.

        Commands are submitted at once, in the order of the calls. Raises
        InvalidInputError, NotLeaderError and OverloadedError.
        """
        if kind in WRITES:
            return self.write(kind, call.required_child(kind.lower()), request)
        if kind in READS:
            return self._guarded(request, lambda: self._read(kind, media))
        if kind in self._others:
            return _message(media, kind, self._others[kind](call))
        match kind:
            case "SUBSCRIBE":
                return self._guarded(request, lambda: self._subscribe(media))
            case "UPDATE_WEIGHTS":
                body = call.required_child("update_weights")
                return self.update_weights(body, "weight_infos", request)
            case "GET_METRICS":
                return self._guarded(request, lambda: self._metrics(media))
            case "SET_LOGGING_LEVEL":
                return self._set_logging_level(call.required_child(kind.lower()))
            case "LIST_FILES":
                return self._list_files(call.required_child("list_files"), media)
            case "READ_FILE":
                return self._read_file(call.required_child("read_file"), media)
            case _:
                return text_answer(501, f"{kind} is not served by this version\n")

    def write(self, kind: str, body: Fields, request: Request) -> Answer | Deferred:
        """A call of ``WRITES``. Raises as ``answer`` does."""
        write = WRITES[kind]
        problem = _quota_problem(kind, body, self._node)
        if problem is not None:
            return text_answer(400, problem)
        ticket = self._node.submit(write.command(body))

        async def wait() -> Answer:
            outcome = await ticket.wait()
            if isinstance(outcome, Accepted):
                return Response(status=write.status)
            _raise_if_deposed(outcome)
            return text_answer(*write.refused(outcome))

        return self._guarded(request, wait)

    def update_weights(
        self, body: Fields, name: str, request: Request
    ) -> Answer | Deferred:
        """UPDATE_WEIGHTS: the weights are in this repeated field."""
        weights = read_weights(body, name)
        if isinstance(weights, str):
            return text_answer(400, weights)

        async def update() -> Answer:
            command = SetWeights(weights=weights, is_update=True)
            outcome = await self._node.submit(command).wait()
            if isinstance(outcome, Accepted):
                return _OK
            _raise_if_deposed(outcome)
            return text_answer(400, outcome.message or outcome.refusal.value)

        return self._guarded(request, update)

    def fill_metrics(self, metrics: Metrics) -> Pieces:
        """All figures of this node."""
        metrics["master/operator_event_stream_subscribers"] = self.followers.count
        metrics["raftleader/operator_streams_cut_slow"] = self.followers.cut_slow
        metrics["raftleader/operator_streams_cut_oldest"] = self.followers.cut_oldest
        return fill_metrics(metrics, self._node)

    def _guarded(
        self, request: Request, work: Callable[[], Awaitable[Answer]]
    ) -> Deferred:
        return guarded(self._node, request, work)

    async def _read(self, kind: str, media: Media) -> Answer:
        await self._node.barrier()
        pieces = read_pieces(media, kind, self._node.state)
        return await document_answer(pieces, (("Content-Type", media.value),))

    async def _subscribe(self, media: Media) -> Answer:
        await self._node.barrier()
        return self.followers.stream(media)

    async def _metrics(self, media: Media) -> Answer:
        metrics: Metrics = {}
        for _ in self.fill_metrics(metrics):
            await trio.lowlevel.checkpoint()
        rows = Rows(
            sorted(metrics.items()),
            lambda item: {"name": item[0], "value": float(item[1])},
        )
        tree = {"type": "GET_METRICS", "get_metrics": {"metrics": rows}}
        pieces = message_pieces(media, RESPONSE, tree)
        return await document_answer(pieces, (("Content-Type", media.value),))

    def _flags(self, call: Fields) -> JsonObject:
        flags = sorted(self._facts.flags.items())
        return {"flags": [{"name": name, "value": value} for name, value in flags]}

    def _leader(self, call: Fields) -> JsonObject:
        node = self._node
        host, _, port = node.http_address.rpartition(":")
        info = LeaderInfo(
            id=node.node_id,
            hostname=host,
            ip=host,
            port=int(port),
            version=MESOS_VERSION,
            domain=self._facts.domain,
        )
        message: JsonObject = {
            "master_info": leader_info_to_json(info),
            "start_time": node.started_ms / 1000,
        }
        if node.elected_ms is not None:
            message["elected_time"] = node.elected_ms / 1000
        return message

    def _set_logging_level(self, body: Fields) -> Answer:
        level = body.integer("level", least=0, most=_LEVEL_MAX)
        if level is None:
            raise body.invalid("level", "is required")
        duration_ns = read_nanoseconds(body, "duration")
        if duration_ns is None:
            raise body.invalid("duration", "is required")
        self.logging.set(level, max(0, duration_ns) / 10**9)
        return _OK

    def _list_files(self, body: Fields, media: Media) -> Deferred:
        path = body.required_text("path")

        async def browse() -> Answer:
            try:
                rows = await self.files.browse(path)
            except NoSuchFileError:
                return text_answer(404, "")
            return _message(media, "LIST_FILES", {"file_infos": [*map(_file, rows)]})

        return browse

    def _read_file(self, body: Fields, media: Media) -> Deferred:
        path = body.required_text("path")
        offset = body.integer("offset", least=0)
        if offset is None:
            raise body.invalid("offset", "is required")
        length = body.integer("length", least=0)

        async def read() -> Answer:
            try:
                size, data = await self.files.read(path, offset, length)
            except NoSuchFileError:
                return text_answer(404, "")
            except NotAFileError as error:
                return text_answer(400, str(error))
            return _message(media, "READ_FILE", {"size": size, "data": data})

        return read


def _message(media: Media, kind: str, body: JsonObject) -> Response:
    tree = {"type": kind, kind.lower(): body}
    return Response(
        status=200,
        headers=(("Content-Type", media.value),),
        body=write_message(media, RESPONSE, tree),
    )


def _version_info() -> JsonObject:
    return {
        "version": MESOS_VERSION,
        "build_date": "",
        "build_time": 0.0,
        "build_user": "",
    }


def _file(row: FileRow) -> JsonObject:
    return {
        "path": row.path,
        "nlink": row.nlink,
        "size": row.size,
        "mtime": {"nanoseconds": row.mtime_ns},
        "mode": row.mode,
        "uid": row.uid,
        "gid": row.gid,
    }


def _quota_problem(kind: str, body: Fields, node: LeaderNode) -> str | None:
    """The older quota calls first look whether there is one."""
    quotas = node.state.quotas
    if kind == "SET_QUOTA":
        role = body.required_child("quota_request").text("role") or ""
        if role in quotas:
            return (
                "Failed to validate set quota request: Cannot set quota for role "
                f"'{role}' which already has quota"
            )
    if kind == "REMOVE_QUOTA":
        role = body.required_text("role")
        if role not in quotas:
            return f"Failed to remove quota: Role '{role}' has no quota set"
    return None


def _raise_if_deposed(outcome: Outcome) -> None:
    if not isinstance(outcome, Accepted) and outcome.refusal is Refusal.STALE_TERM:
        raise NotLeaderError(None)
