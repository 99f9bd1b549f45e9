"""A file of a sandbox, followed while its task writes to it."""

from __future__ import annotations

from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import attrs

from raftleader.errors import ApiError, InvalidInputError, RaftLeaderError
from raftleader.framework import HttpClient

READ_BYTES = 512 * 1024
"""Of one read; an agent gives at most 1 MiB."""
REPLACED = "\ufffd"


@attrs.define(kw_only=True)
class SandboxFile:
    """What of a file has been shown: ``offset`` bytes.

    ``/files/read`` answers with text, in which bytes that are no UTF-8 (or half of
    a character, at the end) are replaced. Where it did so, ``/files/download`` is
    read instead, which has the bytes but always begins at the first one.
    """

    http: HttpClient
    agent: str
    path: str
    offset: int = 0

    async def copy_new(self, out: BinaryIO) -> int:
        """Write to ``out`` what has been added, as it is; returns how many bytes.

        A sandbox or file that is not there yet has nothing. Raises
        RaftLeaderError when the agent cannot be asked.
        """
        began = self.offset
        while (size := (await self._read(-1, 0))["offset"]) > self.offset:
            before, length = self.offset, min(size - self.offset, READ_BYTES)
            text = (await self._read(self.offset, length))["data"]
            if REPLACED in text:
                # All that there is, at once: each download begins at the first
                # byte again.
                await self._download(size - self.offset, out)
            else:
                self._write(text.encode(), out)
            if self.offset == before:
                break  # it was cut meanwhile; the next look tells
        if self.offset > began:
            out.flush()
        return self.offset - began

    def _write(self, part: bytes, out: BinaryIO) -> None:
        rest = memoryview(part)
        while rest:  # an unbuffered stream may take less than all
            rest = rest[out.write(rest) :]
        self.offset += len(part)

    async def _read(self, offset: int, length: int) -> dict[str, Any]:
        query = urlencode({"path": self.path, "offset": offset, "length": length})
        try:
            answer = await self.http.get_json(self.agent, f"/files/read?{query}")
        except ApiError as error:
            if error.status == 404:
                return {"offset": 0, "data": ""}
            raise
        if not isinstance(answer, dict) or not {"offset", "data"} <= answer.keys():
            raise InvalidInputError("answer", "is not what /files/read answers")
        return answer

    async def _download(self, length: int, out: BinaryIO) -> None:
        target = f"/files/download?path={quote(self.path, safe='')}"
        skipped, wanted = 0, length
        begin = self.offset
        async with self.http.stream(self.agent, "GET", target) as answer:
            if answer.status != 200:
                raise ApiError(answer.status, f"cannot read {self.path}")
            async for data in answer:
                skip = min(len(data), begin - skipped)
                skipped += skip
                part = data[skip : skip + wanted]
                wanted -= len(part)
                self._write(part, out)
                if wanted == 0:
                    break


async def copy_if_possible(file: SandboxFile, out: BinaryIO) -> bool:
    """``copy_new``, and whether the agent could be asked."""
    try:
        await file.copy_new(out)
    except RaftLeaderError:
        return False
    return True
