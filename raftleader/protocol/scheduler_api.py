"""The Mesos v1 scheduler API as values: one class for each call and event.

JSON is the business of ``json_v1.py``. Contract: Mesos v1 scheduler HTTP API.
"""

from __future__ import annotations

import msgspec

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.offers import Offer, Operation
from raftleader.protocol.tasks import TaskStatus


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Open the event stream. ``framework_id`` is set on a re-subscription."""

    framework_info: FrameworkInfo
    framework_id: FrameworkId | None = None
    suppressed_roles: tuple[str, ...] = ()


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
    | UnknownCall
)


class LeaderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The leader, as SUBSCRIBED tells it (Mesos' MasterInfo)."""

    id: str
    hostname: str
    ip: str
    port: int
    version: str


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
    Subscribed | Offers | Rescind | Update | Failure | Error | Heartbeat | UnknownEvent
)
