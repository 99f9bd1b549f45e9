"""Three leader nodes and two agents on a virtual clock, spoken to in JSON.

Everything is the real thing but the network, the processes of tasks, and sockets: calls
go to the nodes' handlers. Any answer 500 and any error in the log is a failure.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from agent.config import AgentConfig
from agent.containerizer.fake import FakeContainerizer, Script
from agent.containerizer.interface import Launch
from agent.machine.events import ProcessExit
from agent.service import run_agent
from raftleader.httpd.messages import (
    Deferred,
    Handler,
    MakeResponse,
    Promise,
    Request,
    Response,
    Stream,
)
from raftleader.leader.replica import Replica
from raftleader.leader.service import LeaderService
from raftleader.node import NodeConfig, run_node
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.settings import RaftSettings
from raftleader.state.cluster import ClusterState
from raftleader.state.invariants import violations
from transports.interface import Transport
from transports.memory import MemoryNetwork

NAMES = ("n1", "n2", "n3")
AGENTS = ("a1", "a2")
MEMBERS = {name: f"mem://{name}/peers" for name in NAMES}
WALL_MS = 1_700_000_000_000
RESOURCES = "cpus:4;mem:1024;disk:1024;ports:[31000-31009];gpus:0"
SLOW_RAFT = RaftSettings(
    heartbeat_s=1.0,
    election_timeout_min_s=4.0,
    election_timeout_max_s=8.0,
    leader_fallback_s=9.0,
    ping_interval_s=5.0,
    silence_s=15.0,
    snapshot_entries=60,
    keep_entries=20,
)
"""An hour shall not be a million heartbeats. Snapshots are taken, too."""


def log_without_threads(
    config: NodeConfig, transport: Transport, machine: Replica, rng: random.Random
) -> RaftLog:
    """Waits for its disk in the event loop: a virtual clock knows of no threads."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    return RaftLog(
        cluster_id=config.cluster_id,
        node_id=config.node_id,
        members=config.members,
        transport=transport,
        data_dir=config.data_dir,
        machine=machine,
        rng=rng,
        settings=config.raft,
    )


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


async def _answer_of(reply: Deferred | Promise) -> Response | Stream:
    if not isinstance(reply, Promise):
        return await reply()
    is_kept = trio.Event()
    answers: list[Response] = []

    def take(make: MakeResponse) -> None:
        answers.append(make())
        is_kept.set()

    reply.when_kept(take)
    await is_kept.wait()
    return answers[0]


