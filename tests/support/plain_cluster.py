"""A cluster of plain processes for nemeses: they do nothing but live, unless told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import psutil
import trio

from chaos.history.records import Record
from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import LinkFault, LiveNode, World
from raftleader.cli.api_client import ApiClient
from raftleader.cli.local_cluster import LocalClusterError, Statuses

SLEEP = ("sleep", "600")
Command = Callable[[LiveNode], Sequence[str]]


@attrs.define
class Notes:
    """A journal that keeps what is written."""

    records: list[Record] = attrs.field(factory=list)

    def write(self, record: Record) -> None:
        self.records.append(record)

    def now_ns(self) -> int:
        return time.monotonic_ns()


class NoNetwork:
    """Everything is on this machine."""

    means = "loopback"
    faults: Mapping[Fault, str] = {}

    def ip(self, host: str) -> str:
        return "127.0.0.1"

    def command_prefix(self, host: str) -> Sequence[str]:
        return ()

    def via(self, source: str, target: str, address: str) -> str:
        return address

    async def apply(
        self, name: str, rules: Mapping[tuple[str, str], LinkFault]
    ) -> None:
        raise AssertionError("there are no links")

    async def clear(self, name: str) -> None:
        raise AssertionError("there are no links")

    async def reset(self, links: object) -> int:
        raise AssertionError("there are no links")


@attrs.define
class PlainDisks:
    folder: Path

    def data_dir(self, node: str) -> Path:
        return self.folder / node / "data"

    def environment(self, node: str) -> Mapping[str, str]:
        return {}


@attrs.define
class PlainCluster:
    """See ``chaos.live.seams.Cluster``. A process that dies is started again when its
    last hold is released, or at once if somebody looks for it.

    Attributes:
        command_of: What a node runs.
        led_by: Who leads, as ``statuses`` tell; the first leader node that lives if it
            is None.
        answer: What ``operator`` answers.
        change: What becomes of what is posted to the leader.
        events: What was done, in words.
    """

    nodes: dict[str, LiveNode]
    command_of: Command = lambda node: SLEEP
    led_by: str | None = None
    answer: Callable[[Mapping[str, Any]], Any] = lambda call: None
    change: Callable[[Any], Any] = lambda value: None
    status_of: Callable[[str], dict[str, Any]] = lambda name: {}
    events: list[str] = attrs.field(factory=list)
    holds: dict[str, int] = attrs.field(factory=dict)
    lives: dict[str, int] = attrs.field(factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = attrs.field(factory=dict)

    @property
    def leaders(self) -> list[str]:
        return self._of("leader")

    @property
    def agents(self) -> list[str]:
        return self._of("agent")

    @property
    def frameworks(self) -> list[str]:
        return self._of("framework")

    @property
    def client(self) -> ApiClient:
        return cast(ApiClient, self)

    async def post(self, path: str, value: object, *, answer_s: float) -> Any:
        """All of ``ApiClient`` that is used."""
        self.events.append(f"{path} {json.dumps(value)}")
        return self.change(value)

    def node(self, name: str) -> LiveNode:
        return self.nodes[name]

    def pid(self, name: str) -> int | None:
        process = self.processes[name]
        return process.pid if process.poll() is None else None

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        self.events.append(f"{signal.Signals(signal_number).name} {name}")
        self.processes[name].send_signal(signal_number)

    async def wait_dead(self, name: str) -> None:
        await until(lambda: self.pid(name) is None)

    async def stop(self, name: str) -> None:
        self.kill(name, signal.SIGTERM)
        await self.wait_dead(name)

    def hold(self, name: str) -> None:
        self.holds[name] = self.holds.get(name, 0) + 1

    def release(self, name: str) -> None:
        self.holds[name] -= 1
        if not self.holds[name] and self.pid(name) is None:
            self.start(name)

    async def statuses(self) -> Statuses:
        self._restart_dead()
        leader = self.led_by or next(
            (name for name in self.leaders if self.pid(name)), None
        )
        return {
            name: {"leading": name == leader, "term": 1, **self.status_of(name)}
            if self.pid(name)
            else None
            for name in self.leaders
        }

    async def leader(self) -> str | None:
        statuses = (await self.statuses()).items()
        return next((name for name, one in statuses if one and one["leading"]), None)

    async def wait_leader(
        self, *, besides: str | None = None, timeout_s: float = 30.0
    ) -> str:
        with trio.move_on_after(timeout_s):
            while True:
                leader = await self.leader()
                if leader is not None and leader != besides:
                    return leader
                await trio.sleep(0.01)
        raise LocalClusterError("no leader")

    async def wait_ready(self, *, timeout_s: float = 60.0) -> str:
        with trio.move_on_after(timeout_s):
            while True:
                if None not in (await self.statuses()).values():
                    return await self.wait_leader(timeout_s=timeout_s)
                await trio.sleep(0.01)
        raise LocalClusterError("a node is down")

    async def operator(
        self, call: Mapping[str, Any], *, timeout_s: float = 10.0
    ) -> Any:
        self.events.append(str(call["type"]))
        return self.answer(call)

    async def command(
        self, *arguments: str, timeout_s: float = 30.0
    ) -> tuple[int, str]:
        raise AssertionError("no command is needed")

    def start(self, name: str) -> None:
        node = self.nodes[name]
        self.lives[name] = self.lives.get(name, 0) + 1
        with node.log_file.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self.command_of(node)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/bin:/bin", **node.environment},
            )

    def _restart_dead(self) -> None:
        for name in self.nodes:
            if not self.holds.get(name) and self.pid(name) is None:
                self.start(name)

    def _of(self, kind: str) -> list[str]:
        return [node.name for node in self.nodes.values() if node.kind == kind]


async def until(holds: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Until it holds, looking again and again."""
    with trio.fail_after(timeout_s):
        while True:
            if holds():
                return
            await trio.sleep(0.005)


