"""One node of ``bench log``: a log with a trivial state machine, and its load.

A program: ``python -m raftleader.cli.bench_log_node ENGINE NODE_ID DIRECTORY MEMBERS``,
with MEMBERS as JSON. It says ``{"leads": TERM}`` whenever it begins to lead. A line
``{"concurrency": N, "seconds": S}`` on standard input asks for a load, answered by a
``Measured``, or by ``{"problem": ...}`` if it does not lead or did not until the end.
It ends with its standard input.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import msgspec
import trio

from raftleader.cli.measured_cluster import percentile
from raftleader.errors import RaftLeaderError
from raftleader.garbage import tuned_garbage_collection
from raftleader.replication.interface import ReplicatedLog
from raftleader.replication.pysyncobj_backend.log import PySyncObjLog
from raftleader.replication.raft_log import RaftLog
from raftleader.replication.running import in_thread
from transports.tcp import TcpTransport

PAYLOAD = bytes(100)
"""A small command, as they are proposed when there is little to do."""
WARM_UP_S = 0.5
PROPOSE_TIMEOUT_S = 30.0


class Load(msgspec.Struct, frozen=True):
    """So many callers, each of whom proposes again when it was answered."""

    concurrency: int
    seconds: float


class Measured(msgspec.Struct, frozen=True):
    """What ``Load.seconds`` saw, after a warm-up."""

    per_s: float
    p50_ms: float
    p99_ms: float


class CountingMachine:
    """A state machine that knows how many entries it was given."""

    def __init__(self) -> None:
        self.count = 0

    def apply(self, index: int, term: int, data: bytes) -> object:
        """Count one."""
        self.count += 1
        return index

    def capture(self) -> Iterator[bytes]:
        """The number."""
        return iter([b"%d" % self.count])

    def restore(self) -> CountingRestoration:
        """Another number, to come."""
        return CountingRestoration(self)


@attrs.define
class CountingRestoration:
    """See ``Restoration``."""

    machine: CountingMachine
    text: bytes = b""

    def feed(self, chunk: bytes) -> None:
        """Some of its digits."""
        self.text += chunk

    def finish(self) -> None:
        """That is the number now."""
        self.machine.count = int(self.text)


def make_log(
    engine: str, node_id: str, directory: Path, members: dict[str, str]
) -> ReplicatedLog:
    """The log of one node, over TCP and on the machine's disk."""
    machine, rng, transport = CountingMachine(), random.Random(), TcpTransport()
    if engine == "raft":
        return RaftLog(
            cluster_id="bench",
            node_id=node_id,
            members=members,
            transport=transport,
            data_dir=directory,
            machine=machine,
            rng=rng,
            run_blocking=in_thread(),
        )
    return PySyncObjLog(
        cluster_id="bench",
        node_id=node_id,
        members=members,
        transport=transport,
        journal_path=directory / "journal",
        applier=machine.apply,
        rng=rng,
    )


async def measure(log: ReplicatedLog, load: Load) -> Measured:
    """Load the log. Raises RaftLeaderError if it does not lead all the time."""
    times_s: list[float] = []
    begins_at = time.perf_counter() + WARM_UP_S
    ends_at = begins_at + load.seconds

    async def call_again_and_again() -> None:
        answered_at = time.perf_counter()
        while answered_at < ends_at:
            asked_at = answered_at
            await log.propose(PAYLOAD, timeout_s=PROPOSE_TIMEOUT_S)
            answered_at = time.perf_counter()
            if begins_at <= answered_at < ends_at:
                times_s.append(answered_at - asked_at)

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(load.concurrency):
                nursery.start_soon(call_again_and_again)
    except* RaftLeaderError as group:
        raise group.exceptions[0] from None
    return Measured(
        per_s=round(len(times_s) / load.seconds, 1),
        p50_ms=round(1000 * percentile(times_s, 0.5), 3),
        p99_ms=round(1000 * percentile(times_s, 0.99), 3),
    )


def say(what: object) -> None:
    """One line on standard output."""
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


async def tell_when_leading(log: ReplicatedLog) -> None:
    """For ever."""
    leadership = log.leadership
    while True:
        if leadership.leading:
            say({"leads": leadership.term})
        leadership = await log.wait_leadership_changed(leadership)


async def serve(log: ReplicatedLog) -> None:
    """Answer loads until standard input ends."""
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        nursery.start_soon(tell_when_leading, log)
        async for line in Lines(trio.lowlevel.FdStream(os.dup(0))):
            try:
                say(await measure(log, msgspec.json.decode(line, type=Load)))
            except RaftLeaderError as error:
                say({"problem": str(error)})
        nursery.cancel_scope.cancel()


class Lines:
    """The lines of a stream, without their ends."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._rest = b""

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> bytes:
        while not self._lines:
            chunk = await self._stream.receive_some()
            if not chunk:
                raise StopAsyncIteration
            *self._lines, self._rest = (self._rest + chunk).split(b"\n")
        return self._lines.pop(0)


def main() -> None:
    """The program."""
    engine, node_id, directory, members = sys.argv[1:]
    table = msgspec.json.decode(members, type=dict[str, str])
    with tuned_garbage_collection():
        trio.run(serve, make_log(engine, node_id, Path(directory), table))


if __name__ == "__main__":
    main()
