"""``bench snapshot``: how long a node stops to write and to read a large snapshot.

One process, no network: a synthetic state is captured into a file and restored from
it, in the steps a node takes between messages. The longest of these steps is how long
the node would have been silent; the garbage collector is set as a node has it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import attrs
import trio

from raftleader.cli.measured_cluster import Bar, progress_bar
from raftleader.cli.output import Output
from raftleader.cli.synthetic_state import synthetic_state
from raftleader.cli.up import cluster_folder
from raftleader.garbage import tuned_garbage_collection
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.replication.os_disk import OsDisk
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots import SnapshotStore, SnapshotWriter
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot_stream import CHUNK_BYTES

T = TypeVar("T")

_CLUSTER = "bench"
_MEMBERS = Configuration(peers=(Peer(node_id="n1", address="127.0.0.1:0"),))


@attrs.frozen(kw_only=True)
class SnapshotFigures:
    """What was measured.

    Attributes:
        bytes: Size of the snapshot.
        capture_s, restore_s: From the first step to the last, file included.
        longest_pause_ms: The longest step of all.
        capture_call_ms: The step in which the tables are copied.
    """

    agents: int
    tasks: int
    bytes: int
    capture_s: float
    restore_s: float
    longest_pause_ms: float
    longest_capture_step_ms: float
    longest_restore_step_ms: float
    capture_call_ms: float


@attrs.define
class Steps:
    """Times what a node does without a look at anything else."""

    longest_s: float = 0.0
    total_s: float = 0.0

    async def take(self, step: Callable[[], T]) -> T:
        """Do it, and let others have a turn."""
        began = time.perf_counter()
        result = step()
        spent_s = time.perf_counter() - began
        self.longest_s = max(self.longest_s, spent_s)
        self.total_s += spent_s
        await trio.lowlevel.checkpoint()
        return result


async def bench_snapshot(agents: int, tasks: int, output: Output) -> None:
    """Measure, and print one record."""
    with tuned_garbage_collection(), cluster_folder(None, is_kept=False) as folder:
        with progress_bar(output, "rows made", agents + tasks) as bar:
            state = synthetic_state(agents, tasks, bar.show)
        figures = await measure(state, str(folder), output)
    record = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in attrs.asdict(figures).items()
    }
    output.record(record, title="one snapshot, written and read in steps")


async def measure(
    state: ClusterState, directory: str, output: Output
) -> SnapshotFigures:
    """Write and read a snapshot of ``state``, with its file in ``directory``."""
    replica = _replica()
    replica.state = state
    gc.freeze()  # as a node does once it has started
    store = SnapshotStore(OsDisk(), directory, cluster_id=_CLUSTER)
    call, capturing, restoring = Steps(), Steps(), Steps()
    pieces = await call.take(replica.capture)
    meta = await _write(
        pieces, store.begin(state.index, state.term, _MEMBERS), capturing
    )
    restored = _replica()
    with progress_bar(output, "bytes restored", meta.size_bytes) as bar:
        await _read(restored, store.chunks(meta, CHUNK_BYTES), restoring, bar)
    store.close()
    return SnapshotFigures(
        agents=len(restored.state.agents),
        tasks=len(restored.state.tasks),
        bytes=meta.size_bytes,
        capture_s=call.total_s + capturing.total_s,
        restore_s=restoring.total_s,
        longest_pause_ms=1e3 * max(s.longest_s for s in (call, capturing, restoring)),
        longest_capture_step_ms=1e3 * capturing.longest_s,
        longest_restore_step_ms=1e3 * restoring.longest_s,
        capture_call_ms=1e3 * call.longest_s,
    )


async def _write(
    pieces: Iterator[bytes], writer: SnapshotWriter, steps: Steps
) -> SnapshotMeta:
    def write() -> bool:
        piece = next(pieces, None)
        if piece is not None:
            writer.write(piece)
        return piece is not None

    while await steps.take(write):
        pass
    return await steps.take(writer.finish)


async def _read(
    replica: Replica, chunks: Iterator[bytes], steps: Steps, bar: Bar
) -> None:
    restoration = replica.restore()

    def read() -> int:
        chunk = next(chunks, b"")
        restoration.feed(chunk)
        return len(chunk)

    done = 0
    while size := await steps.take(read):
        done += size
        bar.show(done)
    await steps.take(restoration.finish)


def _replica() -> Replica:
    clock = ClusterClock(monotonic_s=time.monotonic, wall_ms=lambda: 0)
    return Replica(cluster_id=_CLUSTER, clock=clock)
