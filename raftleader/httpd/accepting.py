"""Accepting connections, also while the process is short of descriptors."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable

import trio

PAUSE_S = 0.1
"""Between two attempts while there is nothing to accept with."""
WARNED_EVERY_S = 10.0
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger(__name__)

ServeStream = Callable[[trio.SocketStream], Awaitable[None]]


async def accept_connections(
    listener: trio.SocketListener, serve: ServeStream, nursery: trio.Nursery
) -> None:
    """Start ``serve`` in ``nursery`` for each connection, until cancelled.

    Without descriptors or memory it goes on trying, and says so every now and then:
    those who wait in the kernel's queue are served when there are some again. The
    listener is closed in the end. Raises OSError if it is broken.
    """
    warned_at = -WARNED_EVERY_S
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                now = trio.current_time()
                if now - warned_at >= WARNED_EVERY_S:
                    warned_at = now
                    _log.warning("cannot accept connections for now: %s", error)
                await trio.sleep(PAUSE_S)
            else:
                nursery.start_soon(_serve, serve, stream)


async def _serve(serve: ServeStream, stream: trio.SocketStream) -> None:
    try:
        await serve(stream)
    finally:
        await trio.aclose_forcefully(stream)
