"""Following a file of a sandbox over an agent's HTTP port."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import attrs
import msgspec
import pytest
import trio

from raftleader.cli.sandbox_output import READ_BYTES, SandboxFile, copy_if_possible
from raftleader.errors import ApiError
from raftleader.framework import open_http_client
from raftleader.httpd.messages import Request, Response
from raftleader.httpd.server import serve_http

PATH = "frameworks/f-1/tasks/t 1/stdout"


@attrs.define
class FakeAgent:
    """Serves one file the way an agent does."""

    content: bytes | None = None
    refusal: int | None = None
    requests: list[str] = attrs.field(factory=list)

    def handle(self, request: Request) -> Response:
        self.requests.append(request.path)
        if self.refusal is not None:
            return Response(status=self.refusal, body=b"no")
        if self.content is None or request.query["path"] != PATH:
            return Response(status=404, body=b"there is no such file")
        if request.path == "/files/download":
            return Response(status=200, body=self.content)
        offset, length = int(request.query["offset"]), int(request.query["length"])
        answer: dict[str, object] = {"offset": len(self.content), "data": ""}
        if offset >= 0:
            data = self.content[offset : offset + length]
            answer = {"offset": offset, "data": data.decode(errors="replace")}
        return Response(status=200, body=msgspec.json.encode(answer))


@pytest.fixture
async def agent() -> FakeAgent:
    return FakeAgent()


@pytest.fixture
async def file(agent: FakeAgent) -> AsyncIterator[SandboxFile]:
    async with trio.open_nursery() as nursery:
        address = await nursery.start(serve_http, agent.handle, "127.0.0.1:0")
        async with open_http_client() as http:
            yield SandboxFile(http=http, agent=address, path=PATH)
        nursery.cancel_scope.cancel()


async def test_copy_takes_only_what_was_added(
    agent: FakeAgent, file: SandboxFile
) -> None:
    out = io.BytesIO()
    agent.content = b"one\n"
    assert await file.copy_new(out) == 4
    assert await file.copy_new(out) == 0
    agent.content += "zwei ✓\n".encode()
    await file.copy_new(out)
    assert out.getvalue() == "one\nzwei ✓\n".encode()
    assert "/files/download" not in agent.requests


async def test_copy_of_bytes_that_are_no_text_is_exact(
    agent: FakeAgent, file: SandboxFile
) -> None:
    out = io.BytesIO()
    agent.content = b"text " + bytes(range(256))
    await file.copy_new(out)
    agent.content += b"\xc3"  # half of a character
    await file.copy_new(out)
    agent.content += b"\xa9 end"
    await file.copy_new(out)
    assert out.getvalue() == agent.content
    assert "/files/download" in agent.requests


async def test_copy_of_a_file_that_is_not_there_yet_is_nothing(
    agent: FakeAgent, file: SandboxFile
) -> None:
    out = io.BytesIO()
    assert await file.copy_new(out) == 0
    agent.content = b"now"
    assert await file.copy_new(out) == 3


async def test_copy_of_much_goes_in_parts(agent: FakeAgent, file: SandboxFile) -> None:
    out = io.BytesIO()
    agent.content = b"0123456789abcdef" * 100_000
    assert await file.copy_new(out) == 1_600_000
    assert out.getvalue() == agent.content


async def test_agent_that_refuses_is_told_and_may_be_passed_over(
    agent: FakeAgent, file: SandboxFile
) -> None:
    agent.refusal = 500
    with pytest.raises(ApiError):
        await file.copy_new(io.BytesIO())
    assert not await copy_if_possible(file, io.BytesIO())


async def test_large_binary_file_is_downloaded_once_and_not_once_for_each_part(
    agent: FakeAgent, file: SandboxFile
) -> None:
    agent.content = bytes(range(256)) * (5 * READ_BYTES // 256)
    out = io.BytesIO()
    assert await file.copy_new(out) == len(agent.content)
    assert out.getvalue() == agent.content
    assert agent.requests.count("/files/download") == 1


async def test_copy_goes_on_where_a_stream_took_only_a_part(
    agent: FakeAgent, file: SandboxFile
) -> None:
    class Narrow(io.BytesIO):
        def write(self, data: Any, /) -> int:
            return super().write(bytes(data)[:7])

    out = Narrow()
    agent.content = b"more than seven bytes\n"
    assert await file.copy_new(out) == 22
    assert out.getvalue() == agent.content
