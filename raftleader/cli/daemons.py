"""``leader`` and ``agent``: from settings to a running service."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial

import trio

from agent.config import AgentConfig
from agent.service import run_agent
from raftleader.cli.exit_codes import one_line, sole_error
from raftleader.cli.local_ports import is_free
from raftleader.cli.sections import AgentSection, LeaderSection
from raftleader.cli.serve import run_until_ended
from raftleader.errors import ConfigError
from raftleader.httpd.server import split_address
from raftleader.node import Engine, NodeConfig, run_node
from transports.registry import transport_for

logger = logging.getLogger("raftleader")

NO_PEER = "tcp://127.0.0.1:0"
"""The peer address of a node that has no peers; nobody listens there."""

cached_transport_for = cache(transport_for)


async def serve_leader(section: LeaderSection, *, lifeline_fd: int | None) -> int:
    """Run a leader node until it is told to end; returns the exit code.

    Raises ConfigError, JournalDamagedError or OSError if it cannot begin.
    """
    config = node_config_of(section)
    addresses = {"http": config.http, "agents": config.agents}
    addresses |= {"peers": config.members[config.node_id]} if section.peers else {}

    async def service() -> None:
        async with taken_ports_named(addresses):
            await run_once_begun(partial(run_node, config))

    code = await run_until_ended(service, lifeline_fd=lifeline_fd)
    logger.info("leader node stopped", extra={"node_id": config.node_id})
    return code


def node_config_of(section: LeaderSection) -> NodeConfig:
    """Checked, with its data folder made. Raises ConfigError, BadAddressError."""
    members = section.peer_table() or {section.node_id: NO_PEER}
    for address in (*members.values(), section.agents):
        transport_for(address)
    try:
        engine = Engine(section.engine)
    except ValueError:
        engines = ", ".join(sorted(kind.value for kind in Engine))
        raise ConfigError(f"engine: {section.engine!r} is none of {engines}") from None
    try:
        section.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data_dir: {one_line(error)}") from error
    return NodeConfig(
        cluster_id=section.cluster_id,
        node_id=section.node_id,
        members=members,
        http=section.http,
        http_advertise=section.http_advertise,
        agents=section.agents,
        data_dir=section.data_dir,
        engine=engine,
        weights=section.weight_table(),
        offer_timeout_s=section.offer_timeout_s,
        agent_timeout_s=section.agent_timeout_s,
    )


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
            await run_once_begun(
                partial(run_agent, config, transport_for=cached_transport_for)
            )

    code = await run_until_ended(service, lifeline_fd=lifeline_fd)
    logger.info("agent stopped")
    return code


async def run_once_begun(service: Callable[..., Awaitable[object]]) -> None:
    """Run a service that takes ``task_status``; a cancellation before ``started``
    waits for that.

    Beginning is short and bounded; half begun a daemon could not end in order.
    """
    async with trio.open_nursery() as nursery:
        with trio.CancelScope(shield=True):
            await nursery.start(service)


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
