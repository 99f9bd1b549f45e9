"""What RECONCILE_OPERATIONS is answered: the state of operations, without a uuid."""

from __future__ import annotations

from collections.abc import Sequence

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.offers import OperationStatus
from raftleader.protocol.scheduler_api import ReconcileOperation
from raftleader.state.cluster import ClusterState
from raftleader.state.queries import (
    implicit_operation_reconciliation,
    operation_reconciliation,
)


def operation_answers(
    state: ClusterState,
    framework_id: FrameworkId,
    operations: Sequence[ReconcileOperation],
) -> tuple[OperationStatus, ...]:
    """One answer for each operation named; all that are not acknowledged if none is."""
    if not operations:
        return implicit_operation_reconciliation(state, framework_id)
    return tuple(
        operation_reconciliation(
            state, framework_id, wanted.operation_id, wanted.agent_id
        )
        for wanted in operations
    )
