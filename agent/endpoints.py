"""The agent's HTTP port: who it is, how it is, and the files of its sandboxes.

Answers in the words of Mesos' agent where it has any. There is no way to change
anything from here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
import msgspec

from agent.checkpoint import RunBlocking
from agent.config import AgentConfig
from agent.file_access import READ_BYTES_MAX, list_folder, open_file, read_at
from agent.leader_link import LeaderLinks
from agent.machine import Machine
from raftleader import __version__
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import (
    Answer,
    Deferred,
    Request,
    Response,
    Stream,
    StreamWriter,
)
from raftleader.protocol.agents import Attribute
from raftleader.protocol.resources import Resources, format_millis, format_resources

READ_BYTES_DEFAULT = 64 * 1024
DOWNLOAD_CHUNK_BYTES = 256 * 1024

_JSON = (("Content-Type", "application/json"),)


@attrs.define(eq=False)
class Endpoints:
    """Answers requests; :meth:`handle` is the handler to serve."""

    config: AgentConfig
    machine: Machine
    links: LeaderLinks
    run_blocking: RunBlocking

    def handle(self, request: Request) -> Answer | Deferred:
        route = _ROUTES.get(request.path)
        if route is None:
            return _problem(404, f"there is no {request.path} here")
        if request.method not in ("GET", "HEAD"):
            return _problem(405, "only GET is understood", (("Allow", "GET, HEAD"),))
        try:
            return route(self, request)
        except InvalidInputError as error:
            return _problem(400, str(error))

    def _health(self, request: Request) -> Answer:
        return Response(status=200)

    def _version(self, request: Request) -> Answer:
        return _json({"version": __version__})

    def _state(self, request: Request) -> Answer:
        machine = self.machine
        info = machine.info
        return _json(
            {
                "id": machine.identity.agent_id,
                "key": machine.identity.key,
                "cluster_id": machine.identity.cluster_id,
                "hostname": info.hostname,
                "ip": info.ip,
                "port": info.port,
                "version": info.version,
                "resources": _resources(info.resources),
                "attributes": {a.name: _attribute(a) for a in info.attributes},
                "is_registered": machine.is_registered,
                "term": machine.term,
                "leader_sessions": self.links.open_count,
                "bad_frames": self.links.bad_frames,
                "fenced_messages": machine.fenced_count,
                "updates_pending": machine.tasks.updates.pending_count,
                "tasks": [
                    {
                        "framework_id": held.key[0],
                        "id": held.key[1],
                        "name": held.name,
                        "state": held.state.value,
                        "resources": _resources(held.resources),
                        "pid": held.mark.pid if held.mark else None,
                        "is_being_killed": held.kill_message is not None,
                    }
                    for _, held in sorted(machine.tasks.held.items())
                ],
            }
        )

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
                {
                    "offset": size if offset < 0 else offset,
                    "data": data.decode(errors="replace"),
                }
            )

        return _guarded(answer)

    def _browse(self, request: Request) -> Deferred:
        path = _path(request)

        async def answer() -> Answer:
            root = self.config.sandbox_root
            return _json(await self.run_blocking(list_folder, root, path))

        return _guarded(answer)

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
    "/state": Endpoints._state,
    "/files/read": Endpoints._read,
    "/files/browse": Endpoints._browse,
    "/files/download": Endpoints._download,
}


def _guarded(answer: Deferred) -> Deferred:
    """Turns what reading a file may raise into an answer."""

    async def guarded() -> Answer:
        try:
            return await answer()
        except FileNotFoundError:
            return _problem(404, "there is no such file")
        except InvalidInputError as error:
            return _problem(400, str(error))
        except OSError as error:
            return _problem(500, f"cannot read the file: {error.strerror}")

    return guarded


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


def _json(value: Any) -> Response:
    return Response(status=200, headers=_JSON, body=msgspec.json.encode(value))


def _problem(
    status: int, text: str, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    plain = ("Content-Type", "text/plain; charset=utf-8")
    return Response(status=status, headers=(plain, *headers), body=text.encode())


def _resources(resources: Resources) -> dict[str, Any]:
    """Scalars as numbers, the rest in Mesos' text form, as its agent shows them."""
    shown: dict[str, Any] = {k: v / 1000 for k, v in resources.scalars.items()}
    rest = Resources(ranges=resources.ranges, sets=resources.sets)
    for part in filter(None, format_resources(rest).split(";")):
        key, _, value = part.partition(":")
        shown[key] = value
    return shown


def _attribute(attribute: Attribute) -> str:
    if attribute.scalar_millis is not None:
        return format_millis(attribute.scalar_millis)
    if attribute.ranges:
        return f"[{', '.join(f'{b}-{e}' for b, e in attribute.ranges)}]"
    return attribute.text or ""
