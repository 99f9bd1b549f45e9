"""Which task state may follow which, and which of them a framework may see.

A terminal state is never followed by anything: frameworks rely on it.
"""

from __future__ import annotations

from typing import Final

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.tasks import TaskState

S = TaskState

_ENDS_AT_AGENT: Final = frozenset(
    {S.FINISHED, S.FAILED, S.KILLED, S.ERROR, S.LOST, S.DROPPED, S.GONE}
)
_ENDS: Final = _ENDS_AT_AGENT | {S.GONE_BY_OPERATOR}

LEGAL_AFTER: Final[dict[TaskState, frozenset[TaskState]]] = {
    S.STAGING: _ENDS | {S.STARTING, S.RUNNING, S.KILLING, S.UNREACHABLE},
    S.STARTING: _ENDS | {S.STARTING, S.RUNNING, S.KILLING, S.UNREACHABLE},
    S.RUNNING: _ENDS | {S.RUNNING, S.KILLING, S.UNREACHABLE},
    S.KILLING: _ENDS | {S.KILLING, S.UNREACHABLE},
    S.UNREACHABLE: _ENDS | {S.STARTING, S.RUNNING, S.KILLING},
    **{state: frozenset() for state in S if state.is_terminal},
    S.UNKNOWN: frozenset(),
}
"""What may follow each state. A repeated RUNNING is news (health, addresses)."""

FROM_AGENT: Final = _ENDS_AT_AGENT | {S.STARTING, S.RUNNING, S.KILLING}
"""What an agent may report. The other states are the leader's to give."""

_PARTITION_AWARE_ONLY: Final = frozenset(
    {S.DROPPED, S.UNREACHABLE, S.GONE, S.GONE_BY_OPERATOR, S.UNKNOWN}
)


def may_follow(old: TaskState, new: TaskState) -> bool:
    """Whether ``new`` is legal after ``old``."""
    return new in LEGAL_AFTER[old]


def visible_state(
    state: TaskState, framework: FrameworkInfo | None
) -> TaskState | None:
    """What the framework is told instead of ``state``, or None for nothing.

    LOST stands for what only PARTITION_AWARE frameworks know; KILLING is told to
    TASK_KILLING_STATE frameworks only. A framework that is gone is told nothing
    anyway, and its tasks keep their true state.
    """
    if framework is None:
        return state
    if state in _PARTITION_AWARE_ONLY and not framework.is_capable("PARTITION_AWARE"):
        return S.LOST
    if state is S.KILLING and not framework.is_capable("TASK_KILLING_STATE"):
        return None
    return state
