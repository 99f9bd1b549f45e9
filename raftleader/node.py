"""Composition root of a leader node: what is made of what, started in which order.

    transport - log - replica - leader service - HTTP API
                  `- agent sessions -'

The HTTP and the agents' addresses are bound first, since the first BeginTerm tells
the cluster where our API is; until the log runs, the node simply does not lead.
"""

from __future__ import annotations

import enum
import gc
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import attrs
import trio

from raftleader import limits
from raftleader.api.app import build_handler
from raftleader.errors import ConfigError
from raftleader.httpd.messages import Handler
from raftleader.httpd.server import serve_http
from raftleader.leader.agent_sessions import AgentSessions
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.leader.service import LeaderService
from raftleader.leader.term import LeaderSettings
from raftleader.replication.interface import Applier, ReplicatedLog
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.replication.settings import RaftSettings
from raftleader.replication.single_node import SingleNodeLog
from transports.interface import Transport
from transports.registry import transport_for

JOURNAL_NAME = "journal"
"""The log's file in the data directory; it is locked while a node runs on it."""


class Engine(enum.Enum):
    """What replicates the log."""

    AUTO = "auto"
    """``SINGLE_NODE`` for a cluster of one, else ``PYSYNCOBJ``."""
    PYSYNCOBJ = "pysyncobj"
    SINGLE_NODE = "single_node"


@attrs.frozen(kw_only=True)
class NodeConfig:
    """Everything a leader node must be told. Raises ConfigError.

    Attributes:
        members: Peer address of every leader node by node id, this one included.
        http: ``HOST:PORT`` to listen at for frameworks and operators.
        http_advertise: ``HOST:PORT`` under which they reach us; the bound one if
            None.
        agents: Address to listen at for agents, e.g. ``tcp://0.0.0.0:5060``.
        data_dir: Where the journal lives; made if missing.
        weights: Of roles, in thousandths; None leaves those in the log.
        offer_timeout_s: An unanswered offer is rescinded after this time.
        agent_timeout_s: An agent silent for so long is unreachable.
        raft: Heartbeats, election timeouts and limits of the engine.
    """

    cluster_id: str
    node_id: str
    members: Mapping[str, str]
    http: str
    agents: str
    data_dir: Path
    http_advertise: str | None = None
    engine: Engine = attrs.field(default=Engine.AUTO, converter=Engine)
    weights: Mapping[str, int] | None = None
    offer_timeout_s: float = limits.OFFER_TIMEOUT_S
    agent_timeout_s: float = limits.AGENT_TIMEOUT_S
    heartbeat_interval_s: float = limits.HEARTBEAT_INTERVAL_S
    raft: RaftSettings = attrs.field(factory=RaftSettings)

    def __attrs_post_init__(self) -> None:
        for name in ("cluster_id", "node_id"):
            if not getattr(self, name):
                raise ConfigError(f"{name} must not be empty")
        if self.node_id not in self.members:
            raise ConfigError(f"members does not name this node, {self.node_id!r}")
        if self.engine is Engine.SINGLE_NODE and len(self.members) > 1:
            raise ConfigError("engine: single_node is for a cluster of one member")
        for name in ("offer_timeout_s", "agent_timeout_s", "heartbeat_interval_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be more than 0, and finite")
        for role, weight in (self.weights or {}).items():
            if weight <= 0:
                raise ConfigError(f"weights: that of {role!r} must be more than 0")


@attrs.frozen(kw_only=True)
class BoundAddresses:
    """Where a running node can be reached; ports of 0 have become numbers."""

    http: str
    agents: str
    peer: str


