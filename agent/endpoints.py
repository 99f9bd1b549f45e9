"""The agent's HTTP port but for executors: the pages of Mesos' agent, and the
operator API.

Pages are found with and without ``/slave(1)`` before them, ``.json`` and a slash
after them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import trio

from agent.checkpoint import RunBlocking
from agent.config import AgentConfig
from agent.file_access import (
    CONTAINERS,
    READ_BYTES_MAX,
    list_folder,
    open_file,
    read_at,
)
from agent.nested.containers import NestedContainers
from agent.operator_api.api import OperatorApi
from agent.operator_api.containers_page import (
    Row,
    container_rows,
    row_to_statistics,
    row_to_v0,
)
from agent.operator_api.facts import flags_of, version_document
from agent.operator_api.metrics import Metrics
from agent.operator_api.v0_state import state_document
from agent.view import AgentView, ContainerView
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Request,
    Response,
    Stream,
    StreamWriter,
)
from raftleader.httpd.writing import text_response
from raftleader.protocol.json_v1_fields import JsonObject

READ_BYTES_DEFAULT = 64 * 1024
DOWNLOAD_CHUNK_BYTES = 256 * 1024
PREFIX = "/slave(1)"
API_PATH = "/api/v1"

_JSON = (("Content-Type", "application/json"),)
_CALLBACK = re.compile(r"[A-Za-z_$][\w$.]{0,127}\Z")


def _nothing() -> JsonObject:
    return {}


@attrs.define(eq=False, kw_only=True)
class Endpoints:
    """Answers requests; :meth:`handle` is the handler to serve. ``run`` has to run
    as long as it is served.

    Attributes:
        own_facts: What is only ours, for ``raftleader`` in ``/state``.
        is_registered: Whether a leader knows the agent just now.
        streams_cut: How many executors' streams were cut since they were not read.
    """

    config: AgentConfig
    view: AgentView
    run_blocking: RunBlocking
    own_facts: Callable[[], JsonObject] = _nothing
    is_registered: Callable[[], bool] = lambda: True
    streams_cut: Callable[[], int] = lambda: 0
    nested: NestedContainers = attrs.field(init=False)
    metrics: Metrics = attrs.field(init=False)
    api: OperatorApi = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        work_dir = self.config.work_dir
        self.nested = NestedContainers(
            self.view, work_dir / CONTAINERS, str(work_dir.absolute())
        )
        self.metrics = Metrics(
            self.view, self.nested, self.is_registered, self.streams_cut
        )
        self.api = OperatorApi(
            self.config, self.view, self.nested, self.metrics, self.run_blocking
        )

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Watch over what operators started, until cancelled; then end it."""
        await self.api.run(task_status=task_status)

    def handle(self, request: Request) -> Answer | Deferred:
        path = request.path.removeprefix(PREFIX)
        if len(path) > 1:
            path = path.rstrip("/")
        if path == API_PATH or path.startswith(f"{API_PATH}/"):
            return self.api.handle(request)
        route = _ROUTES.get(path.removesuffix(".json"))
        if route is None:
            return text_response(404, f"there is no {request.path} here")
        if request.method not in ("GET", "HEAD"):
            answer = text_response(405, "only GET is understood")
            allowed = (*answer.headers, ("Allow", "GET, HEAD"))
            return attrs.evolve(answer, headers=allowed)
        try:
            return route(self, request)
        except InvalidInputError as error:
            return text_response(400, str(error))

    def _health(self, request: Request) -> Answer:
        return Response(status=200)

    def _version(self, request: Request) -> Answer:
        return _json(request, version_document())

    def _flags(self, request: Request) -> Answer:
        return _json(request, {"flags": flags_of(self.config)})

    def _snapshot(self, request: Request) -> Answer:
        return _json(request, self.metrics.snapshot())

    def _state(self, request: Request) -> Answer:
        document = state_document(self.view, flags_of(self.config))
        facts = self.own_facts()
        cluster_id = facts.get("cluster_id", "")
        return _json(
            request, document | {"cluster_id": cluster_id, "raftleader": facts}
        )

    def _containers(self, request: Request) -> Deferred:
        wanted = _wanted(request)
        return self._rows(request, wanted, row_to_v0)

    def _statistics(self, request: Request) -> Deferred:
        return self._rows(request, lambda container: True, row_to_statistics)

    def _rows(
        self,
        request: Request,
        wanted: Callable[[ContainerView], bool],
        to_element: Callable[[Row, str], JsonObject],
    ) -> Deferred:
        async def answer() -> Answer:
            rows = await container_rows(
                self.view,
                self.nested,
                self.run_blocking,
                shows_nested=False,
                shows_standalone=False,
                wanted=wanted,
            )
            ip = self.view.info.ip
            return _json(request, [to_element(row, ip) for row in rows])

        return _guarded(answer)

    def _read(self, request: Request) -> Deferred:
        path = _path(request)
        offset = _integer(request, "offset", -1, least=-1)
        length = _integer(request, "length", READ_BYTES_DEFAULT, least=-1)
        if length < 0:
            length = READ_BYTES_MAX

        async def answer() -> Answer:
            size, data = await self.run_blocking(
                read_at, self.config.sandbox_root, path, offset, length
            )
            return _json(
                request,
                {
                    "offset": size if offset < 0 else offset,
                    "data": data.decode(errors="replace"),
                },
            )

        return _guarded(answer)

    def _browse(self, request: Request) -> Deferred:
        path = _path(request)

        async def answer() -> Answer:
            root = self.config.sandbox_root
            entries = await self.run_blocking(list_folder, root, path)
            return _json(request, [entry.to_v0() for entry in entries])

        return _guarded(answer)

    def _debug(self, request: Request) -> Answer:
        root = self.config.sandbox_root
        folders = {"frameworks": root, CONTAINERS: root.with_name(CONTAINERS)}
        return _json(request, {name: str(folder) for name, folder in folders.items()})

    def _download(self, request: Request) -> Deferred:
        path = _path(request)

        async def answer() -> Answer:
            root = self.config.sandbox_root
            fd = await self.run_blocking(open_file, root, path)
            name = path.rsplit("/", 1)[-1]
            if not name.isascii() or '"' in name or not name.isprintable():
                name = "file"
            return Stream(
                headers=(
                    ("Content-Type", "application/octet-stream"),
                    ("Content-Disposition", f'attachment; filename="{name}"'),
                ),
                is_finite=True,
                run=_Download(fd, self.run_blocking).run,
            )

        return _guarded(answer)