class ErrorLog(logging.Handler):
    """Keeps what a person would have to look at."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@attrs.define(eq=False)
class _Life:
    """A node while it runs."""

    scope: trio.CancelScope
    service: LeaderService | None = None
    handler: Handler | None = None
    ended: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class WholeCluster:
    """Begin it in a nursery, with the clock of that run."""

    folder: Path
    rng: random.Random
    nursery: trio.Nursery
    errors: ErrorLog = attrs.field(factory=ErrorLog)
    lives: dict[str, _Life] = attrs.field(factory=dict)
    agents: dict[str, trio.CancelScope] = attrs.field(factory=dict)
    network: MemoryNetwork = attrs.field(init=False)
    containerizers: dict[str, FakeContainerizer] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.network = MemoryNetwork(rng=self.rng, latency_s=(0.0005, 0.002))
        self.containerizers = {
            name: FakeContainerizer(self._script_of) for name in AGENTS
        }

    async def begin(self) -> None:
        for name in NAMES:
            await self.start_node(name)
        await self.until(lambda: self.leader is not None)
        for name in AGENTS:
            self.start_agent(name)
        await self.until(lambda: len(self.state.agents) == len(AGENTS))

    async def start_node(self, name: str) -> None:
        life = self.lives[name] = _Life(trio.CancelScope())

        async def no_http(
            handler: Handler, address: str, *, task_status: trio.TaskStatus[str]
        ) -> None:
            life.handler = handler
            task_status.started(address)
            await trio.sleep_forever()

        def made(service: LeaderService) -> None:
            life.service = service

        async def live(*, task_status: trio.TaskStatus[object]) -> None:
            config = NodeConfig(
                cluster_id="whole",
                node_id=name,
                members=MEMBERS,
                http=f"{name}:8080",
                agents=f"mem://{name}/agents",
                data_dir=self.folder / name,
                raft=SLOW_RAFT,
            )
            with life.scope:
                await run_node(
                    config,
                    transport=self.network.transport(name),
                    rng=random.Random(self.rng.random()),
                    wall_ms=lambda: WALL_MS,
                    http_server=no_http,
                    make_log=log_without_threads,
                    owns_process=False,
                    on_made=made,
                    task_status=task_status,  # type: ignore[arg-type]
                )
            life.ended.set()

        await self.nursery.start(live)

    async def stop_node(self, name: str) -> None:
        life = self.lives.pop(name)
        life.scope.cancel()
        await life.ended.wait()

    def start_agent(self, name: str) -> None:
        scope = self.agents[name] = trio.CancelScope()

        async def live() -> None:
            await run_agent(
                AgentConfig(
                    leaders=tuple(f"mem://{node}/agents" for node in NAMES),
                    work_dir=self.folder / name,
                    http=None,
                    hostname=name,
                    ip="10.0.0.1",
                    resources=RESOURCES,
                    is_fsync_on=False,
                ),
                transport_for=lambda address: self.network.transport(name),
                containerizer=self.containerizers[name],
                rng=random.Random(self.rng.random()),
                clock=lambda: WALL_MS,
                run_blocking=inline,
                crash=scope,
            )

        self.nursery.start_soon(live)

    def stop_agent(self, name: str) -> None:
        """As ``kill -9`` does."""
        self.agents.pop(name).cancel()

    @property
    def leader(self) -> str | None:
        """The node that leads."""
        for name, life in self.lives.items():
            if life.service is not None and life.service.leadership.leading:
                return name
        return None

    @property
    def state(self) -> ClusterState:
        """What the leader knows, or else any node."""
        name = self.leader or next(iter(self.lives))
        service = self.lives[name].service
        assert service is not None
        return service.state

    async def until(self, holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
        with trio.fail_after(timeout_s):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.01)

    async def ask(
        self, message: Any, path: str = "/api/v1/scheduler", **headers: str
    ) -> Response | Stream:
        """POST it to the node that leads, if one does; 503 if none does."""
        name = self.leader
        handler = self.lives[name].handler if name is not None else None
        if handler is None:
            return Response(status=503)
        named = {key.replace("_", "-"): text for key, text in headers.items()}
        request = Request(
            method="POST",
            path=path,
            target=path,
            headers={"content-type": "application/json", **named},
            body=json.dumps(message).encode(),
        )
        answer = handler(request)
        if not isinstance(answer, Response | Stream):
            with trio.fail_after(30):
                answer = await _answer_of(answer)
        assert answer.status != 500, (message, answer)
        return answer

    async def order(self, kind: str, body: Any = None) -> Response | Stream:
        """A call of the operator API."""
        message = {"type": kind} | ({} if body is None else {kind.lower(): body})
        return await self.ask(message, "/api/v1")

    def problems(self) -> list[str]:
        """What is wrong now."""
        found = list(self.errors.records)
        for name, life in self.lives.items():
            if life.service is not None:
                found += [f"{name}: {v}" for v in violations(life.service.state)]
        return found

    def _script_of(self, launch: Launch) -> Script:
        chance = random.Random(str(launch.key))
        return Script(
            duration_s=chance.choice([0.0, 0.1, 3.0, 40.0, 100_000.0]),
            exit=ProcessExit(code=chance.choice([0, 0, 1])),
            is_term_ignored=chance.random() < 0.2,
            problem="it cannot" if chance.random() < 0.1 else None,
        )
