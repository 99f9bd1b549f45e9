"""Scheduler calls as commands for the log."""

from __future__ import annotations

from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Decline,
    Kill,
    Revive,
    Subscribe,
    Suppress,
    Teardown,
)
from raftleader.state.commands import (
    AcceptOffers,
    AcknowledgeUpdate,
    Command,
    DeclineOffers,
    KillTask,
    ReviveRoles,
    SubscribeFramework,
    SuppressRoles,
    TeardownFramework,
)

LoggedCall = Teardown | Accept | Decline | Revive | Suppress | Kill | Acknowledge
"""Calls of a subscribed framework that change the cluster."""


def subscription_of(call: Subscribe) -> SubscribeFramework:
    """The command for SUBSCRIBE."""
    return SubscribeFramework(
        info=call.framework_info,
        framework_id=call.framework_id,
        suppressed_roles=call.suppressed_roles,
    )


def command_of(call: LoggedCall) -> Command:
    """The command for any other call that is logged."""
    match call:
        case Accept():
            return AcceptOffers(
                framework_id=call.framework_id,
                offer_ids=call.offer_ids,
                operations=call.operations,
                refuse_ms=call.refuse_ms,
            )
        case Acknowledge():
            return AcknowledgeUpdate(
                framework_id=call.framework_id, task_id=call.task_id, uuid=call.uuid
            )
        case Decline():
            return DeclineOffers(
                framework_id=call.framework_id,
                offer_ids=call.offer_ids,
                refuse_ms=call.refuse_ms,
            )
        case Kill():
            return KillTask(
                framework_id=call.framework_id,
                task_id=call.task_id,
                agent_id=call.agent_id,
                grace_ms=call.grace_ms,
            )
        case Revive():
            return ReviveRoles(framework_id=call.framework_id, roles=call.roles)
        case Suppress():
            return SuppressRoles(framework_id=call.framework_id, roles=call.roles)
        case Teardown():
            return TeardownFramework(framework_id=call.framework_id)
