"""What applying an entry did that no row tells afterwards: for those who count.

Every node makes the same ones; only a leader counts them. They decide nothing.
"""

from __future__ import annotations

import enum

import msgspec

from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.offers import OperationState
from raftleader.protocol.tasks import TaskStatus


class OfferEnd(enum.Enum):
    """How an offer ended."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    RESCINDED = "rescinded"


class TaskEnded(msgspec.Struct, frozen=True, gc=False):
    """A task became terminal or unreachable, or was refused."""

    framework_id: FrameworkId
    status: TaskStatus


class OffersEnded(msgspec.Struct, frozen=True, gc=False):
    """So many offers of a framework are over."""

    framework_id: FrameworkId
    end: OfferEnd
    count: int


class OperationEnded(msgspec.Struct, frozen=True, gc=False):
    """An operation of a framework was performed (FINISHED) or not.

    ``type`` is Mesos' name. A launch is told only if it was performed: what becomes
    of its tasks is told of each.
    """

    framework_id: FrameworkId
    type: str
    state: OperationState


class AgentLost(msgspec.Struct, frozen=True, gc=False):
    """An agent became unreachable, or is gone for ever."""

    agent_id: AgentId
    is_gone: bool


Happening = TaskEnded | OffersEnded | OperationEnded | AgentLost
