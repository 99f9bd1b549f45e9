"""The crash points of an agent, put around what its parts do.

From outside, so that the agent knows nothing of them. For the life of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.checkpoint import Checkpoint
from agent.containerizer.process import ProcessContainerizer
from agent.leader_link import Session
from agent.performer import Performer
from agent.status_updates import UpdateStreams
from chaos.live.crash_points import CrashPoints
from raftleader.protocol.agent_rpc import (
    AgentHello,
    ExecutorReports,
    StatusUpdates,
    TaskDigest,
    TaskList,
)

_PLACES: dict[type, str] = {
    AgentHello: "hello",
    TaskDigest: "digest",
    TaskList: "digest",
    StatusUpdates: "update",
    ExecutorReports: "executors",
}
"""Of messages to leader nodes: ``before`` is before one is put in the queue of its
session, ``after`` is after that, before it is written."""


def plant_agent_points(points: CrashPoints) -> None:
    """From now on agents of this process pass the points.

    ``checkpoint``: records are written, and synced where that is needed. ``launch``:
    the process of a task or an executor is started. ``exit``: one has ended, and the
    agent hears of it. ``committed``: an update is known to be in the leaders' log.
    """
    _surround(ProcessContainerizer, "start_nowait", points, "launch")
    _surround(Performer, "on_exit", points, "exit")
    _surround(UpdateStreams, "commit", points, "committed")
    _surround_sending(points)
    _surround_checkpoint(points)


def _surround(owner: type, name: str, points: CrashPoints, place: str) -> None:
    inner: Callable[..., Any] = getattr(owner, name)

    def outer(*arguments: Any, **keywords: Any) -> Any:
        points.passed(f"agent:{place}:before")
        result = inner(*arguments, **keywords)
        points.passed(f"agent:{place}:after")
        return result

    setattr(owner, name, outer)


def _surround_sending(points: CrashPoints) -> None:
    inner: Callable[..., None] = Session.send_nowait

    def send_nowait(session: Session, message: Any) -> None:
        place = _PLACES.get(type(message))
        if place is not None:
            points.passed(f"agent:{place}:before")
        inner(session, message)
        if place is not None:
            points.passed(f"agent:{place}:after")

    setattr(Session, "send_nowait", send_nowait)  # noqa: B010 - a method of a class


def _surround_checkpoint(points: CrashPoints) -> None:
    inner: Callable[..., Any] = Checkpoint.append

    async def append(
        checkpoint: Checkpoint, records: list[Any], *, is_sync_needed: bool
    ) -> None:
        points.passed("agent:checkpoint:before")
        await inner(checkpoint, records, is_sync_needed=is_sync_needed)
        points.passed("agent:checkpoint:after")

    setattr(Checkpoint, "append", append)  # noqa: B010 - a method of a class
