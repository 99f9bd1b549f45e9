"""Answers to bytes. Does no IO."""

from __future__ import annotations

import functools
import http
import time
from email.utils import formatdate

from raftleader.httpd.messages import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

Headers = tuple[tuple[str, str], ...]


def text_response(status: int, text: str) -> Response:
    """An answer for a person to read."""
    headers = (("Content-Type", "text/plain; charset=utf-8"),)
    return Response(status=status, headers=headers, body=text.encode())


def response_bytes(response: Response, *, closes: bool, has_body: bool) -> bytes:
    """The whole answer. ``has_body`` is false for HEAD, which is told the length."""
    end = b"\r\nConnection: close\r\n\r\n" if closes else b"\r\n\r\n"
    if response.status in (204, 304):
        return b"%bDate: %b%b" % (
            _head(response.status, response.headers),
            _date(int(time.time())),
            end,
        )
    return b"%bDate: %b\r\nContent-Length: %d%b%b" % (
        _head(response.status, response.headers),
        _date(int(time.time())),
        len(response.body),
        end,
        response.body if has_body else b"",
    )


def stream_head(status: int, headers: Headers, *, is_chunked: bool) -> bytes:
    """The head of an answer that lasts; the connection closes after it."""
    return b"%bDate: %b\r\n%bConnection: close\r\n\r\n" % (
        _head(status, headers),
        _date(int(time.time())),
        b"Transfer-Encoding: chunked\r\n" if is_chunked else b"",
    )


def chunk_bytes(chunk: bytes) -> bytes:
    """One HTTP chunk. Must not be empty (asserted): that would end the answer."""
    assert chunk, "an empty chunk would end the stream"
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


@functools.lru_cache(maxsize=512)
def _head(status: int, headers: Headers) -> bytes:
    """Status line and headers. Raises ValueError on a header that would break out."""
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}\r\n"]
    for name, value in headers:
        if any(character in name + value for character in "\r\n\0"):
            raise ValueError(f"header {name!r} contains a line break: {value!r}")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


@functools.lru_cache(maxsize=2)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode("ascii")
