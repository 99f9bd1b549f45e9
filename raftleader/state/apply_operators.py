"""Commands of operators: each handed to its kind."""

from __future__ import annotations

from typing import assert_never

from raftleader.state import operator_commands as o
from raftleader.state.apply_agent_admin import (
    apply_deactivate_agent,
    apply_drain_agent,
    apply_mark_agent_gone,
    apply_reactivate_agent,
)
from raftleader.state.apply_maintenance import (
    apply_set_schedule,
    apply_start_maintenance,
    apply_stop_maintenance,
)
from raftleader.state.apply_quota import apply_set_quotas
from raftleader.state.apply_reservations import apply_operate_on_agent
from raftleader.state.cluster import ClusterState
from raftleader.state.context import Context
from raftleader.state.outcomes import Outcome


def apply_operator_command(
    state: ClusterState, ctx: Context, command: o.OperatorCommand
) -> Outcome:
    """Decide first, change after, as every ``apply_<kind>``."""
    match command:
        case o.SetQuotas():
            return apply_set_quotas(state, ctx, command)
        case o.OperateOnAgent():
            return apply_operate_on_agent(state, ctx, command)
        case o.SetSchedule():
            return apply_set_schedule(state, ctx, command)
        case o.StartMaintenance():
            return apply_start_maintenance(state, ctx, command)
        case o.StopMaintenance():
            return apply_stop_maintenance(state, ctx, command)
        case o.DrainAgent():
            return apply_drain_agent(state, ctx, command)
        case o.DeactivateAgent():
            return apply_deactivate_agent(state, ctx, command)
        case o.ReactivateAgent():
            return apply_reactivate_agent(state, ctx, command)
        case o.MarkAgentGone():
            return apply_mark_agent_gone(state, ctx, command)
        case _:
            assert_never(command)
