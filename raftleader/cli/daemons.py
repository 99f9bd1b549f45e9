"""``leader`` and ``agent``: from settings to a running service."""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from agent.config import AgentConfig
from agent.service import run_agent
from raftleader.cli.exit_codes import sole_error
from raftleader.cli.local_ports import is_free
from raftleader.cli.sections import AgentSection
from raftleader.cli.serve import run_until_ended
from raftleader.framework.addresses import parse_address
from transports.registry import transport_for

logger = logging.getLogger("raftleader")

cached_transport_for = functools.cache(transport_for)


async def serve_agent(section: AgentSection, *, lifeline_fd: int | None) -> int:
    """Run an agent until it is told to end; returns the exit code.

    Raises ConfigError, JournalDamagedError or OSError if it cannot begin.
    """
    for address in section.leaders:
        transport_for(address)
    config = AgentConfig(
        leaders=section.leaders,
        work_dir=section.work_dir,
        http=section.http,
        hostname=section.hostname,
        resources=section.resources,
        attributes=section.attributes,
        cluster_id=section.cluster_id,
    )

    async def service() -> None:
        async with taken_ports_named({"http": section.http}):
            await run_agent(config, transport_for=cached_transport_for)

    code = await run_until_ended(service, lifeline_fd=lifeline_fd)
    logger.info("agent stopped")
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
                host, port = parse_address(address.rpartition("//")[2])
                if not is_free(port, host):
                    raise OSError(
                        errno.EADDRINUSE, f"{key}: {address} is already in use"
                    ) from error
        raise
