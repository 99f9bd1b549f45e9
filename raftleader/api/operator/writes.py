"""The calls that change the cluster, as commands, and what their outcomes answer.

Statuses and texts are Mesos'. What can only be decided in the order of the log is
decided there; here is what the words of a call mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from raftleader.api.operator.maintenance import read_machines, read_windows
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.json_v1_fields import Fields
from raftleader.protocol.json_v1_resources import read_millis, read_resources
from raftleader.protocol.offers import (
    Conversion,
    Create,
    Destroy,
    GrowVolume,
    Reserve,
    ShrinkVolume,
    Unreserve,
)
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.commands import Command, TeardownFramework
from raftleader.state.operator_commands import (
    DeactivateAgent,
    DrainAgent,
    MarkAgentGone,
    OperateOnAgent,
    ReactivateAgent,
    SetQuotas,
    SetSchedule,
    StartMaintenance,
    StopMaintenance,
)
from raftleader.state.outcomes import Refusal, Rejected

_SECONDS_MAX = 10**12
_NO_AGENT = "No agent found with specified ID"
_NO_FRAMEWORK = "No framework found with specified ID"
_CONFLICT = {Refusal.INSUFFICIENT_RESOURCES: 409}


@attrs.frozen(kw_only=True)
class Write:
    """A kind of call.

    Attributes:
        command: Makes the command of the call's body. Raises InvalidInputError.
        status: Of the answer when it took effect.
        statuses: Of the answer when it was refused so; 400 otherwise.
        texts: What a refusal is answered, where the outcome has other words.
    """

    command: Callable[[Fields], Command]
    status: int = 200
    statuses: Mapping[Refusal, int] = attrs.field(factory=dict)
    texts: Mapping[Refusal, str] = attrs.field(factory=dict)

    def refused(self, outcome: Rejected) -> tuple[int, str]:
        """Status and text for this outcome."""
        text = self.texts.get(outcome.refusal) or outcome.message
        return self.statuses.get(outcome.refusal, 400), text or outcome.refusal.value


def _conversion(read: Callable[[Fields], Conversion]) -> Write:
    def command(body: Fields) -> Command:
        agent_id = body.identifier("agent_id")
        if agent_id is None:
            raise body.invalid("agent_id", "is required")
        return OperateOnAgent(agent_id=AgentId(agent_id), operation=read(body))

    return Write(
        command=command,
        status=202,
        statuses=_CONFLICT,
        texts={Refusal.UNKNOWN_AGENT: _NO_AGENT},
    )


def _read(body: Fields, name: str) -> Resources:
    resources, unsupported = read_resources(body, name)
    if unsupported:
        raise body.invalid(unsupported[0], "is not supported")
    return resources


def _read_one(body: Fields, name: str) -> Resources:
    """The resource in a field that is not repeated."""
    body.required_child(name)
    resources = _read(body, name)
    if not resources:
        raise body.invalid(name, "must not be empty")
    return resources


def _reserve(body: Fields) -> Conversion:
    source = _read(body, "source")
    return Reserve(resources=_read(body, "resources"), source=source or None)


def _unreserve(body: Fields) -> Conversion:
    return Unreserve(resources=_read(body, "resources"))


def _create(body: Fields) -> Conversion:
    return Create(volumes=_read(body, "volumes"))


def _destroy(body: Fields) -> Conversion:
    return Destroy(volumes=_read(body, "volumes"))


def _grow(body: Fields) -> Conversion:
    return GrowVolume(
        volume=_read_one(body, "volume"),
        addition=_read_one(body, "addition"),
    )


def _shrink(body: Fields) -> Conversion:
    return ShrinkVolume(
        volume=_read_one(body, "volume"),
        subtract_millis=read_millis(body.required_child("subtract"), "value"),
    )


def _agent_id(body: Fields) -> AgentId:
    return AgentId(body.required_identifier("agent_id"))


def _drain(body: Fields) -> Command:
    return DrainAgent(
        agent_id=_agent_id(body),
        max_grace_ms=_read_duration_ms(body, "max_grace_period"),
        mark_gone=body.flag("mark_gone") or False,
    )


def _read_duration_ms(body: Fields, name: str) -> int | None:
    """A ``google.protobuf.Duration``, which is not written as Mesos' own are."""
    child = body.child(name)
    if child is None:
        return None
    seconds = child.integer("seconds", least=0, most=_SECONDS_MAX) or 0
    nanos = child.integer("nanos", least=0, most=10**9 - 1) or 0
    return seconds * 1000 + nanos // 10**6