@attrs.define(eq=False)
class _Download:
    """Streams an open file, as long as it was when it began, and closes it."""

    fd: int
    run_blocking: RunBlocking

    async def run(self, writer: StreamWriter) -> None:
        try:
            offset, size = 0, os.fstat(self.fd).st_size
            while offset < size:
                count = min(DOWNLOAD_CHUNK_BYTES, size - offset)
                data = await self.run_blocking(os.pread, self.fd, count, offset)
                if not data:
                    return
                await writer.send([data])
                offset += len(data)
        finally:
            self.close()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        # An answer that is never sent, since its client has gone, is never run.
        self.close()


Route = Callable[[Endpoints, Request], Answer | Deferred]

_ROUTES: dict[str, Route] = {
    "/health": Endpoints._health,
    "/version": Endpoints._version,
    "/flags": Endpoints._flags,
    "/state": Endpoints._state,
    "/containers": Endpoints._containers,
    "/monitor/statistics": Endpoints._statistics,
    "/metrics/snapshot": Endpoints._snapshot,
    "/files/read": Endpoints._read,
    "/files/browse": Endpoints._browse,
    "/files/download": Endpoints._download,
    "/files/debug": Endpoints._debug,
}


def _guarded(answer: Deferred) -> Deferred:
    """Turns what reading a file may raise into an answer."""

    async def guarded() -> Answer:
        try:
            return await answer()
        except FileNotFoundError:
            return text_response(404, "there is no such file")
        except InvalidInputError as error:
            return text_response(400, str(error))
        except OSError as error:
            return text_response(403, f"cannot read the file: {error.strerror}")

    return guarded


def _wanted(request: Request) -> Callable[[ContainerView], bool]:
    """What ``/containers`` was asked for. Raises InvalidInputError."""
    query = request.query
    container_id = query.get("container_id")
    framework_id = query.get("framework_id")
    executor_id = query.get("executor_id")
    if container_id is not None and (framework_id or executor_id) is not None:
        raise InvalidInputError("container_id", "stands alone")
    if executor_id is not None and framework_id is None:
        raise InvalidInputError("executor_id", "needs a framework_id")

    def is_wanted(container: ContainerView) -> bool:
        return (
            container_id in (None, container.container_id)
            and framework_id in (None, container.framework_id)
            and executor_id in (None, container.executor_id)
        )

    return is_wanted


def _path(request: Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise InvalidInputError("path", "must be given")
    return path


def _integer(request: Request, name: str, default: int, *, least: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise InvalidInputError(name, f"{text[:40]!r} is not a whole number") from None
    if not least <= value < 2**63:
        raise InvalidInputError(name, f"must be at least {least}")
    return value


def _json(request: Request, value: Any) -> Response:
    """As JSON, or as a call of the function that ``jsonp`` names."""
    body = msgspec.json.encode(value)
    callback = request.query.get("jsonp")
    if not callback:
        return Response(status=200, headers=_JSON, body=body)
    if not _CALLBACK.match(callback):
        raise InvalidInputError("jsonp", "is not the name of a function")
    script = (("Content-Type", "text/javascript"),)
    return Response(
        status=200, headers=script, body=b"%b(%b);" % (callback.encode(), body)
    )
