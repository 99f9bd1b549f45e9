"""What a handler is given and what it answers.

A handler is a plain function, called in the order requests arrive on a
connection, also when a client sends several without waiting (pipelining). It
must not block. What takes time it starts at once, and answers with a *deferred*,
a function that waits for the rest, or with a *promise*, which somebody keeps later.
So ten calls sent back to back are all proposed before the first is answered, in
order, and share one log entry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs

from raftleader.httpd.bodies import BodyStream


@attrs.frozen(kw_only=True)
class Request:
    """One request, read whole unless the server was told to stream its body.

    Attributes:
        method: As sent, e.g. ``POST``.
        path: Decoded path without the query, e.g. ``/api/v1/scheduler``.
        target: The request target as sent (path and query), for redirects.
        query: Decoded parameters; of a repeated one the last counts.
        headers: Names in lower case; of a repeated one the last counts, but the
            values of several ``accept`` are joined by a comma.
        body: The whole body, also of a chunked request.
        peer: ``HOST:PORT`` of the client, for log lines.
        stream: The body, if it is read while it comes (``StreamsBody``); ``body``
            is then empty. Such a request is answered with a ``Response``, before
            or after the end of its body, and the connection then closes.
    """

    method: str
    path: str
    target: str
    query: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    peer: str = ""
    stream: BodyStream | None = None


@attrs.frozen(kw_only=True)
class Response:
    """A whole answer. ``Content-Length`` and ``Date`` are the server's to add."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class StreamWriter(Protocol):
    """Where a streaming answer writes. Each chunk is one HTTP chunk.

    The head leaves together with the first chunks; ``send([])`` sends it alone.
    """

    async def send(self, chunks: list[bytes]) -> None:
        """Write the chunks in as few system calls as possible, each its own HTTP chunk.

        Waits while the client does not read, for a minute at most. Raises
        trio.BrokenResourceError when the client is gone.
        """


@attrs.frozen(kw_only=True)
class Stream:
    """A chunked answer that lasts. ``run`` writes it; when it returns, the
    connection closes. It is cancelled as soon as the client goes away. If it raises
    trio.BrokenResourceError, the answer ends without its proper end.

    A client that says that it sends nothing more is taken for one that went (400 if
    it says so before), unless ``is_finite``: an answer that ends by itself is due to
    it.

    ``run`` is called exactly once, whatever happens: if the client is gone before
    its turn comes, in a scope that is already cancelled. So what was opened for
    it can be closed in a ``finally`` of its own.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    is_finite: bool = False
    run: Callable[[StreamWriter], Awaitable[None]]


Answer = Response | Stream
Deferred = Callable[[], Awaitable[Answer]]
MakeResponse = Callable[[], Response]


class Promise:
    """An answer that is given later, by a plain call.

    It costs no task, as a deferred does: for what thousands of calls wait for. The
    server does not limit the time; whoever makes the promise must keep it.
    """

    __slots__ = ("_make", "_told")

    def __init__(self) -> None:
        self._make: MakeResponse | None = None
        self._told: Callable[[MakeResponse], None] | None = None

    def keep(self, make: MakeResponse) -> None:
        """Answer with what ``make`` returns. A second call is ignored.

        It is called when the answer is about to leave; not at all if the client went.
        """
        if self._make is not None:
            return
        self._make = make
        if self._told is not None:
            self._told(make)

    def when_kept(self, told: Callable[[MakeResponse], None]) -> None:
        """For the server: ``told`` is called once, perhaps at once."""
        self._told = told
        if self._make is not None:
            told(self._make)


Reply = Answer | Deferred | Promise
Handler = Callable[[Request], Reply]
StreamsBody = Callable[[Mapping[str, str]], bool]
"""Whether a request with these headers (names in lower case) is handled as soon as
its head is complete, its body as a stream without a limit of size."""
