"""What ``leader`` and ``agent`` have in common: how a daemon begins and ends.

The daemons have modules of their own, so that neither imports the other's parts:
an interpreter starts in half the time, and so does a node that comes back.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import trio

from raftleader.cli.exit_codes import sole_error
from raftleader.cli.local_ports import is_free
from raftleader.cli.serve import run_until_ended
from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.httpd.server import split_address
from transports.errors import BadAddressError
from transports.registry import check_address

logger = logging.getLogger("raftleader")


async def serve(
    service: Callable[..., Awaitable[object]],
    *,
    addresses: Mapping[str, str],
    after_damage: str,
    lifeline_fd: int | None,
) -> int:
    """Run a service that takes ``task_status`` until told to end; the exit code.

    ``addresses`` are those it listens at, by key: one that it cannot have is named.
    ``after_damage`` is said to whoever has to mend a damaged file.
    """

    async def run() -> None:
        async with (
            bad_addresses_named(addresses),
            damage_explained(after_damage),
            trio.open_nursery() as nursery,
        ):
            await nursery.start(service)
            logger.info("serving", extra=dict(addresses))

    code = await run_until_ended(run, lifeline_fd=lifeline_fd)
    logger.info("stopped")
    return code


def check_host_port(key: str, address: str) -> None:
    """Raises ConfigError that names ``key`` unless it is ``HOST:PORT``."""
    try:
        split_address(address)
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from None


def check_transport_address(key: str, address: str) -> None:
    """Raises ConfigError that names ``key`` unless a transport serves ``address``."""
    try:
        check_address(address)
    except BadAddressError as error:
        raise ConfigError(f"{key}: {error}") from error


@asynccontextmanager
async def bad_addresses_named(addresses: Mapping[str, str]) -> AsyncIterator[None]:
    """Turn "address already in use" and "cannot assign requested address" into an
    error that says which one."""
    try:
        yield
    except BaseException as error:
        cause = sole_error(error)
        if isinstance(cause, OSError) and cause.errno in (
            errno.EADDRINUSE,
            errno.EADDRNOTAVAIL,
        ):
            for key, address in addresses.items():
                host, port = split_address(address.rpartition("//")[2])
                if not is_free(port, host):
                    problem = (
                        "is already in use"
                        if cause.errno == errno.EADDRINUSE
                        else "is no address of this machine"
                    )
                    raise OSError(cause.errno, f"{key}: {address} {problem}") from error
        raise


@asynccontextmanager
async def damage_explained(advice: str) -> AsyncIterator[None]:
    """Add to an error about a damaged file what a person can do."""
    try:
        yield
    except BaseException as error:
        cause = sole_error(error)
        if isinstance(cause, JournalDamagedError):
            cause.add_note(advice)
        raise
