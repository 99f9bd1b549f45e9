"""Offers and what a framework does with them."""

from __future__ import annotations

import msgspec

from raftleader.limits import REFUSE_S_DEFAULT, REFUSE_S_MAX
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskInfo


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Free resources of one agent, as a framework sees them."""

    id: OfferId
    framework_id: FrameworkId
    agent_id: AgentId
    role: str
    resources: Resources
    agent: AgentInfo


class Launch(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="LAUNCH"):
    """Start these tasks on the accepted offers."""

    tasks: tuple[TaskInfo, ...]


class UnsupportedOperation(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="OTHER"
):
    """An operation we cannot perform yet; it drops itself, the rest goes on."""

    type: str


Operation = Launch | UnsupportedOperation


def refuse_ms_of(refuse_seconds: float | None) -> int:
    """The filter a call asks for, in milliseconds, by Mesos' rules.

    Missing or negative is the default, zero is none, the longest is a year.
    """
    if refuse_seconds is None or not refuse_seconds >= 0:
        refuse_seconds = REFUSE_S_DEFAULT
    return round(min(refuse_seconds, REFUSE_S_MAX) * 1000)
