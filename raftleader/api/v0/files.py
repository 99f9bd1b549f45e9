"""``/files/...``: the files a node lets be read; answered by every node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from raftleader.api.answers import method_problem, text_answer
from raftleader.api.operator.log_files import (
    DOWNLOAD_BYTES,
    FileRow,
    LogFiles,
    NoSuchFileError,
    NotAFileError,
)
from raftleader.api.rendering import Pieces, json_pieces, write_json
from raftleader.api.routing import Endpoint
from raftleader.api.v0.answers import local_page, page_answer
from raftleader.httpd.messages import Answer, Deferred, Request, Stream, StreamWriter

_NO_PATH = "Expecting 'path=value' in query.\n"


def file_pages(files: LogFiles) -> dict[str, Endpoint]:
    """The pages by path, also under their old names."""

    async def browse(request: Request, path: str) -> Answer:
        rows = [_file(row) for row in await files.browse(path)]
        return await page_answer(request, iter([write_json(rows)]))

    async def read(request: Request, path: str) -> Answer:
        numbers: dict[str, int | None] = {"offset": None, "length": None}
        for name in numbers:
            text = request.query.get(name)
            if text is None:
                continue
            if not text.removeprefix("-").isdecimal() or len(text) > 19:
                return text_answer(400, f"Failed to parse {name}: '{text}'.\n")
            numbers[name] = int(text)
            if int(text) < -1:
                return text_answer(400, f"Negative {name} provided: {text}.\n")
        offset, length = numbers["offset"], numbers["length"]
        if offset in (None, -1):
            size, data = await files.read(path, 0, 0)
            offset = size
        else:
            assert offset is not None
            is_all = length in (None, -1)
            _, data = await files.read(path, offset, None if is_all else length)
        document = {"offset": offset, "data": data.decode(errors="replace")}
        return await page_answer(request, json_pieces(document))

    async def download(request: Request, path: str) -> Answer:
        return await _download(files, path)

    def debug(request: Request) -> Pieces:
        return json_pieces(dict(files.table))

    pages = {
        "/files/browse": _page(browse),
        "/files/read": _page(read),
        "/files/download": _page(download),
        "/files/debug": local_page(debug),
    }
    return pages | {f"{path}.json": page for path, page in pages.items()}


def _page(answer: Callable[[Request, str], Awaitable[Answer]]) -> Endpoint:
    def endpoint(request: Request) -> Answer | Deferred:
        problem = method_problem(request, "GET", "HEAD")
        if problem is not None:
            return problem
        path = request.query.get("path")
        if not path:
            return text_answer(400, _NO_PATH)

        async def build() -> Answer:
            try:
                return await answer(request, path)
            except NoSuchFileError:
                return text_answer(404, "")
            except NotAFileError as error:
                return text_answer(400, str(error))

        return build

    return endpoint


async def _download(files: LogFiles, path: str) -> Answer:
    """As much of the file as there is now."""
    size = await files.size(path)

    async def run(writer: StreamWriter) -> None:
        await writer.send([])
        sent = 0
        while sent < size:
            wanted = min(DOWNLOAD_BYTES, size - sent)
            _, data = await files.read(path, sent, wanted)
            if not data:
                return
            await writer.send([data])
            sent += len(data)

    name = path.rstrip("/").rpartition("/")[2]
    return Stream(
        headers=(
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", f"attachment; filename={name}"),
        ),
        is_finite=True,
        run=run,
    )


def _file(row: FileRow) -> dict[str, Any]:
    return {
        "path": row.path,
        "nlink": row.nlink,
        "size": row.size,
        "mtime": row.mtime_ns / 10**9,
        "mode": row.mode_text,
        "uid": row.uid,
        "gid": row.gid,
    }
