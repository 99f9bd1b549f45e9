"""``bench log``: committed commands a second of the replicated log alone.

Three processes over loopback TCP, each with a journal on a real disk, one fdatasync
before anything is promised; nothing of the cluster manager above. The load is made in
the leader's process, as the leader makes it.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import trio

from raftleader.cli.bench_log_node import WARM_UP_S, Lines, Load, Measured
from raftleader.cli.local_ports import LOOPBACK, free_ports
from raftleader.cli.local_process import child_environment
from raftleader.cli.measured_cluster import Bar, progress_bar
from raftleader.cli.output import Column, Output
from raftleader.cli.up import cluster_folder
from raftleader.errors import ConfigError, UnavailableError

ENGINES = ("raft", "pysyncobj")
NODE_IDS = ("n1", "n2", "n3")
LEADER_TIMEOUT_S = 20.0
"""For three interpreters to start and to elect a leader."""
ATTEMPTS = 3
"""A load is asked for again if the leader changed meanwhile."""


class Line(msgspec.Struct, frozen=True):
    """What a node says: one of these."""

    leads: int = 0
    problem: str = ""
    per_s: float | None = None
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@attrs.define(eq=False)
class BenchNode:
    """A node's process; ``term`` is the latest that it said it leads."""

    process: trio.Process
    term: int = 0
    answers: list[Line] = attrs.field(factory=list)

    async def listen(self, changed: trio.Condition) -> None:
        """Take what it says until it ends."""
        assert self.process.stdout is not None
        async for text in Lines(self.process.stdout):
            line = msgspec.json.decode(text, type=Line)
            async with changed:
                if line.leads:
                    self.term = line.leads
                else:
                    self.answers.append(line)
                changed.notify_all()


@attrs.define(eq=False)
class BenchGroup:
    """Three nodes of one engine."""

    engine: str
    folder: Path
    nodes: list[BenchNode] = attrs.field(factory=list)
    changed: trio.Condition = attrs.field(factory=trio.Condition)

    async def start(self, nursery: trio.Nursery) -> None:
        """Start the processes. Raises OSError."""
        ports = free_ports(len(NODE_IDS), random.Random())
        members = {
            node_id: f"tcp://{LOOPBACK}:{port}"
            for node_id, port in zip(NODE_IDS, ports, strict=True)
        }
        text = msgspec.json.encode(members).decode()
        program = [sys.executable, "-P", "-m", "raftleader.cli.bench_log_node"]
        for node_id in NODE_IDS:
            folder = self.folder / self.engine / node_id
            folder.mkdir(parents=True)
            with (folder / "log").open("wb") as log:
                process = await trio.lowlevel.open_process(
                    [*program, self.engine, node_id, str(folder / "data"), text],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    env=child_environment(),
                )
            node = BenchNode(process)
            self.nodes.append(node)
            nursery.start_soon(node.listen, self.changed)

    async def measure(self, load: Load) -> Measured:
        """Load the leader. Raises UnavailableError if nobody leads, or not for long."""
        problem = ""
        for _ in range(ATTEMPTS):
            node = await self._leader()
            node.answers.clear()
            assert node.process.stdin is not None
            await node.process.stdin.send_all(msgspec.json.encode(load) + b"\n")
            await self._wait(node, 2 * (load.seconds + WARM_UP_S) + LEADER_TIMEOUT_S)
            answer = node.answers.pop()
            if answer.per_s is not None:
                return Measured(answer.per_s, answer.p50_ms, answer.p99_ms)
            problem, node.term = answer.problem, 0
        raise UnavailableError(f"{self.engine}: {problem}{self._said()}")

    async def end(self) -> None:
        """Kill and reap."""
        for node in self.nodes:
            node.process.kill()
        for node in self.nodes:
            await node.process.wait()

    async def _leader(self) -> BenchNode:
        with trio.move_on_after(LEADER_TIMEOUT_S):
            async with self.changed:
                while True:
                    node = max(self.nodes, key=lambda one: one.term)
                    if node.term and node.process.returncode is None:
                        return node
                    await self.changed.wait()
        raise UnavailableError(f"{self.engine}: nobody leads{self._said()}")

    async def _wait(self, node: BenchNode, timeout_s: float) -> None:
        with trio.move_on_after(timeout_s):
            async with self.changed:
                while not node.answers:
                    await self.changed.wait()
        if not node.answers:
            raise UnavailableError(f"{self.engine}: no answer{self._said()}")

    def _said(self) -> str:
        """The end of what the nodes logged."""
        lines: list[str] = []
        for node_id in NODE_IDS:
            text = (self.folder / self.engine / node_id / "log").read_text()
            lines += [f"\n  {node_id}: {line}" for line in text.splitlines()[-5:]]
        return "".join(lines)


@asynccontextmanager
async def open_group(engine: str, folder: Path) -> AsyncIterator[BenchGroup]:
    """A group of processes that ends with the block."""
    group = BenchGroup(engine, folder)
    async with trio.open_nursery() as nursery:
        try:
            await group.start(nursery)
            yield group
        finally:
            with trio.CancelScope(shield=True):
                await group.end()
            nursery.cancel_scope.cancel()


async def bench_log(
    engines: Sequence[str],
    concurrencies: Sequence[int],
    seconds: float,
    folder: Path | None,
    output: Output,
) -> None:
    """Measure, and print ``{"rows": [...]}`` or a table.

    The journals are in a folder of their own in ``folder``, removed at the end.
    Raises ConfigError, UnavailableError, OSError."""
    for engine in engines:
        if engine not in ENGINES:
            names = ", ".join(ENGINES)
            raise ConfigError(f"--engines: {engine!r} is none of {names}")
    if not engines or not concurrencies or min(concurrencies) < 1:
        raise ConfigError("--engines and --concurrency: at least one, from 1 up")
    rows: list[dict[str, object]] = []
    steps = len(engines) * len(concurrencies)
    with (
        cluster_folder(folder, is_kept=False) as chosen,
        progress_bar(output, "start three nodes", steps) as bar,
    ):
        for engine in engines:
            with tempfile.TemporaryDirectory(prefix="bench-log-", dir=chosen) as own:
                rows += await measure_engine(
                    engine, concurrencies, seconds, Path(own), bar, done=len(rows)
                )
    if output.as_json:
        output.result({"rows": rows})
        return
    columns = [
        Column(key=key, heading=key.upper(), right=key != "engine")
        for key in ("engine", "concurrency", "per_s", "p50_ms", "p99_ms")
    ]
    title = "committed commands of 100 bytes; three processes, fdatasync on"
    output.table(rows, columns, title=title)


async def measure_engine(
    engine: str,
    concurrencies: Sequence[int],
    seconds: float,
    folder: Path,
    bar: Bar,
    *,
    done: int,
) -> list[dict[str, object]]:
    """One row for each number of callers."""
    rows: list[dict[str, object]] = []
    async with open_group(engine, folder) as group:
        for concurrency in concurrencies:
            bar.show(done + len(rows), f"{engine}, {concurrency} at once")
            measured = await group.measure(Load(concurrency, seconds))
            rows.append(
                {
                    "engine": engine,
                    "concurrency": concurrency,
                    **msgspec.structs.asdict(measured),
                }
            )
        bar.show(done + len(rows))
    return rows