def _update_quota(body: Fields) -> Command:
    quotas: dict[str, Quota] = {}
    for item in body.children("quota_configs"):
        role = item.required_text("role")
        if role in quotas:
            raise item.invalid("role", f"{role!r} is there twice")
        quotas[role] = Quota(
            limits=read_quantities(item, "limits"),
            guarantees=read_quantities(item, "guarantees"),
        )
    return SetQuotas(quotas=quotas, is_forced=body.flag("force") or False)


def read_quantities(fields: Fields, name: str) -> dict[str, int]:
    """A map of scalars, in thousandths."""
    return {key: read_millis(item, "value") for key, item in fields.entries(name)}


def _set_quota(body: Fields) -> Command:
    """The older call: a guarantee that is the limit, too."""
    request = body.required_child("quota_request")
    role = request.text("role")
    if not role:
        raise request.invalid("role", "is required")
    guarantee = _read(request, "guarantee")
    if guarantee.ranges or guarantee.sets or not guarantee.scalars:
        raise request.invalid("guarantee", "must have scalars, and nothing else")
    if any(split_key(key) != (key, "*") for key in guarantee.scalars):
        raise request.invalid("guarantee", "must not be reserved")
    amounts = dict(guarantee.scalars)
    return SetQuotas(
        quotas={role: Quota(limits=amounts, guarantees=amounts)},
        is_forced=request.flag("force") or False,
    )


def _remove_quota(body: Fields) -> Command:
    return SetQuotas(quotas={body.required_text("role"): Quota()}, is_forced=True)


WRITES: Mapping[str, Write] = {
    "RESERVE_RESOURCES": _conversion(_reserve),
    "UNRESERVE_RESOURCES": _conversion(_unreserve),
    "CREATE_VOLUMES": _conversion(_create),
    "DESTROY_VOLUMES": _conversion(_destroy),
    "GROW_VOLUME": _conversion(_grow),
    "SHRINK_VOLUME": _conversion(_shrink),
    "UPDATE_MAINTENANCE_SCHEDULE": Write(
        command=lambda body: SetSchedule(
            windows=read_windows(body.required_child("schedule"))
        )
    ),
    "START_MAINTENANCE": Write(
        command=lambda body: StartMaintenance(machines=read_machines(body, "machines"))
    ),
    "STOP_MAINTENANCE": Write(
        command=lambda body: StopMaintenance(machines=read_machines(body, "machines"))
    ),
    "DRAIN_AGENT": Write(
        command=_drain, texts={Refusal.UNKNOWN_AGENT: "Unknown agent"}
    ),
    "DEACTIVATE_AGENT": Write(
        command=lambda body: DeactivateAgent(agent_id=_agent_id(body)),
        texts={Refusal.UNKNOWN_AGENT: "Unknown agent"},
    ),
    "REACTIVATE_AGENT": Write(
        command=lambda body: ReactivateAgent(agent_id=_agent_id(body)),
        texts={Refusal.UNKNOWN_AGENT: "Agent is not deactivated"},
    ),
    "MARK_AGENT_GONE": Write(
        command=lambda body: MarkAgentGone(agent_id=_agent_id(body)),
        statuses={Refusal.UNKNOWN_AGENT: 404},
    ),
    "UPDATE_QUOTA": Write(command=_update_quota),
    "SET_QUOTA": Write(
        command=_set_quota, statuses={Refusal.QUOTA_EXCEEDS_CAPACITY: 409}
    ),
    "REMOVE_QUOTA": Write(command=_remove_quota),
    "TEARDOWN": Write(
        command=lambda body: TeardownFramework(
            framework_id=FrameworkId(body.required_identifier("framework_id"))
        ),
        texts={
            Refusal.UNKNOWN_FRAMEWORK: _NO_FRAMEWORK,
            Refusal.FRAMEWORK_REMOVED: _NO_FRAMEWORK,
        },
    ),
}
"""Every call that is one command. UPDATE_WEIGHTS is not: it looks first."""