def python(program: str) -> Sequence[str]:
    """A command that runs this program."""
    return (sys.executable, "-u", "-c", program)


def injection(fault: Fault, target: Target, *, seed: int = 1) -> Injection:
    return Injection(
        number=1, fault=fault, target=target, at_s=0.0, for_s=1.0, seed=seed
    )


def state_of(pid: int) -> str:
    """``sleeping``, ``stopped``, ... as the kernel has it."""
    return str(psutil.Process(pid).status())


@asynccontextmanager
async def plain_world(
    folder: Path,
    *,
    leaders: int = 3,
    agents: int = 2,
    frameworks: int = 1,
    command_of: Command = lambda node: SLEEP,
) -> AsyncIterator[tuple[World, PlainCluster]]:
    """All processes run; at the end they are killed and reaped."""
    counts = {"leader": leaders, "agent": agents, "framework": frameworks}
    names = [
        (f"{kind}-{number + 1}", kind)
        for kind, count in counts.items()
        for number in range(count)
    ]
    cluster = PlainCluster({name: _node(folder, name, kind) for name, kind in names})
    cluster.command_of = command_of
    (folder / "nemeses").mkdir(exist_ok=True)
    world = World(
        cluster=cluster,
        network=NoNetwork(),
        disks=PlainDisks(folder),
        journal=Notes(),
        folder=folder,
    )
    try:
        for name, _ in names:
            cluster.start(name)
        yield world, cluster
    finally:
        for process in cluster.processes.values():
            process.kill()
            process.wait()


def _node(folder: Path, name: str, kind: str) -> LiveNode:
    own = folder / name
    (own / "data").mkdir(parents=True)
    arguments = [kind, "--node-id", name, "--http", "127.0.0.1:1"]
    arguments += ["--peer", f"{name}=tcp://127.0.0.1:2"]
    return LiveNode(
        name=name,
        kind=kind,
        http="127.0.0.1:1",
        folder=own,
        data_dir=None if kind == "framework" else own / "data",
        log_file=own / "log",
        arguments=arguments,
    )
