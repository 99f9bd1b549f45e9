"""What ``leader`` and ``agent`` have in common: how a daemon begins and ends.

The daemons have modules of their own, so that neither imports the other's parts:
an interpreter starts in half the time, and so does a node that comes back.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from raftleader.cli.exit_codes import sole_error
from raftleader.cli.local_ports import is_free
from raftleader.cli.serve import run_until_ended
from raftleader.httpd.server import split_address

logger = logging.getLogger("raftleader")


async def serve(
    service: Callable[..., Awaitable[object]],
    *,
    addresses: Mapping[str, str],
    lifeline_fd: int | None,
) -> int:
    """Run a service that takes ``task_status`` until told to end; the exit code.

    ``addresses`` are those it listens at, by key: one that is taken is named.
    """

    async def run() -> None:
        async with taken_ports_named(addresses):
            await service()

    code = await run_until_ended(run, lifeline_fd=lifeline_fd)
    logger.info("stopped")
    return code


@asynccontextmanager
async def taken_ports_named(addresses: Mapping[str, str]) -> AsyncIterator[None]:
    """Turn "address already in use" into an error that says which one."""
    try:
        yield
    except BaseException as error:
        cause = sole_error(error)
        if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            for key, address in addresses.items():
                host, port = split_address(address.rpartition("//")[2])
                if not is_free(port, host):
                    raise OSError(
                        errno.EADDRINUSE, f"{key}: {address} is already in use"
                    ) from error
        raise
