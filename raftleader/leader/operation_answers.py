"""What RECONCILE_OPERATIONS is answered: the state of operations, without a uuid."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.offers import OperationState, OperationStatus
from raftleader.protocol.scheduler_api import ReconcileOperation
from raftleader.state.cluster import ClusterState


def operation_answers(
    state: ClusterState,
    framework_id: FrameworkId,
    operations: Sequence[ReconcileOperation],
) -> tuple[OperationStatus, ...]:
    """One answer for each operation named; for all in the table if none is.

    An operation is in the table until its end was acknowledged. What is not there
    is answered with what its agent lets us conclude, as in Mesos.
    """
    if not operations:
        keys = sorted(state.operations_by_framework.get(framework_id, ()))
        return tuple(
            msgspec.structs.replace(state.operations[key].status, uuid=None)
            for key in keys
        )
    return tuple(_answer(state, framework_id, wanted) for wanted in operations)


def _answer(
    state: ClusterState, framework_id: FrameworkId, wanted: ReconcileOperation
) -> OperationStatus:
    row = state.operations.get((framework_id, wanted.operation_id))
    if row is not None:
        return msgspec.structs.replace(row.status, uuid=None)
    told, message = _conclusion(state, wanted)
    return OperationStatus(
        operation_id=wanted.operation_id,
        state=told,
        message=f"Reconciliation: {message}",
        agent_id=wanted.agent_id,
    )


def _conclusion(
    state: ClusterState, wanted: ReconcileOperation
) -> tuple[OperationState, str]:
    agent_id = wanted.agent_id
    if agent_id is None:
        text = "Operation is unknown and no 'agent_id' was provided"
        return OperationState.UNKNOWN, text
    if agent_id in state.gone_agents:
        return OperationState.GONE_BY_OPERATOR, "Agent marked gone by operator"
    agent = state.agents.get(agent_id)
    if agent is None:
        return OperationState.UNKNOWN, "Both operation and agent are unknown"
    if agent.unreachable_ms is not None:
        return OperationState.UNREACHABLE, "Agent is unreachable"
    return OperationState.UNKNOWN, "Operation is unknown"
