"""A world of a run on real processes without processes: what is asked of it is kept."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from chaos.history.records import Record
from chaos.live.faults import Fault, Injection
from chaos.live.seams import DRIVER, ImpossibleError, LiveNode, World
from raftleader.cli.api_client import ApiClient
from raftleader.errors import UnavailableError


class FakeJournal:
    """Keeps records; its clock is trio's."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)

    def now_ns(self) -> int:
        return round(trio.current_time() * 1e9)


class FakeCluster:
    """Three leaders, two agents, two frameworks; all that is asked of it succeeds."""

    def __init__(self, folder: Path, client: ApiClient) -> None:
        self.leaders: Sequence[str] = ["leader-1", "leader-2", "leader-3"]
        self.agents: Sequence[str] = ["agent-1", "agent-2"]
        self.frameworks: Sequence[str] = ["framework-1", "framework-2"]
        self.client = client
        self.folder = folder
        self.signals: list[tuple[str, int]] = []
        self.stopped: list[str] = []
        self.held: list[str] = []
        self.ready_after_s: float | None = 2.0
        self.calls: list[str] = []

    def node(self, name: str) -> LiveNode:
        return LiveNode(
            name=name,
            kind=name.partition("-")[0],
            http=f"{name}:80",
            folder=self.folder / "nodes" / name,
            data_dir=None,
            log_file=self.folder / "nodes" / name / "log",
            arguments=[],
        )

    def pid(self, name: str) -> int | None:
        return 100 + len(name)

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        self.signals.append((name, signal_number))

    async def wait_dead(self, name: str) -> None:
        await trio.lowlevel.checkpoint()

    async def stop(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        self.stopped.append(name)

    def hold(self, name: str) -> None:
        self.held.append(name)

    def release(self, name: str) -> None:
        self.held.remove(name)

    async def statuses(self) -> Mapping[str, dict[str, Any] | None]:
        await trio.lowlevel.checkpoint()
        return dict.fromkeys(self.leaders)

    async def leader(self) -> str | None:
        await trio.lowlevel.checkpoint()
        return "leader-1"

    async def wait_leader(
        self, *, besides: str | None = None, timeout_s: float = 30.0
    ) -> str:
        await trio.lowlevel.checkpoint()
        return "leader-1" if besides != "leader-1" else "leader-2"

    async def wait_ready(self, *, timeout_s: float = 60.0) -> str:
        if self.ready_after_s is None or self.ready_after_s > timeout_s:
            await trio.sleep(timeout_s)
            raise UnavailableError("only 1 of 2 agents are registered")
        await trio.sleep(self.ready_after_s)
        return "leader-1"

    async def operator(
        self, call: Mapping[str, Any], *, timeout_s: float = 10.0
    ) -> Any:
        await trio.lowlevel.checkpoint()
        self.calls.append(call["type"])
        return {"type": call["type"]}

    async def command(
        self, *arguments: str, timeout_s: float = 30.0
    ) -> tuple[int, str]:
        await trio.lowlevel.checkpoint()
        return 0, ""


class FakeNetwork:
    """All on one host."""

    means = "loopback"
    faults: Mapping[Fault, str] = {}

    def ip(self, host: str) -> str:
        return "127.0.0.1" if host != DRIVER else "127.0.0.2"

    def command_prefix(self, host: str) -> Sequence[str]:
        return []

    def via(self, source: str, target: str, address: str) -> str:
        return address

    async def apply(self, name: str, rules: Mapping[Any, Any]) -> None:
        await trio.lowlevel.checkpoint()

    async def clear(self, name: str) -> None:
        await trio.lowlevel.checkpoint()

    async def reset(self, links: Any) -> int:
        await trio.lowlevel.checkpoint()
        return 0


class FakeDisks:
    """Folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def data_dir(self, node: str) -> Path:
        return self.folder / node

    def environment(self, node: str) -> Mapping[str, str]:
        return {}


class FakeWound:
    """Healing takes as long as it is told."""

    means = "fake"

    def __init__(self, nemesis: FakeNemesis, number: int) -> None:
        self.nemesis = nemesis
        self.number = number
        self.targets = ("leader-1",)
        self.detail: dict[str, Any] = {"number": number}

    async def heal(self) -> Mapping[str, Any]:
        await trio.sleep(self.nemesis.heal_s)
        if self.nemesis.heal_error is not None:
            raise self.nemesis.heal_error
        self.nemesis.healed.append(self.number)
        return self.nemesis.heal_detail


class FakeNemesis:
    """Makes kills and pauses; pauses are impossible."""

    faults = frozenset({Fault.KILL, Fault.PAUSE})

    def __init__(self) -> None:
        self.inject_s = 0.0
        self.heal_s = 0.0
        self.inject_error: Exception | None = None
        self.heal_error: Exception | None = None
        self.heal_detail: dict[str, Any] = {}
        self.injected: list[int] = []
        self.healed: list[int] = []

    def missing(self, fault: Fault) -> str | None:
        return None

    async def inject(self, injection: Injection, world: World) -> FakeWound:
        await trio.sleep(self.inject_s)
        if injection.fault is Fault.PAUSE:
            raise ImpossibleError("nobody leads")
        if self.inject_error is not None:
            raise self.inject_error
        self.injected.append(injection.number)
        return FakeWound(self, injection.number)


def fake_world(folder: Path, client: ApiClient) -> World:
    """All of it; ``client`` is what asks pages."""
    return World(
        cluster=FakeCluster(folder, client),
        network=FakeNetwork(),
        disks=FakeDisks(folder),
        journal=FakeJournal(),
        folder=folder,
    )
