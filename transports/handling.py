"""Runs a handler on an accepted link; the same for every transport."""

from __future__ import annotations

import logging

from transports.errors import TransportError
from transports.interface import Link, LinkHandler

logger = logging.getLogger(__name__)


async def handle_link(handler: LinkHandler, link: Link) -> None:
    """Serve ``link`` and close it, however the handler ends.

    A TransportError ends here, also when it comes in a group (the handler's own
    nursery makes one); anything else is a bug and goes on to the listener.
    """
    try:
        await handler(link)
    except* TransportError as group:
        problem: BaseException = group
        while isinstance(problem, BaseExceptionGroup):
            problem = problem.exceptions[0]
        logger.debug("link with %s ended: %s", link.peer, problem)
    finally:
        await link.aclose()
