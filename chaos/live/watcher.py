"""Looking at the leader nodes all the time: who leads, in which term, how far.

Each node has a task of its own, so that one that stands still does not keep us from
seeing the others. A sample is kept when it tells something new, and every second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.history.records import NodeSample
from chaos.live.seams import Cluster, Journal

INTERVAL_S = 0.1
"""Ten times a second is much finer than an election, and costs under 1 % of a core."""
STATUS_TIMEOUT_S = 0.5
KEPT_EVERY_NS = 1_000_000_000
OK_MARK = b'"type":"ok"'
READ_BYTES = 1 << 20

Ask = Callable[[str], Awaitable[dict[str, Any] | None]]
"""The status of the leader node at this address; None for no answer."""


@attrs.define(kw_only=True)
class Watcher:
    """Writes a ``NodeSample`` for what each leader node says of itself.

    Attributes:
        latest: By node, what was seen last.
    """

    cluster: Cluster
    journal: Journal
    ask: Ask
    interval_s: float = INTERVAL_S
    latest: dict[str, NodeSample] = attrs.field(factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            for name in self.cluster.leaders:
                nursery.start_soon(self._watch, name)

    def leader(self) -> str:
        """Who was seen leading, in the highest term; empty for nobody."""
        leading = [
            (sample.term, sample.node)
            for sample in self.latest.values()
            if sample.role == "leader"
        ]
        return max(leading)[1] if leading else ""

    async def _watch(self, name: str) -> None:
        kept: NodeSample | None = None
        while True:
            due = trio.current_time() + self.interval_s
            status = await self.ask(self.cluster.node(name).http)
            sample = sample_of(name, status, self.journal.now_ns())
            self.latest[name] = sample
            if kept is None or is_news(kept, sample):
                self.journal.write(sample)
                kept = sample
            await trio.sleep_until(due)


def sample_of(name: str, status: dict[str, Any] | None, at_ns: int) -> NodeSample:
    """What a status page means; None is no answer."""
    if status is None:
        return NodeSample(node=name, at_ns=at_ns, is_up=False)
    is_leading = bool(status.get("leading")) and status.get("leader") == name
    return NodeSample(
        node=name,
        at_ns=at_ns,
        is_up=True,
        role="leader" if is_leading else "follower",
        term=int(status.get("term") or 0),
        leader=str(status.get("leader") or ""),
        commit_index=int(status.get("commit_index") or 0),
        applied_index=int(status.get("applied_index") or 0),
    )


def is_news(before: NodeSample, now: NodeSample) -> bool:
    """Whether it should be kept: something turned, or a second has gone by."""

    def state(sample: NodeSample) -> tuple[object, ...]:
        return sample.is_up, sample.role, sample.term, sample.leader

    return state(before) != state(now) or now.at_ns - before.at_ns >= KEPT_EVERY_NS


@attrs.define
class OpCounter:
    """Counts the operations that went well, as the workloads' files grow."""

    folder: Path
    ops: int = 0
    _read: dict[Path, int] = attrs.field(factory=dict)

    def count(self) -> int:
        """Read what is new; the sum so far."""
        for path in sorted(self.folder.glob("*.jsonl")):
            begin = self._read.get(path, 0)
            try:
                with path.open("rb") as file:
                    file.seek(begin)
                    data = file.read(READ_BYTES)
            except OSError:
                continue
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = begin + len(whole)
            self.ops += whole.count(OK_MARK)
        return self.ops
