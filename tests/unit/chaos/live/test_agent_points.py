"""The points that an agent passes, put around its parts."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest
import trio

from agent.checkpoint import Checkpoint
from agent.containerizer.process import ProcessContainerizer
from agent.leader_link import Session
from agent.performer import Performer
from agent.status_updates import UpdateStreams
from chaos.live.agent_points import plant_agent_points
from chaos.live.crash_points import CrashPoints
from raftleader.protocol.agent_rpc import Pong, StatusUpdates


class Passed(CrashPoints):
    """Takes down where it was."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def passed(self, point: str) -> None:
        self.places.append(point)


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Passed:
    for owner, name in (
        (ProcessContainerizer, "start_nowait"),
        (Performer, "on_exit"),
        (UpdateStreams, "commit"),
        (Session, "send_nowait"),
        (Checkpoint, "append"),
    ):
        # Back to this afterwards.
        monkeypatch.setattr(owner, name, getattr(owner, name))
    passed = Passed()
    plant_agent_points(passed)
    return passed


async def run_here(function: Any, *arguments: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return function(*arguments)


async def test_agent_passes_points_around_its_checkpoint(
    points: Passed, tmp_path: Path
) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", run_here)
    checkpoint.rewrite([])
    size = checkpoint.size
    await checkpoint.append([], is_sync_needed=True)
    checkpoint.close()
    assert checkpoint.size > size
    assert points.places == ["agent:checkpoint:before", "agent:checkpoint:after"]


def test_agent_passes_points_around_messages_that_matter(points: Passed) -> None:
    frames: deque[bytes] = deque()
    session = Session(1, trio.CancelScope(), frames)
    session.send_nowait(Pong(number=1))
    assert points.places == []
    session.send_nowait(StatusUpdates(updates=()))
    assert points.places == ["agent:update:before", "agent:update:after"]
    assert len(frames) == 2


def test_agent_passes_points_when_an_update_is_committed(points: Passed) -> None:
    assert UpdateStreams().commit(b"unknown") is None
    assert points.places == ["agent:committed:before", "agent:committed:after"]
