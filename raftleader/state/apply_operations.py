"""Commands about operations: their ends are acknowledged."""

from __future__ import annotations

from raftleader.state.apply_frameworks import UNKNOWN_FRAMEWORK
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import AcknowledgeOperation
from raftleader.state.context import Context
from raftleader.state.outcomes import Accepted, Outcome
from raftleader.state.tables import forget_operation


def apply_acknowledge_operation(
    state: ClusterState, ctx: Context, command: AcknowledgeOperation
) -> Outcome:
    """Stop delivering the operation's status; a wrong uuid means another one."""
    if command.framework_id not in state.frameworks:
        return UNKNOWN_FRAMEWORK
    key = (command.framework_id, command.operation_id)
    row = state.operations.get(key)
    if row is not None and row.status.uuid == command.uuid:
        forget_operation(state, ctx, key)
    return Accepted()