class HttpServer(Protocol):
    """``httpd.serve_http``, or what stands for it in a simulation."""

    async def __call__(
        self,
        handler: Handler,
        address: str,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None: ...


async def run_node(
    config: NodeConfig,
    *,
    transport: Transport | None = None,
    rng: random.Random | None = None,
    wall_ms: Callable[[], int] | None = None,
    http_server: HttpServer = serve_http,
    on_made: Callable[[LeaderService], None] | None = None,
    task_status: trio.TaskStatus[BoundAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be a leader node until cancelled.

    ``started`` is given the addresses once the journal is read and everything
    listens. Raises JournalDamagedError, ConfigError or OSError before that; later
    whatever ends the log or is a bug: a node does not go on with half of itself.
    When cancelled, streams and sessions end first, the journal is closed last.

    ``on_made`` is given the service before anything runs: simulations look into it.
    """
    rng = rng or random.Random()
    transport = transport or transport_for(config.agents)
    counts: Counter[str] = Counter()
    clock = ClusterClock(
        monotonic_s=trio.current_time,
        wall_ms=wall_ms or (lambda: time.time_ns() // 1_000_000),
    )
    replica = Replica(cluster_id=config.cluster_id, clock=clock)
    log = _make_log(config, transport, replica.apply, rng)
    sessions = AgentSessions(
        replica.state,
        node_id=config.node_id,
        agent_timeout_s=config.agent_timeout_s,
        counts=counts,
    )
    service = LeaderService(
        log,
        replica=replica,
        clock=clock,
        sessions=sessions,
        node_id=config.node_id,
        http_address=config.http_advertise or config.http,
        rng=rng,
        settings=LeaderSettings(
            weights=dict(config.weights) if config.weights is not None else None,
            offer_timeout_s=config.offer_timeout_s,
            agent_timeout_s=config.agent_timeout_s,
            heartbeat_interval_s=config.heartbeat_interval_s,
        ),
        counts=counts,
    )
    if on_made is not None:
        on_made(service)
    with _sole_error(), _tuned_garbage_collection():
        async with trio.open_nursery() as outer:
            log_scope = trio.CancelScope()
            try:
                async with trio.open_nursery() as nursery:
                    http: str = await nursery.start(
                        http_server, build_handler(service), config.http
                    )
                    if config.http_advertise is None:
                        service.http_address = http
                    agents: str = await nursery.start(
                        sessions.run, transport, config.agents
                    )
                    await outer.start(_run_log, log, log_scope)
                    # From now on the log outlives everything that proposes to it.
                    log_scope.shield = True
                    await nursery.start(service.run)
                    # What was made so far stays: never look at it again.
                    gc.freeze()
                    task_status.started(
                        BoundAddresses(
                            http=http,
                            agents=agents,
                            peer=config.members[config.node_id],
                        )
                    )
            finally:
                log_scope.cancel()


async def _run_log(
    log: ReplicatedLog,
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    with scope:
        await log.run(task_status=task_status)


def _make_log(
    config: NodeConfig, transport: Transport, applier: Applier, rng: random.Random
) -> ReplicatedLog:
    config.data_dir.mkdir(parents=True, exist_ok=True)
    journal_path = config.data_dir / JOURNAL_NAME
    is_alone = len(config.members) == 1
    if config.engine is Engine.SINGLE_NODE or (
        config.engine is Engine.AUTO and is_alone
    ):
        return SingleNodeLog(
            config.node_id, journal_path, applier, cluster_id=config.cluster_id
        )
    return PySyncObjLog(
        cluster_id=config.cluster_id,
        node_id=config.node_id,
        members=config.members,
        transport=transport,
        journal_path=journal_path,
        applier=applier,
        rng=rng,
        settings=config.raft,
    )


@contextmanager
def _sole_error() -> Iterator[None]:
    """Raise the one error in nested groups alone: callers look for its type."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


@contextmanager
def _tuned_garbage_collection() -> Iterator[None]:
    """A full collection looks at every row of the state and every session: seconds
    with 50,000 agents, and a leader that is silent for 0.2 s loses its office. The
    rows hold no cycles, so reference counts free them. We collect young garbage,
    in steps of a few milliseconds, and old garbage practically never."""
    before = gc.get_threshold()
    gc.set_threshold(10_000, 20, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
