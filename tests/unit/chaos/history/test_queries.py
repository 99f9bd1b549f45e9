"""Questions to a history."""

from __future__ import annotations

import pytest

from chaos.history.queries import (
    Counts,
    counts_by,
    fault_windows,
    gaps_without_ok,
    impossible_faults,
    kinds_of_workloads,
    operations,
    phases,
    rates,
    workload_of,
)
from chaos.history.records import (
    FaultPhase,
    FaultRecord,
    Happening,
    Op,
    OpType,
    PhaseRecord,
    Record,
)


def op(
    type: OpType, at_ns: int, *, id: int = 1, process: str = "churn-1/1", **more: object
) -> Op:
    fields = {"f": "accept", **more}
    return Op(process=process, id=id, type=type, at_ns=at_ns, **fields)  # type: ignore[arg-type]


def call(
    id: int, began_ns: int, ended_ns: int, type: OpType = OpType.OK, **more: object
) -> list[Record]:
    return [
        op(OpType.INVOKE, began_ns, id=id, **more),
        op(type, ended_ns, id=id, **more),
    ]


def test_operations_pair_invocations_with_their_ends() -> None:
    history = [
        op(OpType.INVOKE, 1, id=1, value=["t1"], key="agent-1"),
        op(OpType.INVOKE, 2, id=2, process="churn-1/2"),
        op(OpType.FAIL, 3, id=2, process="churn-1/2", error="refused"),
        op(OpType.OK, 4, id=1, value="done", node="leader-2"),
        op(OpType.INVOKE, 5, id=3),
    ]
    first, second, third = operations(history)
    assert (first.type, first.began_ns, first.ended_ns) == (OpType.OK, 1, 4)
    assert (first.value, first.answer) == (["t1"], "done")
    assert (first.key, first.node, first.workload) == ("agent-1", "leader-2", "churn-1")
    assert (second.type, second.error) == (OpType.FAIL, "refused")
    assert (third.type, third.ended_ns) == (OpType.INFO, None)


@pytest.mark.parametrize(
    "history",
    [
        [op(OpType.OK, 1)],
        [op(OpType.INVOKE, 1), op(OpType.INVOKE, 2)],
        [op(OpType.INVOKE, 1), op(OpType.OK, 2), op(OpType.FAIL, 3)],
    ],
)
def test_operations_refuse_a_history_that_cannot_be(history: list[Record]) -> None:
    with pytest.raises(ValueError, match="operation 1"):
        operations(history)


def test_fault_windows_have_beginning_end_and_all_detail() -> None:
    def fault(id: int, phase: FaultPhase, at_ns: int, **detail: object) -> FaultRecord:
        return FaultRecord(
            id=id, fault="kill", phase=phase, at_ns=at_ns, detail=dict(detail)
        )

    history = [
        fault(2, FaultPhase.INJECT, 30),
        fault(1, FaultPhase.INJECT, 10, point="x"),
        fault(1, FaultPhase.HEAL, 20, lost=3),
        fault(3, FaultPhase.IMPOSSIBLE, 40, why="no root"),
    ]
    first, second = fault_windows(history)
    assert (first.id, first.began_ns, first.ended_ns) == (1, 10, 20)
    assert first.detail == {"point": "x", "lost": 3}
    assert (second.id, second.ended_ns) == (2, None)
    assert [first.covers(at) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert second.covers(10**12)
    assert [record.id for record in impossible_faults(history)] == [3]


def test_phases_end_where_the_next_begins() -> None:
    history: list[Record] = [
        PhaseRecord(name="start", at_ns=1),
        PhaseRecord(name="faults", at_ns=5),
        op(OpType.INVOKE, 9),
    ]
    assert [(p.name, p.began_ns, p.ended_ns) for p in phases(history)] == [
        ("start", 1, 5),
        ("faults", 5, 9),
    ]
    assert phases(history[2:]) == []


def test_workloads_say_their_kind_themselves() -> None:
    began = Happening(
        process="framework-1", what="began", at_ns=1, value={"kind": "churn"}
    )
    assert kinds_of_workloads([began]) == {"framework-1": "churn"}
    assert workload_of("framework-1/12") == "framework-1"


def test_gaps_are_the_time_between_operations_that_ended_ok() -> None:
    done = operations(
        [
            *call(1, 5, 20),
            *call(2, 6, 50),
            *call(3, 7, 30, OpType.FAIL),
            *call(4, 90, 120),
        ]
    )
    gaps = gaps_without_ok(done, began_ns=0, ended_ns=100)
    assert [(gap.began_ns, gap.ended_ns) for gap in gaps] == [
        (50, 100),
        (20, 50),
        (0, 20),
    ]
    assert [
        (g.began_ns, g.ended_ns) for g in gaps_without_ok([], began_ns=3, ended_ns=9)
    ] == [(3, 9)]


def test_counts_are_by_workload_and_kind_of_operation() -> None:
    done = operations(
        [
            *call(1, 1, 2),
            *call(2, 1, 2, OpType.INFO),
            *call(3, 1, 2, f="kill"),
            op(OpType.INVOKE, 9, id=4),
            *call(1, 1, 2, OpType.FAIL, process="hoarder-1/1"),
        ]
    )
    assert counts_by(done) == {
        ("churn-1", ""): Counts(ok=2, info=2),
        ("hoarder-1", ""): Counts(fail=1),
    }
    assert counts_by(done, by_kind=True)["churn-1", "kill"] == Counts(ok=1)
    assert Counts(ok=10).per_s(4) == 2.5
    assert Counts(ok=10).per_s(0) == 0.0


def test_rates_count_ends_in_buckets() -> None:
    second = 10**9
    done = operations(
        [
            *call(1, 0, second // 2),
            *call(2, 0, second - 1),
            *call(3, 0, second, OpType.INFO),
            *call(4, 0, 3 * second),
            op(OpType.INVOKE, 1, id=5),
        ]
    )
    assert rates(done, began_ns=0, ended_ns=5 * second // 2) == {
        OpType.OK: [2.0, 0.0, 0.0],
        OpType.FAIL: [0.0, 0.0, 0.0],
        OpType.INFO: [0.0, 1.0, 0.0],
    }
    halves = rates(done, began_ns=0, ended_ns=second, bucket_s=0.5)
    assert halves[OpType.OK] == [0.0, 4.0]
