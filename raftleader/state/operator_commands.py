"""What operators may enter into the log: quota, weights, maintenance, agents."""

from __future__ import annotations

import msgspec

from raftleader.protocol.ids import AgentId
from raftleader.protocol.offers import Conversion
from raftleader.protocol.operator_values import MachineId, Quota, Window


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class SetQuotas(_Command, frozen=True, kw_only=True, tag="set-quotas"):
    """Set the quota of each role named; an empty one removes it.

    Unless ``is_forced``, guarantees beyond the cluster's capacity, and limits below
    what the role holds now, are refused.
    """

    quotas: dict[str, Quota]
    is_forced: bool = False


class OperateOnAgent(_Command, frozen=True, kw_only=True, tag="operate-on-agent"):
    """Convert resources of an agent that nobody uses; offers in the way are rescinded.

    Rejected with INSUFFICIENT_RESOURCES if what it needs is not free then.
    """

    agent_id: AgentId
    operation: Conversion
    principal: str | None = None


class SetSchedule(_Command, frozen=True, kw_only=True, tag="set-schedule"):
    """Replace the maintenance schedule. Machines that are down must stay in it."""

    windows: tuple[Window, ...]


class StartMaintenance(_Command, frozen=True, kw_only=True, tag="start-maintenance"):
    """Machines of the schedule go down: their agents are unreachable, their tasks
    LOST, and they may not register until the maintenance is stopped. Their ids,
    reservations and volumes stay."""

    machines: tuple[MachineId, ...]


class StopMaintenance(_Command, frozen=True, kw_only=True, tag="stop-maintenance"):
    """Machines that are down come up again, and leave the schedule."""

    machines: tuple[MachineId, ...]


class DrainAgent(_Command, frozen=True, kw_only=True, tag="drain-agent"):
    """End an agent's tasks, each within its own grace or ``max_grace_ms``, offer
    nothing of it any more, and at the end declare it gone if ``mark_gone``."""

    agent_id: AgentId
    max_grace_ms: int | None = None
    mark_gone: bool = False


class DeactivateAgent(_Command, frozen=True, kw_only=True, tag="deactivate-agent"):
    """Offer nothing of an agent; its tasks go on. Its offers are rescinded."""

    agent_id: AgentId


class ReactivateAgent(_Command, frozen=True, kw_only=True, tag="reactivate-agent"):
    """Offer it again, whether it was deactivated or drained."""

    agent_id: AgentId


class MarkAgentGone(_Command, frozen=True, kw_only=True, tag="mark-gone"):
    """An agent never returns: its tasks are GONE_BY_OPERATOR, its id is refused.

    Idempotent.
    """

    agent_id: AgentId


OperatorCommand = (
    SetQuotas
    | OperateOnAgent
    | SetSchedule
    | StartMaintenance
    | StopMaintenance
    | DrainAgent
    | DeactivateAgent
    | ReactivateAgent
    | MarkAgentGone
)
