"""What a transport may raise. After any of these on a link, the link is closed.

Kept apart from ``interface.py`` so that pure code (``frames.py``) needs no trio.
"""

from __future__ import annotations


class TransportError(Exception):
    """Base of the errors of this package."""


class LinkClosedError(TransportError):
    """The link is gone: closed by us, by the peer, or broken. Dial again."""


class DialError(TransportError):
    """No link could be made: nobody listens there, or a fault forbids it."""


class FrameTooLargeError(TransportError):
    """A frame over the limit, at either end. The link is closed."""


class BadFrameError(TransportError):
    """The peer sent bytes that are no frame of ours. The link is closed.

    ``offset`` is where in the peer's stream of bytes the bad frame begins, or
    None for a transport that has no such thing.
    """

    def __init__(self, problem: str, *, offset: int | None = None) -> None:
        super().__init__(
            problem if offset is None else f"bad frame at byte {offset}: {problem}"
        )
        self.problem = problem
        self.offset = offset


class BadAddressError(TransportError):
    """An address this transport cannot use; the message says why."""
