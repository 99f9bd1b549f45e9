"""A task in the memory of its agent. Pure."""

from __future__ import annotations

import enum

import attrs

from agent.records import ProcessMark
from raftleader.limits import KILL_GRACE_S
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import TaskState


class Stage(enum.Enum):
    """How far a task is, as its agent sees it."""

    LAUNCHING = "launching"
    RUNNING = "running"
    ENDED = "ended"


@attrs.define(kw_only=True)
class Held:
    """A task whose end is not committed.

    Attributes:
        state: The newest state that was reported, or will be.
        kill_message: Why it is being killed; None if it is not.
        grace_ms: Between TERM and KILL.
        mark: Its process, once there is one.
    """

    key: TaskKey
    stage: Stage
    state: TaskState
    name: str = ""
    resources: Resources = EMPTY
    container_id: str = ""
    grace_ms: int = round(KILL_GRACE_S * 1000)
    kill_message: str | None = None
    mark: ProcessMark | None = None
