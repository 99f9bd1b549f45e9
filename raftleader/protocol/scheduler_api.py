"""The Mesos v1 scheduler API as values: one class for each call and event.

How they are written is the business of ``json_v1.py``. Contract: Mesos v1 scheduler
HTTP API.
"""

from __future__ import annotations

import msgspec

from raftleader.protocol.agents import Domain
from raftleader.protocol.constraints import OfferConstraints
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import (
    InverseOffer,
    Offer,
    Operation,
    OperationStatus,
)
from raftleader.protocol.tasks import TaskStatus


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Open the event stream. ``framework_id`` is set on a re-subscription.

    Attributes:
        problem: What is wrong with how the framework was described, if
            ``framework_info`` does not show it.
    """

    framework_info: FrameworkInfo
    framework_id: FrameworkId | None = None
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints = {}
    problem: str | None = None


class UpdateFramework(msgspec.Struct, frozen=True, kw_only=True):
    """Change the framework in place. Answered 200 once it is in the log.

    ``problem`` is as of ``Subscribe``.
    """

    framework_id: FrameworkId
    framework_info: FrameworkInfo
    suppressed_roles: tuple[str, ...] = ()
    offer_constraints: OfferConstraints = {}
    problem: str | None = None


class Teardown(msgspec.Struct, frozen=True, kw_only=True):
    """Kill all tasks and forget the framework."""

    framework_id: FrameworkId


class Accept(msgspec.Struct, frozen=True, kw_only=True):
    """Use offers of one agent; ``refuse_ms`` filters what is left of them."""

    framework_id: FrameworkId
    offer_ids: tuple[OfferId, ...]
    operations: tuple[Operation, ...] = ()
    refuse_ms: int = 5000


class Decline(msgspec.Struct, frozen=True, kw_only=True):
    """Give offers back."""

    framework_id: FrameworkId
    offer_ids: tuple[OfferId, ...]
    refuse_ms: int = 5000


class Revive(msgspec.Struct, frozen=True, kw_only=True):
    """Forget filters and suppression of these roles; of all if none is named."""

    framework_id: FrameworkId
    roles: tuple[str, ...] = ()


class Suppress(msgspec.Struct, frozen=True, kw_only=True):
    """Send no offers for these roles; for all if none is named."""

    framework_id: FrameworkId
    roles: tuple[str, ...] = ()


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """End a task. ``grace_ms`` overrides the task's own kill policy."""

    framework_id: FrameworkId
    task_id: TaskId
    agent_id: AgentId | None = None
    grace_ms: int | None = None


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True):
    """The framework has taken this status update."""

    framework_id: FrameworkId
    agent_id: AgentId
    task_id: TaskId
    uuid: bytes


class ReconcileTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task whose state is asked for."""

    task_id: TaskId
    agent_id: AgentId | None = None


class Reconcile(msgspec.Struct, frozen=True, kw_only=True):
    """Send the state of these tasks; of all live ones if none is named."""

    framework_id: FrameworkId
    tasks: tuple[ReconcileTask, ...] = ()


class AcceptInverseOffers(msgspec.Struct, frozen=True, kw_only=True):
    """The framework will give these resources back."""

    framework_id: FrameworkId
    inverse_offer_ids: tuple[OfferId, ...]
    refuse_ms: int = 5000


class DeclineInverseOffers(msgspec.Struct, frozen=True, kw_only=True):
    """The framework will not, or not yet."""

    framework_id: FrameworkId
    inverse_offer_ids: tuple[OfferId, ...]
    refuse_ms: int = 5000


class ShutdownExecutor(msgspec.Struct, frozen=True, kw_only=True):
    """End an executor, and its tasks with it."""

    framework_id: FrameworkId
    executor_id: str
    agent_id: AgentId


class AcknowledgeOperation(msgspec.Struct, frozen=True, kw_only=True):
    """The framework has taken this operation's status."""

    framework_id: FrameworkId
    operation_id: str
    uuid: bytes
    agent_id: AgentId | None = None
    resource_provider_id: str | None = None


class ReconcileOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation whose state is asked for."""

    operation_id: str
    agent_id: AgentId | None = None
    resource_provider_id: str | None = None


class ReconcileOperations(msgspec.Struct, frozen=True, kw_only=True):
    """Send the state of these operations; of all known ones if none is named."""

    framework_id: FrameworkId
    operations: tuple[ReconcileOperation, ...] = ()


class SendMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes for an executor; best effort."""

    framework_id: FrameworkId
    agent_id: AgentId
    executor_id: str
    data: bytes


class RequestResources(msgspec.Struct, frozen=True, kw_only=True):
    """A hint of what is wanted, which no allocator of ours reads."""

    framework_id: FrameworkId


class UnknownCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call type of Mesos' that this version does not serve (501)."""

    type: str
    framework_id: FrameworkId | None = None


Call = (
    Subscribe
    | Teardown
    | Accept
    | Decline
    | Revive
    | Suppress
    | Kill
    | Acknowledge
    | Reconcile
    | UpdateFramework
    | AcceptInverseOffers
    | DeclineInverseOffers
    | ShutdownExecutor
    | AcknowledgeOperation
    | ReconcileOperations
    | SendMessage
    | RequestResources
    | UnknownCall
)


class LeaderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The leader, as SUBSCRIBED tells it (Mesos' MasterInfo)."""

    id: str
    hostname: str
    ip: str
    port: int
    version: str
    domain: Domain | None = None


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The stream is open."""

    framework_id: FrameworkId
    heartbeat_interval_s: float
    leader: LeaderInfo | None = None


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """Resources to take or leave."""

    offers: tuple[Offer, ...]


class Rescind(msgspec.Struct, frozen=True, kw_only=True):
    """An offer is no longer valid."""

    offer_id: OfferId


class InverseOffers(msgspec.Struct, frozen=True, kw_only=True):
    """Resources to give back."""

    inverse_offers: tuple[InverseOffer, ...]


class RescindInverseOffer(msgspec.Struct, frozen=True, kw_only=True):
    """The resources may stay."""

    inverse_offer_id: OfferId


class OperationUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """News of an operation; to be acknowledged if it has a uuid."""

    status: OperationStatus


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes from an executor; best effort."""

    agent_id: AgentId
    executor_id: str
    data: bytes


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """News of a task; to be acknowledged if it has a uuid."""

    status: TaskStatus


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An agent (or, with ``executor_id``, an executor) is gone."""

    agent_id: AgentId | None = None
    executor_id: str | None = None
    status: int | None = None


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """The session cannot go on; the stream closes after this."""

    message: str


class Heartbeat(msgspec.Struct, frozen=True):
    """The stream is alive."""


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event type this client does not know; to be ignored."""

    type: str


Event = (
    Subscribed
    | Offers
    | InverseOffers
    | Rescind
    | RescindInverseOffer
    | Update
    | OperationUpdate
    | Message
    | Failure
    | Error
    | Heartbeat
    | UnknownEvent
)
