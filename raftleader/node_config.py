"""What a leader node must be told."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from pathlib import Path

import attrs

from raftleader import limits
from raftleader.errors import ConfigError
from raftleader.protocol.agents import Domain
from raftleader.replication.settings import RaftSettings

JOURNAL_NAME = "journal"
"""The log's directory in the data directory; locked while a node runs on it. Beside
it are the snapshots, if the engine takes any."""


class Engine(enum.Enum):
    """What replicates the log."""

    AUTO = "auto"
    """``SINGLE_NODE`` for a cluster of one, else ``RAFT``."""
    RAFT = "raft"
    PYSYNCOBJ = "pysyncobj"
    SINGLE_NODE = "single_node"


@attrs.frozen(kw_only=True)
class NodeConfig:
    """Everything a leader node must be told. Raises ConfigError.

    Attributes:
        members: Peer address of every leader node by node id, this one included.
        peer_via: Where to dial a leader node, by node id, instead of at its peer
            address: behind a proxy or an address translation it is another.
        http: ``HOST:PORT`` to listen at for frameworks and operators.
        http_advertise: ``HOST:PORT`` under which they reach us; the bound one if
            None.
        agents: Address to listen at for agents, e.g. ``tcp://0.0.0.0:5060``.
        data_dir: Where the journal lives; made if missing.
        weights: Of roles, in thousandths; None leaves those in the log.
        offer_timeout_s: An unanswered offer is rescinded after this time.
        agent_timeout_s: An agent silent for so long is unreachable.
        raft: Heartbeats, election timeouts and limits of the engine.
        is_joining: The group of leader nodes exists, and ``members`` are those it has
            now, besides this new one: it waits until it is added. Means nothing once
            this node has run.
        domain: Where the node stands: agents of other regions are offered only to
            frameworks that are REGION_AWARE. None: no agent is far away.
        external_log_file: Where this node's log is put by whoever started it; may be
            read over the API.
    """

    cluster_id: str
    node_id: str
    members: Mapping[str, str]
    http: str
    agents: str
    data_dir: Path
    http_advertise: str | None = None
    peer_via: Mapping[str, str] = attrs.field(factory=dict)
    engine: Engine = attrs.field(default=Engine.AUTO, converter=Engine)
    weights: Mapping[str, int] | None = None
    offer_timeout_s: float = limits.OFFER_TIMEOUT_S
    agent_timeout_s: float = limits.AGENT_TIMEOUT_S
    heartbeat_interval_s: float = limits.HEARTBEAT_INTERVAL_S
    raft: RaftSettings = attrs.field(factory=RaftSettings)
    is_joining: bool = False
    domain: Domain | None = None
    external_log_file: Path | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("cluster_id", "node_id"):
            if not getattr(self, name):
                raise ConfigError(f"{name} must not be empty")
        if self.node_id not in self.members:
            raise ConfigError(f"members does not name this node, {self.node_id!r}")
        if self.engine is Engine.SINGLE_NODE and len(self.members) > 1:
            raise ConfigError("engine: single_node is for a cluster of one member")
        if self.node_id in self.peer_via:
            raise ConfigError(f"peer_via names this node, {self.node_id!r}")
        if self.is_joining and self.log_engine is not Engine.RAFT:
            raise ConfigError("join: only a group of engine raft can be joined")
        for name in ("offer_timeout_s", "agent_timeout_s", "heartbeat_interval_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be more than 0, and finite")
        for role, weight in (self.weights or {}).items():
            if weight <= 0:
                raise ConfigError(f"weights: that of {role!r} must be more than 0")

    def flags(self) -> dict[str, str]:
        """The settings as text, by name, for whoever may look at them."""
        flags = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(type(self))
            if field.name not in _NO_PLAIN_TEXT
        }
        flags["engine"] = self.log_engine.value
        if self.domain is not None:
            flags["domain"] = f"{self.domain.region}/{self.domain.zone}"
        flags["members"] = _pairs(self.members)
        flags["peer_via"] = _pairs(self.peer_via)
        flags["weights"] = _pairs(
            {role: millis / 1000 for role, millis in (self.weights or {}).items()}
        )
        flags |= attrs.asdict(self.raft)
        return {
            name: str(value)
            for name, value in sorted(flags.items())
            if value not in (None, "")
        }

    @property
    def log_engine(self) -> Engine:
        """What ``engine`` means here; never ``AUTO``."""
        if self.engine is not Engine.AUTO:
            return self.engine
        is_alone = len(self.members) == 1 and not self.is_joining
        return Engine.SINGLE_NODE if is_alone else Engine.RAFT


_NO_PLAIN_TEXT = ("members", "peer_via", "weights", "raft", "engine", "domain")
"""Settings that ``flags`` writes in a form of their own."""


def _pairs(table: Mapping[str, object]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(table.items()))
