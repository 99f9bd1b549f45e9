"""Bytes of one connection to requests. Does no IO.

What a client may get wrong ends the connection with one answer, a *refusal*; no
input raises.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import attrs
import httptools

from raftleader.httpd.bodies import BodyStream
from raftleader.httpd.messages import Request, StreamsBody
from raftleader.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX

HEADERS_MAX = 256
"""Header lines of one request."""
QUERY_FIELDS_MAX = 256
"""Parameters in one query."""


@attrs.frozen(kw_only=True)
class ParsedRequest:
    """A request, whole or with its body to come as ``BodyPart``, and how its answer
    has to be written.

    Attributes:
        keeps_alive: The connection may serve another request after it.
        takes_chunks: False for HTTP/1.0, which does not know chunks.
    """

    request: Request
    keeps_alive: bool
    takes_chunks: bool


@attrs.frozen
class BodyPart:
    """More of the body of the last request, which streams it. Empty is its end."""

    data: bytes


@attrs.frozen(kw_only=True)
class ContinueWanted:
    """The client waits for ``100 Continue`` before it sends the body."""


@attrs.frozen(kw_only=True)
class Refusal:
    """The connection cannot go on: answer this, then close."""

    status: int
    text: str


Parsed = ParsedRequest | BodyPart | ContinueWanted | Refusal


class _StopParsingError(Exception):
    """Leaves the parser's callbacks; never leaves this module."""


class RequestParser:
    """Cuts what a client sends into requests.

    ``is_over`` becomes true after a refusal or a request that ends the
    connection; from then on everything fed is dropped.
    """

    def __init__(self, *, peer: str, streams_body: StreamsBody | None = None) -> None:
        self._peer = peer
        self._streams_body = streams_body
        self._parser = httptools.HttpRequestParser(self)
        self._found: list[Parsed] = []
        self._refusal: Refusal | None = None
        self._in_head = False
        self._began_in_this_feed = False
        self._waits_for_continue = False
        self.is_over = False
        self.is_within_request = False
        self.requests_count = 0
        self._start_request()

    def feed(self, data: bytes) -> list[Parsed]:
        """What ``data`` completes, in order."""
        if self.is_over:
            return []
        self._began_in_this_feed = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # Answered like any other request, without changing protocol.
        except httptools.HttpParserError as error:
            if self._refusal is None and isinstance(
                error, httptools.HttpParserCallbackError
            ):
                raise  # A bug in a callback.
            if not self.is_over:
                refusal = self._refusal or Refusal(status=400, text=f"{error}\n")
                self._found.append(refusal)
                self.stop()
        if self._in_head and not self._began_in_this_feed:
            # A name or value that never ends is not seen by the callbacks.
            self._head_bytes_unseen += len(data)
            if self._head_bytes_unseen > HEADER_BYTES_MAX and not self.is_over:
                self._found.append(_HEAD_TOO_LARGE)
                self.stop()
        if self._waits_for_continue and not self.is_over:
            self._found.append(ContinueWanted())
            self._waits_for_continue = False
        found, self._found = self._found, []
        return found

    def stop(self) -> None:
        """Take nothing more."""
        self.is_over = True
        self.is_within_request = False

    def close(self) -> None:
        """Drop the parser, which refers back to this object."""
        self.stop()
        del self._parser

    def _start_request(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._headers_count = 0
        self._head_bytes = 0
        self._head_bytes_unseen = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._is_streaming = False

    # Called by httptools.

    def on_message_begin(self) -> None:
        self._start_request()
        self._in_head = True
        self._began_in_this_feed = True
        self.is_within_request = True

    def on_url(self, part: bytes) -> None:
        self._target += part
        self._count_head(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_count += 1
        self._count_head(len(name) + len(value) + 4)
        if not self._in_head:
            return  # A trailer: must not overrule what was decided by the head.
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key == "accept" and key in self._headers:
            text = f"{self._headers[key]}, {text}"
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._streams_body is not None and self._streams_body(self._headers):
            self._is_streaming = True
        length = self._headers.get("content-length", "")
        if (
            length.isdecimal()
            and int(length) > BODY_BYTES_MAX
            and not self._is_streaming
        ):
            self._refuse(_BODY_TOO_LARGE)
        expected = self._headers.get("expect")
        if expected is not None:
            if expected.lower() != "100-continue":
                text = f"cannot meet the expectation {expected!r}\n"
                self._refuse(Refusal(status=417, text=text))
            self._waits_for_continue = self._parser.get_http_version() == "1.1"
        if self._is_streaming:
            if self._waits_for_continue:
                self._found.append(ContinueWanted())
                self._waits_for_continue = False
            self.is_within_request = False  # It may last as long as it likes.
            self._finish_request(stream=BodyStream())

    def on_body(self, part: bytes) -> None:
        if self._is_streaming:
            self._found.append(BodyPart(part))
            return
        self._waits_for_continue = False
        self._body_bytes += len(part)
        if self._body_bytes > BODY_BYTES_MAX:
            self._refuse(_BODY_TOO_LARGE)
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._is_streaming:
            self._found.append(BodyPart(b""))
            self.stop()
            return
        self._waits_for_continue = False
        self.is_within_request = False
        keeps_alive = self._finish_request()
        if not keeps_alive:
            self.stop()

    def _finish_request(self, stream: BodyStream | None = None) -> bool:
        """Whether another request may follow it."""
        self.requests_count += 1
        target = self._target.decode("latin-1")
        try:
            path, query = split_target(target)
        except ValueError as error:
            self._refuse(Refusal(status=400, text=f"bad request target: {error}\n"))
        version = self._parser.get_http_version()
        keeps_alive = (
            stream is None
            and version == "1.1"
            and self._parser.should_keep_alive()
            and not self._parser.should_upgrade()
        )
        body = self._body
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            target=target,
            query=query,
            headers=self._headers,
            body=body[0] if len(body) == 1 else b"".join(body),
            peer=self._peer,
            stream=stream,
        )
        self._found.append(
            ParsedRequest(
                request=request, keeps_alive=keeps_alive, takes_chunks=version == "1.1"
            )
        )
        return keeps_alive

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > HEADER_BYTES_MAX or self._headers_count > HEADERS_MAX:
            self._refuse(_HEAD_TOO_LARGE)

    def _refuse(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _StopParsingError


_HEAD_TOO_LARGE = Refusal(
    status=431,
    text=f"the request's head is larger than {HEADER_BYTES_MAX} bytes "
    f"or {HEADERS_MAX} lines\n",
)
_BODY_TOO_LARGE = Refusal(
    status=413, text=f"the request's body is larger than {BODY_BYTES_MAX} bytes\n"
)


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Decoded path and query of a request target.

    Takes the absolute form (``http://host/path``) of proxies too. Raises
    ValueError when the query has too many parameters.
    """
    if not target.startswith("/") and "://" in target:
        _, _, rest = target.partition("://")
        _, slash, rest = rest.partition("/")
        target = slash + rest or "/"
    path, mark, text = target.partition("?")
    if "%" in path:
        path = unquote(path)
    if not mark:
        return path, {}
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    return path, dict(pairs)
