"""Composition root of a leader node: what is made of what, started in which order.

    transport - log - replica - leader service - HTTP API
                  `- agent sessions -'

The HTTP and the agents' addresses are bound first, since the first BeginTerm tells
the cluster where our API is; until the log runs, the node simply does not lead.
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol

import attrs
import trio

from raftleader.api.app import build_handler
from raftleader.api.mesos_facts import NodeFacts
from raftleader.garbage import collect_young, tuned_garbage_collection
from raftleader.httpd.messages import Handler
from raftleader.httpd.server import serve_http
from raftleader.leader.agent_sessions import AgentSessions
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.leader.service import LeaderService
from raftleader.leader.term import LeaderSettings
from raftleader.loop_lag import LoopLag
from raftleader.node_config import JOURNAL_NAME as JOURNAL_NAME
from raftleader.node_config import Engine as Engine
from raftleader.node_config import NodeConfig as NodeConfig
from raftleader.replication.interface import ReplicatedLog, StateMachine
from raftleader.replication.member.member import nowhere
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.running import in_thread
from raftleader.replication.single_node import SingleNodeLog
from transports.interface import Transport
from transports.registry import transport_for


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


class LogMaker(Protocol):
    """Makes the log of a node, which feeds ``machine``."""

    def __call__(
        self,
        config: NodeConfig,
        transport: Transport,
        machine: StateMachine,
        rng: random.Random,
    ) -> ReplicatedLog: ...


def make_log(
    config: NodeConfig,
    transport: Transport,
    machine: StateMachine,
    rng: random.Random,
    *,
    at_point: Callable[[str], None] = nowhere,
) -> ReplicatedLog:
    """The log that the configuration asks for, in its data directory.

    ``at_point`` is for tests: see ``RaftLog``; the other engines have no points.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True)
    journal_path = config.data_dir / JOURNAL_NAME
    engine = config.log_engine
    if engine is Engine.SINGLE_NODE:
        return SingleNodeLog(
            config.node_id,
            journal_path,
            machine.apply,
            cluster_id=config.cluster_id,
            run_blocking=in_thread(),
        )
    if engine is Engine.PYSYNCOBJ:
        return PySyncObjLog(
            cluster_id=config.cluster_id,
            node_id=config.node_id,
            members=config.members,
            transport=transport,
            journal_path=journal_path,
            applier=machine.apply,
            rng=rng,
            settings=config.raft,
            via=config.peer_via,
        )
    return RaftLog(
        cluster_id=config.cluster_id,
        node_id=config.node_id,
        members=config.members,
        transport=transport,
        data_dir=config.data_dir,
        machine=machine,
        rng=rng,
        settings=config.raft,
        is_joining=config.is_joining,
        run_blocking=in_thread(),
        via=config.peer_via,
        at_point=at_point,
    )


async def run_node(
    config: NodeConfig,
    *,
    transport: Transport | None = None,
    rng: random.Random | None = None,
    wall_ms: Callable[[], int] | None = None,
    monotonic_s: Callable[[], float] = trio.current_time,
    http_server: HttpServer = serve_http,
    make_log: LogMaker = make_log,
    owns_process: bool = True,
    on_made: Callable[[LeaderService], None] | None = None,
    task_status: trio.TaskStatus[BoundAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be a leader node until cancelled.

    ``started`` is given the addresses once the journal is read and everything
    listens. Raises JournalDamagedError, ConfigError or OSError before that; later
    whatever ends the log or is a bug: a node does not go on with half of itself.
    When cancelled, streams and sessions end first, the journal is closed last.

    For simulations: clocks, HTTP and the log may be others; a node that has not the
    process for itself leaves the garbage collector alone and does not measure how
    late the loop is; ``on_made`` is given the service before anything runs.
    """
    rng = rng or random.Random()
    transport = transport or transport_for(config.agents)
    counts: Counter[str] = Counter()
    clock = ClusterClock(
        monotonic_s=monotonic_s,
        wall_ms=wall_ms or (lambda: time.time_ns() // 1_000_000),
    )
    replica = Replica(cluster_id=config.cluster_id, clock=clock)
    log = make_log(config, transport, replica, rng)
    loop_lag = LoopLag(config.raft.election_timeout_min_s / 3)
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
            region=config.domain.region if config.domain else None,
        ),
        domain=config.domain,
        counts=counts,
        loop_lag=loop_lag,
    )
    if on_made is not None:
        on_made(service)
    with _sole_error(), tuned_garbage_collection() if owns_process else nullcontext():
        async with trio.open_nursery() as outer:
            log_scope = trio.CancelScope()
            try:
                async with trio.open_nursery() as nursery:
                    http: str = await nursery.start(
                        http_server,
                        build_handler(service, _facts_of(config)),
                        config.http,
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
                    if owns_process:
                        nursery.start_soon(loop_lag.run)
                        nursery.start_soon(collect_young)
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


def _facts_of(config: NodeConfig) -> NodeFacts:
    return NodeFacts(
        flags=config.flags(), log_file=config.external_log_file, domain=config.domain
    )


async def _run_log(
    log: ReplicatedLog,
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    with scope:
        await log.run(task_status=task_status)


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
