"""Questions to a history: what became of operations, and when nothing went on. Pure.

Times are nanoseconds of CLOCK_MONOTONIC, as in the records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import attrs

from chaos.history.records import (
    FaultPhase,
    FaultRecord,
    Happening,
    Op,
    OpType,
    PhaseRecord,
    Record,
)

SECOND_NS = 1_000_000_000

R = TypeVar("R")


@attrs.frozen(kw_only=True)
class Operation:
    """An invocation and its end. One without an end is ``INFO``: nobody knows.

    Attributes:
        ended_ns: None if it never ended; an operation whose end is INFO has the time
            at which its process gave up, but may take effect at any later time.
    """

    process: str
    id: int
    f: str
    key: str
    type: OpType
    began_ns: int
    ended_ns: int | None
    value: Any
    """What was asked."""
    answer: Any = None
    """What was learnt."""
    error: str = ""
    node: str = ""

    @property
    def workload(self) -> str:
        """The name of the workload whose process did it."""
        return workload_of(self.process)

    @property
    def is_ok(self) -> bool:
        return self.type is OpType.OK


@attrs.frozen(kw_only=True)
class Window:
    """A stretch of time with a name. ``ended_ns`` is None if nobody saw its end."""

    name: str
    began_ns: int
    ended_ns: int | None

    def covers(self, at_ns: int) -> bool:
        """Its beginning belongs to it, its end does not."""
        return self.began_ns <= at_ns and (
            self.ended_ns is None or at_ns < self.ended_ns
        )


@attrs.frozen(kw_only=True)
class FaultWindow(Window):
    """A fault, for as long as it was in force. ``name`` is its class."""

    id: int
    targets: tuple[str, ...]
    means: str
    detail: dict[str, Any]
    """What was recorded at its beginning, and over it what was at its end."""


def workload_of(process: str) -> str:
    """``churn-1`` of ``churn-1/7``."""
    return process.partition("/")[0]


def records_of(records: Iterable[Record], kind: type[R]) -> list[R]:
    """Those of one kind, in their order."""
    return [record for record in records if isinstance(record, kind)]


def operations(records: Iterable[Record]) -> list[Operation]:
    """Every invocation with its end, in the order of the invocations.

    An end that nobody invoked is a ValueError: such a history proves nothing. Records
    may be in any order, as far as every invocation is before its end.
    """
    begun: dict[tuple[str, int], Op] = {}
    ended: dict[tuple[str, int], Op] = {}
    for op in records_of(records, Op):
        name = (op.process, op.id)
        if op.type is OpType.INVOKE:
            if name in begun:
                raise ValueError(f"{op.process} invoked operation {op.id} twice")
            begun[name] = op
        elif name not in begun or name in ended:
            raise ValueError(f"{op.process}: operation {op.id} ends, but is not open")
        else:
            ended[name] = op
    return [_operation(op, ended.get(name)) for name, op in begun.items()]


def _operation(invoked: Op, end: Op | None) -> Operation:
    return Operation(
        process=invoked.process,
        id=invoked.id,
        f=invoked.f,
        key=invoked.key,
        type=end.type if end else OpType.INFO,
        began_ns=invoked.at_ns,
        ended_ns=end.at_ns if end else None,
        value=invoked.value,
        answer=end.value if end else None,
        error=end.error if end else "",
        node=(end.node if end else "") or invoked.node,
    )


def fault_windows(records: Iterable[Record]) -> list[FaultWindow]:
    """Faults that were injected, in order of their beginnings."""
    begun: dict[int, FaultRecord] = {}
    healed: dict[int, FaultRecord] = {}
    for record in records_of(records, FaultRecord):
        if record.phase is FaultPhase.INJECT:
            begun[record.id] = record
        elif record.phase is FaultPhase.HEAL:
            healed[record.id] = record
    windows = []
    for number, first in begun.items():
        last = healed.get(number)
        windows.append(
            FaultWindow(
                id=number,
                name=first.fault,
                began_ns=first.at_ns,
                ended_ns=last.at_ns if last else None,
                targets=first.targets,
                means=first.means,
                detail={**first.detail, **(last.detail if last else {})},
            )
        )
    return sorted(windows, key=lambda window: window.began_ns)


def impossible_faults(records: Iterable[Record]) -> list[FaultRecord]:
    """Faults of the schedule that could not be made."""
    return [
        record
        for record in records_of(records, FaultRecord)
        if record.phase is FaultPhase.IMPOSSIBLE
    ]


def phases(records: Sequence[Record]) -> list[Window]:
    """The phases of the run; each ends where the next begins, the last with the
    last record."""
    begun = records_of(records, PhaseRecord)
    if not begun:
        return []
    last_ns = max(record.at_ns for record in records)
    ends = [phase.at_ns for phase in begun[1:]] + [last_ns]
    return [
        Window(name=phase.name, began_ns=phase.at_ns, ended_ns=end)
        for phase, end in zip(begun, ends, strict=True)
    ]


def kinds_of_workloads(records: Iterable[Record]) -> dict[str, str]:
    """Of each workload by name its kind (``churn``, ...), as it said itself."""
    return {
        workload_of(record.process): str(record.value["kind"])
        for record in records_of(records, Happening)
        if record.what == "began"
    }


def gaps_without_ok(
    done: Iterable[Operation], *, began_ns: int, ended_ns: int
) -> list[Window]:
    """The stretches of ``[began_ns, ended_ns]`` between one operation that ended ok
    and the next, the longest first. None ended ok: one gap, the whole time."""
    ends = sorted(
        operation.ended_ns
        for operation in done
        if operation.is_ok
        and operation.ended_ns is not None
        and began_ns <= operation.ended_ns <= ended_ns
    )
    gaps = [
        Window(name="no ok", began_ns=first, ended_ns=second)
        for first, second in pairwise([began_ns, *ends, ended_ns])
    ]
    return sorted(
        gaps, key=lambda gap: (gap.ended_ns or 0) - gap.began_ns, reverse=True
    )


@attrs.frozen(kw_only=True)
class Counts:
    """How operations ended. ``info`` has those that never did."""

    ok: int = 0
    fail: int = 0
    info: int = 0

    def per_s(self, seconds: float) -> float:
        """Operations that ended ok, per second."""
        return self.ok / seconds if seconds > 0 else 0.0


def counts_by(
    done: Iterable[Operation], *, by_kind: bool = False
) -> dict[tuple[str, str], Counts]:
    """By workload and, with ``by_kind``, what was asked (else an empty text)."""
    counted: dict[tuple[str, str], list[OpType]] = defaultdict(list)
    for operation in done:
        counted[operation.workload, operation.f if by_kind else ""].append(
            operation.type
        )
    return {
        name: Counts(
            ok=types.count(OpType.OK),
            fail=types.count(OpType.FAIL),
            info=types.count(OpType.INFO),
        )
        for name, types in sorted(counted.items())
    }


def rates(
    done: Iterable[Operation], *, began_ns: int, ended_ns: int, bucket_s: float = 1.0
) -> dict[OpType, list[float]]:
    """Operations per second that ended ok, failed, or in doubt, in buckets of time.

    Bucket ``n`` begins ``n * bucket_s`` seconds after ``began_ns``. Ends outside of
    the stretch, and operations without an end, count nowhere.
    """
    width_ns = round(bucket_s * SECOND_NS)
    size = max(1, -(-(ended_ns - began_ns) // width_ns))
    buckets = {kind: [0.0] * size for kind in (OpType.OK, OpType.FAIL, OpType.INFO)}
    for operation in done:
        at_ns = operation.ended_ns
        if at_ns is not None and began_ns <= at_ns < ended_ns:
            buckets[operation.type][(at_ns - began_ns) // width_ns] += 1 / bucket_s
    return buckets
