"""A client that sends what it is told, byte for byte, over a blocking socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import attrs

ANSWER_TIMEOUT_S = 10.0
STREAM_SILENCE_S = 0.02
"""A chunked answer that is silent for so long after its first chunk is a stream."""
RECEIVE_BYTES = 65_536


class NoAnswerError(AssertionError):
    """The server closed, or was silent, where an answer was due."""


@attrs.frozen(kw_only=True)
class RawAnswer:
    """One answer.

    Attributes:
        is_open: It is a stream that goes on, or one that was cut off.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_open: bool = False


class RawConnection:
    """One connection. Use as a context manager."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=ANSWER_TIMEOUT_S)
        self._unread = b""

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, pieces: Sequence[bytes], pause_s: float = 0.0) -> None:
        """Send, as far as the server listens."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
                if pause_s:
                    time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may have answered before it had everything.

    def half_close(self) -> None:
        """Say that nothing more comes."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def answer(self, *, has_body: bool = True) -> RawAnswer:
        """The next answer. Raises NoAnswerError."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = (*first.split(" ", 2), "")[:3]
        assert version == "HTTP/1.1", first
        headers = {}
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon, f"{line!r} is no header"
            headers[name.lower()] = value
        made = RawAnswer(status=int(status), headers=headers, body=b"")
        if made.status == 100:
            return self.answer(has_body=has_body)
        if not has_body or made.status in (204, 304):
            return made
        if "chunked" in headers.get("transfer-encoding", ""):
            body, is_open = self._chunks()
            return attrs.evolve(made, body=body, is_open=is_open)
        if "content-length" in headers:
            return attrs.evolve(
                made, body=self._exactly(int(headers["content-length"]))
            )
        self._socket.settimeout(STREAM_SILENCE_S)
        return attrs.evolve(made, body=self._rest(), is_open=True)

    def is_closed(self) -> bool:
        """Whether the server closes now, without another word."""
        return not self._unread and self._some() == b""

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        try:
            while True:
                size = int(self._until(b"\r\n"), 16)
                chunk = self._exactly(size + 2)
                assert chunk.endswith(b"\r\n")
                body += chunk[:-2]
                if size == 0:
                    return body, False
                self._socket.settimeout(STREAM_SILENCE_S)
        except NoAnswerError:
            return body, True
        finally:
            self._socket.settimeout(ANSWER_TIMEOUT_S)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            self._unread += self._due()
        found, _, self._unread = self._unread.partition(mark)
        return found + mark if mark == b"\r\n\r\n" else found

    def _exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._unread += self._due()
        found, self._unread = self._unread[:count], self._unread[count:]
        return found

    def _rest(self) -> bytes:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while time.monotonic() < deadline and (piece := self._some()):
            self._unread += piece
        found, self._unread = self._unread, b""
        return found

    def _due(self) -> bytes:
        try:
            piece = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            raise NoAnswerError(f"silence after {self._unread[:200]!r}") from None
        except ConnectionResetError:
            raise NoAnswerError(f"reset after {self._unread[:200]!r}") from None
        if not piece:
            raise NoAnswerError(f"closed after {self._unread[:200]!r}")
        return piece

    def _some(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except (TimeoutError, ConnectionResetError):
            return b""
