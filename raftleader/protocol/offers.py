"""Offers and what a framework does with them."""

from __future__ import annotations

import enum

import msgspec

from raftleader.limits import REFUSE_S_DEFAULT, REFUSE_S_MAX
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo


class Unavailability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When an agent will be away. Without a duration: from then on."""

    start_ns: int
    duration_ns: int | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Free resources of one agent, as a framework sees them.

    Attributes:
        executor_ids: The framework's executors that run on the agent.
        unavailability: Set while maintenance of the machine is planned.
    """

    id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    role: str
    resources: Resources
    agent: AgentInfo
    executor_ids: tuple[str, ...] = ()
    unavailability: Unavailability | None = None


class InverseOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A request to give resources of an agent back before it becomes unavailable."""

    id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    unavailability: Unavailability
    agent: AgentInfo
    resources: Resources


class _Operation(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"
):
    """``id``: the framework's name for it; set if it wants to hear of the outcome."""

    id: str | None = None


class Launch(_Operation, frozen=True, kw_only=True, tag="LAUNCH"):
    """Start these tasks on the accepted offers."""

    tasks: tuple[TaskInfo, ...]


class LaunchGroup(_Operation, frozen=True, kw_only=True, tag="LAUNCH_GROUP"):
    """Start these tasks together, or none of them, in one default executor.

    Each task's ``executor`` is set to ``executor`` by whoever reads the call.
    """

    executor: ExecutorInfo
    tasks: tuple[TaskInfo, ...]


class Reserve(_Operation, frozen=True, kw_only=True, tag="RESERVE"):
    """Reserve: ``source`` becomes ``resources``. Without a source, what
    ``resources`` are with their innermost reservation taken off."""

    resources: Resources
    source: Resources | None = None


class Unreserve(_Operation, frozen=True, kw_only=True, tag="UNRESERVE"):
    """Take the innermost, dynamic reservation off."""

    resources: Resources


class Create(_Operation, frozen=True, kw_only=True, tag="CREATE"):
    """Make persistent volumes out of reserved disk."""

    volumes: Resources


class Destroy(_Operation, frozen=True, kw_only=True, tag="DESTROY"):
    """Delete persistent volumes and what is in them."""

    volumes: Resources


class GrowVolume(_Operation, frozen=True, kw_only=True, tag="GROW_VOLUME"):
    """Make a volume larger by disk of the same reservation."""

    volume: Resources
    addition: Resources


class ShrinkVolume(_Operation, frozen=True, kw_only=True, tag="SHRINK_VOLUME"):
    """Make a volume smaller by so many thousandths of a megabyte."""

    volume: Resources
    subtract_millis: int


class UnsupportedOperation(_Operation, frozen=True, kw_only=True, tag="OTHER"):
    """An operation we cannot perform; it drops itself, the rest goes on.

    ``problem`` is for its framework to read; "" if only the type is unknown.
    """

    type: str
    problem: str = ""


Conversion = Reserve | Unreserve | Create | Destroy | GrowVolume | ShrinkVolume
"""Operations that change what resources are, and start nothing."""

Operation = Launch | LaunchGroup | Conversion | UnsupportedOperation


class OperationState(enum.Enum):
    """How far an operation is. The value is the name on the wire."""

    UNSUPPORTED = "OPERATION_UNSUPPORTED"
    PENDING = "OPERATION_PENDING"
    FINISHED = "OPERATION_FINISHED"
    FAILED = "OPERATION_FAILED"
    ERROR = "OPERATION_ERROR"
    DROPPED = "OPERATION_DROPPED"
    UNREACHABLE = "OPERATION_UNREACHABLE"
    GONE_BY_OPERATOR = "OPERATION_GONE_BY_OPERATOR"
    RECOVERING = "OPERATION_RECOVERING"
    UNKNOWN = "OPERATION_UNKNOWN"


class OperationStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an operation.

    Attributes:
        uuid: 16 bytes to acknowledge, or None for an answer to a reconciliation.
        converted: What the resources are now, once FINISHED.
    """

    operation_id: str | None
    state: OperationState
    message: str | None = None
    converted: Resources | None = None
    uuid: bytes | None = None
    agent_id: AgentId | None = None


def refuse_ms_of(refuse_seconds: float | None) -> int:
    """The filter a call asks for, in milliseconds, by Mesos' rules.

    Missing or negative is the default, zero is none, the longest is a year.
    """
    if refuse_seconds is None or not refuse_seconds >= 0:
        refuse_seconds = REFUSE_S_DEFAULT
    return round(min(refuse_seconds, REFUSE_S_MAX) * 1000)
