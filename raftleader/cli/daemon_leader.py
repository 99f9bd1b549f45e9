"""``leader``: from settings to a running leader node."""

from __future__ import annotations

from functools import partial

from raftleader.cli.daemons import serve
from raftleader.cli.exit_codes import one_line
from raftleader.cli.sections import LeaderSection
from raftleader.errors import ConfigError
from raftleader.node import Engine, NodeConfig, run_node
from transports.registry import transport_for

NO_PEER = "tcp://127.0.0.1:0"
"""The peer address of a node that has no peers; nobody listens there."""


async def serve_leader(section: LeaderSection, *, lifeline_fd: int | None) -> int:
    """Run a leader node until it is told to end; returns the exit code.

    Raises ConfigError, JournalDamagedError or OSError if it cannot begin.
    """
    config = node_config_of(section)
    addresses = {"http": config.http, "agents": config.agents}
    addresses |= {"peers": config.members[config.node_id]} if section.peers else {}
    return await serve(
        partial(run_node, config), addresses=addresses, lifeline_fd=lifeline_fd
    )


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
