"""The three sections of a configuration: every key, its type and its default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.limits import (
    AGENT_TIMEOUT_S,
    KEEP_ENTRIES,
    OFFER_TIMEOUT_S,
    SNAPSHOT_ENTRIES,
)
from raftleader.protocol.agents import Domain, parse_domain
from raftleader.protocol.frameworks import role_problem
from raftleader.protocol.resources import parse_millis

SECONDS_MAX = 10 * 365 * 24 * 3600.0
"""Longest time that can be set: of the order of what a framework may ask for, and
in milliseconds still a number that every codec can carry."""


def _check_seconds(section: object, field: attrs.Attribute[Any], value: float) -> None:
    if not 0 < value <= SECONDS_MAX:
        raise ConfigError(
            f"{field.name}: expected more than 0 seconds, and at most ten years, "
            f"got {value:g}"
        )


def _check_entries(section: object, field: attrs.Attribute[Any], value: int) -> None:
    if value < 1:
        raise ConfigError(f"{field.name}: expected at least 1, got {value}")


@attrs.frozen(kw_only=True)
class LeaderSection:
    """One leader node.

    Attributes:
        node_id: Its name among the leaders; one of those in ``peers``.
        data_dir: Where its journal lies. Never shared, never moved while it runs.
        peers: ``NODE_ID=tcp://HOST:PORT`` of every leader node, itself included.
            With none, the cluster has this one leader.
        peer_via: ``NODE_ID=tcp://HOST:PORT``: where to dial that leader node, when it
            is reached at another address than the others know.
        http: ``HOST:PORT`` to listen at for frameworks and operators.
        http_advertise: ``HOST:PORT`` under which they reach us; None for ``http``.
        agents: ``tcp://HOST:PORT`` where agents dial in.
        cluster_id: Equal on all leaders; agents of another cluster are refused.
        engine: What replicates the log: ``auto``, ``raft``, ``pysyncobj``,
            ``single_node``. Equal on all leaders.
        join: The cluster exists; ``peers`` are its leaders and this new one, which
            waits until it is added. Means nothing once it has run.
        weights: ``ROLE=NUMBER``; a role of weight 2 gets twice the share of one of
            1. With none, those in the log stay as they are.
        offer_timeout_s: An unanswered offer is rescinded after this time.
        agent_timeout_s: An agent silent for so long is unreachable.
        snapshot_entries: Of the log between two snapshots (engine ``raft``).
        keep_entries: Kept before a snapshot, for nodes that are a little behind.
        domain: ``REGION/ZONE`` where it stands: agents of other regions are offered
            only to frameworks with REGION_AWARE. Equal regions on all leaders.
        external_log_file: Where whoever starts the node puts its log; read over the
            API. With none nobody reads it there.
        nice: Its priority on a busy machine, -20 (most urgent) to 19. With none, that
            of whoever starts it.
    """

    node_id: str = "leader"
    data_dir: Path
    peers: tuple[str, ...] = attrs.field(default=(), metadata={"flag": "--peer"})
    peer_via: tuple[str, ...] = ()
    http: str = "127.0.0.1:5050"
    http_advertise: str | None = None
    agents: str = "tcp://127.0.0.1:5150"
    cluster_id: str = "raftleader"
    engine: str = "auto"
    join: bool = False
    weights: tuple[str, ...] = attrs.field(default=(), metadata={"flag": "--weight"})
    offer_timeout_s: float = attrs.field(
        default=OFFER_TIMEOUT_S, validator=_check_seconds
    )
    agent_timeout_s: float = attrs.field(
        default=AGENT_TIMEOUT_S, validator=_check_seconds
    )
    snapshot_entries: int = attrs.field(
        default=SNAPSHOT_ENTRIES, validator=_check_entries
    )
    keep_entries: int = attrs.field(default=KEEP_ENTRIES, validator=_check_entries)
    domain: str | None = None
    external_log_file: Path | None = None
    nice: int | None = None
    log_level: str = "info"

    def weight_table(self) -> dict[str, int] | None:
        """``weights`` in thousandths by role, None for none. Raises ConfigError."""
        table: dict[str, int] = {}
        for item in self.weights:
            role, equals, number = item.partition("=")
            if not equals or role_problem(role):
                raise ConfigError(f"weights: {item!r} is not ROLE=NUMBER")
            try:
                table[role] = parse_millis(number, "weights")
            except InvalidInputError as error:
                raise ConfigError(f"weights: {item!r}: {error.problem}") from error
        return table or None

    def peer_table(self) -> dict[str, str]:
        """``peers`` as node id to address. Raises ConfigError."""
        table = _addresses("peers", self.peers)
        if table and self.node_id not in table:
            raise ConfigError(
                f"node_id: {self.node_id!r} is none of peers "
                f"({', '.join(sorted(table))})"
            )
        return table

    def peer_via_table(self) -> dict[str, str]:
        """``peer_via`` as node id to address. Raises ConfigError."""
        table = _addresses("peer_via", self.peer_via)
        if self.node_id in table:
            raise ConfigError(f"peer_via: {self.node_id!r} is this node itself")
        return table


def _addresses(key: str, items: tuple[str, ...]) -> dict[str, str]:
    table: dict[str, str] = {}
    for item in items:
        node_id, equals, address = item.partition("=")
        if not equals or not node_id or not address:
            raise ConfigError(f"{key}: {item!r} is not NODE_ID=tcp://HOST:PORT")
        if node_id in table:
            raise ConfigError(f"{key}: {node_id!r} is named twice")
        table[node_id] = address
    return table


@attrs.frozen(kw_only=True)
class AgentSection:
    """One agent.

    Attributes:
        work_dir: Its memory and the sandboxes of its tasks.
        leaders: ``tcp://HOST:PORT`` of every leader node's ``agents``.
        http: ``HOST:PORT`` of its files and state.
        resources: What it offers, e.g. ``cpus:4;mem:8192``; the rest is detected.
        attributes: Facts for frameworks, e.g. ``rack:r1;level:10``.
        domain: ``REGION/ZONE`` where the machine stands.
        hostname: Under which frameworks reach it; None for this machine's name.
        cluster_id: Refuse any other cluster; "" takes the first one it meets.
    """

    work_dir: Path
    leaders: tuple[str, ...] = attrs.field(metadata={"flag": "--leader"})
    http: str = "127.0.0.1:5051"
    resources: str | None = None
    attributes: str | None = None
    domain: str | None = None
    hostname: str | None = None
    cluster_id: str = ""
    log_level: str = "info"


@attrs.frozen(kw_only=True)
class ClientSection:
    """Commands that speak to a running cluster.

    Attributes:
        leaders: ``HOST:PORT`` of some leader nodes' ``http``.
        timeout_s: How long to look for a leader.
    """

    leaders: tuple[str, ...] = attrs.field(
        default=("127.0.0.1:5050",), metadata={"flag": "--leader"}
    )
    timeout_s: float = attrs.field(default=10.0, validator=_check_seconds)


def domain_of(section: LeaderSection | AgentSection) -> Domain | None:
    """``domain``, read. Raises ConfigError."""
    if section.domain is None:
        return None
    try:
        return parse_domain(section.domain)
    except InvalidInputError as error:
        raise ConfigError(str(error)) from error
