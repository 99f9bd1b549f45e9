"""The answers that one connection owes, in the order of the requests. Does no IO."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator

import attrs

from raftleader.httpd.messages import Answer, Response, Stream
from raftleader.httpd.parsing import ParsedRequest
from raftleader.httpd.writing import response_bytes, text_response

GATHERED_BYTES_MAX = 256 * 1024
"""Answers are gathered into one write up to this size."""

_INTERNAL_ERROR = text_response(500, "internal error; see the server's log\n")

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Slot:
    """One request's place in the queue of answers.

    ``answer`` is None until it is known. As bytes it is written as it stands, as a
    function it makes the answer when that leaves. ``parsed`` is None for what is no
    answer to a whole request.
    """

    parsed: ParsedRequest | None
    answer: Answer | bytes | Callable[[], Response] | None = None
    closes: bool = False

    def report(self) -> None:
        """Its handler raised: a bug of ours, which must not take the server down."""
        assert self.parsed is not None
        request = self.parsed.request
        _log.exception("handler failed: %s %s", request.method, request.path)
        self.answer = _INTERNAL_ERROR


class AnswerQueue:
    """See the module docstring."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def append(self, slot: Slot) -> None:
        """The next answer is to be this one."""
        self._slots.append(slot)

    def put_back(self, data: bytes, *, closes: bool) -> None:
        """What was gathered and could not be written yet."""
        self._slots.appendleft(Slot(None, data, closes=closes))

    @property
    def is_ready(self) -> bool:
        """The answer at the head is known."""
        return bool(self._slots) and self._slots[0].answer is not None

    @property
    def stream(self) -> Stream | None:
        """The answer at the head, if it is one that lasts."""
        answer = self._slots[0].answer if self._slots else None
        return answer if isinstance(answer, Stream) else None

    def pop(self) -> Slot:
        """Take the head, which must be there."""
        return self._slots.popleft()

    def clear(self) -> None:
        """Nobody waits for them any more."""
        self._slots.clear()

    def gather(self) -> tuple[bytes, bool]:
        """Ready answers as one piece of bytes, and whether the last one closes."""
        parts: list[bytes] = []
        size = 0
        while self._slots and size < GATHERED_BYTES_MAX:
            slot = self._slots[0]
            if slot.answer is None or isinstance(slot.answer, Stream):
                break
            self._slots.popleft()
            part = _bytes_of(slot)
            parts.append(part)
            size += len(part)
            if slot.closes:
                return b"".join(parts), True
        return b"".join(parts), False


def _bytes_of(slot: Slot) -> bytes:
    answer = slot.answer
    if isinstance(answer, bytes):
        return answer
    parsed = slot.parsed
    has_body = parsed is None or parsed.request.method != "HEAD"
    try:
        if not isinstance(answer, Response):
            assert callable(answer)
            answer = answer()
            if not isinstance(answer, Response):
                raise TypeError(f"{answer!r} is no answer")
        return response_bytes(answer, closes=slot.closes, has_body=has_body)
    except Exception:
        slot.report()
        return response_bytes(_INTERNAL_ERROR, closes=slot.closes, has_body=has_body)
