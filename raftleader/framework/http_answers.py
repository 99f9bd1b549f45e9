"""Reading HTTP/1.1 answers, sans-IO: bytes in, answers out."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import httptools

from raftleader.errors import InvalidInputError
from raftleader.limits import HEADER_BYTES_MAX

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Largest body read into memory. ``/state`` of 10,000 agents is about 20 MB."""


@attrs.frozen(kw_only=True)
class Answer:
    """A whole HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as one line, for error messages."""
        return self.body[:500].decode("utf-8", "replace").strip()


class AnswerParser:
    """Reads the answers of one connection.

    ``head`` is the answer whose body is still coming, ``chunks`` what has come
    of it since it was last taken, ``finished`` the whole answers in order (only
    if ``gather`` is set; otherwise the chunks are the reader's to take).
    """

    def __init__(self, *, gather: bool, bytes_max: int = ANSWER_BYTES_MAX) -> None:
        self.head: Answer | None = None
        self.chunks: list[bytes] = []
        self.finished: list[Answer] = []
        self.is_complete = False
        self.keeps_alive = True
        self._gather = gather
        self._bytes_max = bytes_max
        self._body_bytes = 0
        self._head_bytes = 0
        self._unread_bytes = 0
        self._headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | bytearray) -> None:
        """Take bytes from the connection. Raises InvalidInputError."""
        self._unread_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            raise cause if isinstance(cause, InvalidInputError) else error from None
        except httptools.HttpParserUpgrade as error:
            raise InvalidInputError("answer", "switches protocols") from error
        except httptools.HttpParserError as error:
            raise InvalidInputError("answer", str(error)) from error
        if self._unread_bytes > HEADER_BYTES_MAX + len(data):
            raise InvalidInputError("answer", f"head exceeds {HEADER_BYTES_MAX} bytes")

    # What httptools calls, by its names.

    def on_message_begin(self) -> None:
        self._headers = {}
        self._head_bytes = self._body_bytes = 0
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEADER_BYTES_MAX:
            raise InvalidInputError("answer", f"head exceeds {HEADER_BYTES_MAX} bytes")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status: int = self._parser.get_status_code()
        self.head = Answer(status=status, headers=self._headers)
        self._unread_bytes = 0

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        self._unread_bytes = 0
        if self._gather and self._body_bytes > self._bytes_max:
            raise InvalidInputError("answer", f"body exceeds {self._bytes_max} bytes")
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True
        self._unread_bytes = 0
        self.keeps_alive = bool(self._parser.should_keep_alive())
        if self._gather:
            assert self.head is not None
            answer = self.head
            if self.chunks:
                answer = attrs.evolve(answer, body=b"".join(self.chunks))
                self.chunks = []
            self.finished.append(answer)
            self.head = None
