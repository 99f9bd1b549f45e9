"""Scheduler calls as commands for the log."""

from __future__ import annotations

from raftleader.protocol.scheduler_api import (
    Accept,
    AcceptInverseOffers,
    Acknowledge,
    AcknowledgeOperation,
    Decline,
    DeclineInverseOffers,
    Kill,
    Revive,
    ShutdownExecutor,
    Subscribe,
    Suppress,
    Teardown,
    UpdateFramework,
)
from raftleader.state import commands

LoggedCall = (
    Teardown
    | Accept
    | Decline
    | AcceptInverseOffers
    | DeclineInverseOffers
    | Revive
    | Suppress
    | Kill
    | ShutdownExecutor
    | Acknowledge
    | AcknowledgeOperation
    | UpdateFramework
)
"""Calls of a subscribed framework that change the cluster."""


def subscription_of(call: Subscribe) -> commands.SubscribeFramework:
    """The command for SUBSCRIBE."""
    return commands.SubscribeFramework(
        info=call.framework_info,
        framework_id=call.framework_id,
        suppressed_roles=call.suppressed_roles,
        offer_constraints=call.offer_constraints,
    )


def command_of(call: LoggedCall) -> commands.Command:
    """The command for any other call that is logged."""
    match call:
        case Accept():
            return commands.AcceptOffers(
                framework_id=call.framework_id,
                offer_ids=call.offer_ids,
                operations=call.operations,
                refuse_ms=call.refuse_ms,
            )
        case Acknowledge():
            return commands.AcknowledgeUpdate(
                framework_id=call.framework_id, task_id=call.task_id, uuid=call.uuid
            )
        case AcceptInverseOffers() | DeclineInverseOffers():
            return commands.AnswerInverseOffers(
                framework_id=call.framework_id,
                inverse_offer_ids=call.inverse_offer_ids,
                is_accepted=isinstance(call, AcceptInverseOffers),
                refuse_ms=call.refuse_ms,
            )
        case AcknowledgeOperation():
            return commands.AcknowledgeOperation(
                framework_id=call.framework_id,
                operation_id=call.operation_id,
                uuid=call.uuid,
            )
        case Decline():
            return commands.DeclineOffers(
                framework_id=call.framework_id,
                offer_ids=call.offer_ids,
                refuse_ms=call.refuse_ms,
            )
        case Kill():
            return commands.KillTask(
                framework_id=call.framework_id,
                task_id=call.task_id,
                agent_id=call.agent_id,
                grace_ms=call.grace_ms,
            )
        case Revive():
            return commands.ReviveRoles(
                framework_id=call.framework_id, roles=call.roles
            )
        case ShutdownExecutor():
            return commands.ShutdownExecutor(
                framework_id=call.framework_id,
                executor_id=call.executor_id,
                agent_id=call.agent_id,
            )
        case Suppress():
            return commands.SuppressRoles(
                framework_id=call.framework_id, roles=call.roles
            )
        case Teardown():
            return commands.TeardownFramework(framework_id=call.framework_id)
        case UpdateFramework():
            return commands.UpdateFramework(
                framework_id=call.framework_id,
                info=call.framework_info,
                suppressed_roles=call.suppressed_roles,
                offer_constraints=call.offer_constraints,
            )
