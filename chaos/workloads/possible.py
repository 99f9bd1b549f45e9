"""Which answers to a reconciliation can be true, given what the asker knows. Pure.

Events come in the order in which the leader took note of things, on whichever stream.
So an answer is never older than the updates before it.
"""

from __future__ import annotations

import enum

from raftleader.protocol.tasks import TaskState


class Knowledge(enum.Enum):
    """What is known of a task when it is asked for."""

    NEVER_LAUNCHED = "never launched"
    """Nobody ever used this id."""
    LAUNCHED = "launched"
    """Its ACCEPT was answered, or an update came."""
    ENDED = "ended"
    """An update said how."""


_NOWHERE = frozenset(
    {
        TaskState.UNKNOWN,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
        TaskState.UNREACHABLE,
    }
)
"""Of a task the leader never heard of, depending on what became of its agent."""
_ORDER = {TaskState.STAGING: 0, TaskState.STARTING: 1}
"""Of states that are left for good."""
_LATER = 2


def problem_with(
    answer: TaskState,
    *,
    knowledge: Knowledge,
    heard: TaskState | None,
    has_agent: bool,
) -> str | None:
    """Why this answer cannot be true; None if it can.

    Args:
        heard: The state in the last update before the answer, if any.
        has_agent: The question named an agent that the cluster knows.
    """
    if knowledge is Knowledge.NEVER_LAUNCHED:
        possible = _NOWHERE if has_agent else frozenset({TaskState.UNKNOWN})
        if answer not in possible:
            return f"it was never launched, and is said to be {answer.value}"
        return None
    if knowledge is Knowledge.ENDED:
        if answer is not heard:
            ended = heard.value if heard else "nothing"
            return f"it ended with {ended}, and is said to be {answer.value}"
        return None
    if answer is TaskState.UNKNOWN:
        return "its launch was answered, and it is said to be unknown"
    if heard is not None and _rank(answer) < _rank(heard):
        return f"it was {heard.value}, and is said to be {answer.value} again"
    return None


def _rank(state: TaskState) -> int:
    return _ORDER.get(state, _LATER)
