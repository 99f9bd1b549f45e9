from __future__ import annotations

import pytest

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.tasks import TaskState
from raftleader.state.task_lifecycle import (
    FROM_AGENT,
    LEGAL_AFTER,
    may_follow,
    visible_state,
)


def test_every_state_has_a_row() -> None:
    assert set(LEGAL_AFTER) == set(TaskState)


@pytest.mark.parametrize("state", [s for s in TaskState if s.is_terminal])
def test_nothing_may_follow_when_a_state_is_terminal(state: TaskState) -> None:
    assert not any(may_follow(state, new) for new in TaskState)


@pytest.mark.parametrize(
    "state",
    [
        TaskState.STAGING,
        TaskState.STARTING,
        TaskState.RUNNING,
        TaskState.KILLING,
        TaskState.UNREACHABLE,
    ],
)
def test_every_end_an_agent_reports_may_follow_when_a_task_lives(
    state: TaskState,
) -> None:
    ends = {s for s in FROM_AGENT if s.is_terminal}
    assert len(ends) == 7
    assert all(may_follow(state, end) for end in ends)


def test_a_task_never_goes_back() -> None:
    order = [
        TaskState.STAGING,
        TaskState.STARTING,
        TaskState.RUNNING,
        TaskState.KILLING,
    ]
    for place, late in enumerate(order):
        assert not any(may_follow(late, early) for early in order[:place])


def test_only_partition_aware_frameworks_hear_what_lost_may_mean() -> None:
    plain = FrameworkInfo(user="u", name="n")
    aware = FrameworkInfo(user="u", name="n", capabilities=("PARTITION_AWARE",))
    for state in ("DROPPED", "UNREACHABLE", "GONE", "GONE_BY_OPERATOR", "UNKNOWN"):
        assert visible_state(TaskState[state], plain) is TaskState.LOST
        assert visible_state(TaskState[state], aware) is TaskState[state]
    assert visible_state(TaskState.KILLING, aware) is None
    assert visible_state(TaskState.RUNNING, plain) is TaskState.RUNNING
    assert visible_state(TaskState.GONE, None) is TaskState.GONE
