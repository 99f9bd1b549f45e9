"""``leader``: from settings to a running leader node."""

from __future__ import annotations

from functools import partial

from raftleader.cli.daemons import check_host_port, check_transport_address, serve
from raftleader.cli.exit_codes import one_line
from raftleader.cli.priority import be_nice, check_nice
from raftleader.cli.sections import LeaderSection, domain_of
from raftleader.errors import ConfigError
from raftleader.node import Engine, NodeConfig, run_node
from raftleader.protocol.ids import id_problem
from raftleader.replication.settings import RaftSettings

NO_PEER = "tcp://127.0.0.1:0"
"""The peer address of a node that has no peers; nobody listens there."""
AFTER_DAMAGE = """\
No older copy may take its place: a node must not forget what it has confirmed.
"raftleader journal check" shows what can be read. In a cluster of several leaders,
replace the node: raftleader members remove it, give it an empty data directory, start
it with --join, add it and promote it. See docs/replication.md."""


async def serve_leader(section: LeaderSection, *, lifeline_fd: int | None) -> int:
    """Run a leader node until it is told to end; returns the exit code.

    Raises ConfigError, JournalDamagedError or OSError if it cannot begin.
    """
    config = node_config_of(section)
    if section.nice is not None:
        be_nice(section.nice)
    addresses = {"http": config.http, "agents": config.agents}
    addresses |= {"peers": config.members[config.node_id]} if section.peers else {}
    return await serve(
        partial(run_node, config),
        addresses=addresses,
        after_damage=AFTER_DAMAGE,
        lifeline_fd=lifeline_fd,
    )


def node_config_of(section: LeaderSection) -> NodeConfig:
    """Checked, with its data folder made. Raises ConfigError."""
    for key in ("node_id", "cluster_id"):
        if problem := id_problem(getattr(section, key)):
            raise ConfigError(f"{key}: {problem}")
    if section.nice is not None:
        check_nice(section.nice)
    members = section.peer_table() or {section.node_id: NO_PEER}
    for address in members.values():
        check_transport_address("peers", address)
    peer_via = section.peer_via_table()
    for address in peer_via.values():
        check_transport_address("peer_via", address)
    check_transport_address("agents", section.agents)
    check_host_port("http", section.http)
    if section.http_advertise is not None:
        check_host_port("http_advertise", section.http_advertise)
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
        peer_via=peer_via,
        http=section.http,
        http_advertise=section.http_advertise,
        agents=section.agents,
        data_dir=section.data_dir,
        engine=engine,
        is_joining=section.join,
        weights=section.weight_table(),
        offer_timeout_s=section.offer_timeout_s,
        agent_timeout_s=section.agent_timeout_s,
        domain=domain_of(section),
        external_log_file=section.external_log_file,
        raft=RaftSettings(
            snapshot_entries=section.snapshot_entries,
            keep_entries=section.keep_entries,
        ),
    )
