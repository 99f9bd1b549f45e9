"""What lies in the folder of a run, read once and looked at by all checkers.

Each part is read when the first checker asks for it. If it cannot be read, everyone who
asks gets the same error: those checkers cannot tell, the others can.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs

from chaos.checkers.deadlines_durable import RATE_MAX
from chaos.history.merge import read_history
from chaos.history.queries import (
    FaultWindow,
    Operation,
    Window,
    fault_windows,
    kinds_of_workloads,
    operations,
    phases,
    records_of,
)
from chaos.history.records import FaultRecord, Happening, NodeSample, Record
from chaos.judging.log_facts import LogFacts
from chaos.judging.replay import Replay, replay
from chaos.judging.streams import Stream, read_stream
from chaos.live.faults import Fault
from chaos.live.run_file import FINAL, HISTORY, read_json, read_run
from raftleader.errors import ConfigError
from raftleader.protocol.ids import FrameworkId

T = TypeVar("T")

DRIFT_RATE_MAX = 2.0
"""Where clocks were made to drift, cluster time may run so much faster than time."""
SUBSCRIBING_NS = 10_000_000_000
"""From the entry of a subscription until its framework has noted it, at most."""
DISK_LOSSES = frozenset(
    {
        Fault.LOST_DISK.value,
        Fault.TRUNCATED_JOURNAL.value,
        Fault.FLIPPED_JOURNAL.value,
    }
)
"""After these a node may know less than before."""


@attrs.define(eq=False)
class Evidence:
    """See the module."""

    folder: Path
    _known: dict[str, Any] = attrs.field(factory=dict, init=False)
    _failed: dict[str, Exception] = attrs.field(factory=dict, init=False)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name in self._failed:
            raise self._failed[name]
        if name not in self._known:
            try:
                self._known[name] = make()
            except Exception as error:
                self._failed[name] = error
                raise
        value: T = self._known[name]
        return value

    @property
    def run(self) -> dict[str, Any]:
        """``run.json``."""
        return self._once("run", lambda: read_run(self.folder))

    @property
    def records(self) -> list[Record]:
        """The merged history, in the order of time."""
        return self._once("records", lambda: read_history(self.folder / HISTORY))

    @property
    def operations(self) -> list[Operation]:
        """In the order of their beginnings."""
        return self._once("operations", lambda: operations(self.records))

    @property
    def happenings(self) -> list[Happening]:
        return self._once("happenings", lambda: records_of(self.records, Happening))

    @property
    def samples(self) -> list[NodeSample]:
        return self._once("samples", lambda: records_of(self.records, NodeSample))

    @property
    def faults(self) -> list[FaultWindow]:
        """In the order of their beginnings."""
        return self._once("faults", lambda: fault_windows(self.records))

    @property
    def fault_records(self) -> list[FaultRecord]:
        return self._once(
            "fault records", lambda: records_of(self.records, FaultRecord)
        )

    @property
    def phases(self) -> dict[str, Window]:
        """By name."""
        return self._once(
            "phases", lambda: {one.name: one for one in phases(self.records)}
        )

    @property
    def kinds(self) -> dict[str, str]:
        """Of each workload by name its kind."""
        return self._once("kinds", lambda: kinds_of_workloads(self.records))

    @property
    def stream(self) -> Stream:
        return self._once("stream", lambda: read_stream(self.folder))

    @property
    def replay(self) -> Replay:
        return self._once("replay", self._replayed)

    @property
    def facts(self) -> LogFacts:
        return self.replay.facts

    @property
    def framework_ids(self) -> dict[str, list[tuple[int, str]]]:
        """By workload: (since when, framework id), in the order of time."""
        return self._once("framework ids", self._framework_ids)

    @property
    def began_ns(self) -> int:
        return self.records[0].at_ns if self.records else 0

    @property
    def ended_ns(self) -> int:
        return self.records[-1].at_ns if self.records else 0

    def final(self, name: str) -> Any:
        """A document of the end; None if it could not be had."""

        def read() -> Any:
            try:
                return read_json(self.folder / FINAL / f"{name}.json")
            except ConfigError:
                return None

        return self._once(f"final {name}", read)

    def last_index_before(self, at_ns: int) -> int:
        """The newest entry that any node had applied by then; 0 for none."""
        times, indexes = self._once("times", self._times)
        place = bisect_right(times, at_ns)
        return indexes[place - 1] if place else 0

    def framework_id_at(self, workload: str, at_ns: int) -> str | None:
        """Who it was to the cluster then, or became next."""
        known = self.framework_ids.get(workload, [])
        before = [name for since_ns, name in known if since_ns <= at_ns]
        if before:
            return before[-1]
        return known[0][1] if known else None

    def stream_index(self, opened: Happening, before_ns: int = 0) -> int:
        """The entry of the subscription behind ``subscribed`` or ``resubscribed``, or
        an earlier one if several were made at about that time. ``before_ns``: when the
        stream before this one was noted by the same instance."""
        at_ns = self.facts.at_ns
        framework_id = FrameworkId(opened.value["framework_id"])
        entries = [
            index
            for index, _ in self.facts.subscriptions.get(framework_id, ())
            if before_ns < at_ns[index] <= opened.at_ns
        ]
        since_ns = opened.at_ns - SUBSCRIBING_NS
        recent = [index for index in entries if at_ns[index] >= since_ns]
        return min(recent, default=max(entries, default=0))

    def nodes_of(self, kind: str) -> list[str]:
        """Names of the processes of a kind: ``leader``, ``agent``, ``framework``."""
        return [one["name"] for one in self.run.get("nodes", []) if one["kind"] == kind]

    def final_indexes(self) -> dict[str, int]:
        """Of the documents of the end that tell of which index they are."""
        found: dict[str, int] = {}
        for path in sorted((self.folder / FINAL).glob("*.json")):
            document = self.final(path.stem)
            index = document.get("index") if isinstance(document, dict) else None
            if isinstance(index, int):
                found[path.stem] = index
        return found

    def _replayed(self) -> Replay:
        has_drift = any(one.name == Fault.CLOCK_DRIFT.value for one in self.faults)
        indexes = self.final_indexes()
        ids = [str(self.final(name).get("cluster_id") or "") for name in indexes]
        return replay(
            self.stream,
            cluster_id=max(ids, default=""),
            rate_max=DRIFT_RATE_MAX if has_drift else RATE_MAX,
            look_at=set(indexes.values()),
        )

    def _times(self) -> tuple[list[int], list[int]]:
        """Times at which entries were first applied, never going back, and indexes."""
        times: list[int] = []
        for entry in self.stream.entries:
            times.append(max(entry.at_ns, times[-1] if times else 0))
        return times, [entry.index for entry in self.stream.entries]

    def _framework_ids(self) -> dict[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for one in self.happenings:
            if one.what in ("subscribed", "resubscribed"):
                name = str(one.value["framework_id"])
                known = found.setdefault(one.process, [])
                if not known or known[-1][1] != name:
                    known.append((one.at_ns, name))
        return found
