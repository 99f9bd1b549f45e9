"""Identifiers, one type each so that they cannot be swapped.

Framework, agent and offer ids are made by ``apply`` from the log index and the
command's ordinal in its entry: unique, equal on every replica, never random.
"""

from __future__ import annotations

from typing import NewType

from raftleader.limits import ID_CHARS_MAX

FrameworkId = NewType("FrameworkId", str)
AgentId = NewType("AgentId", str)
OfferId = NewType("OfferId", str)
TaskId = NewType("TaskId", str)
NodeId = NewType("NodeId", str)

TaskKey = tuple[FrameworkId, TaskId]
"""Task ids are chosen by frameworks, so only the pair is unique."""


def id_problem(text: str) -> str | None:
    """Why ``text`` cannot be a task id, or None. It becomes a folder's name."""
    if not text:
        return "must not be empty"
    if len(text) > ID_CHARS_MAX:
        return f"is longer than {ID_CHARS_MAX} characters"
    if text in (".", ".."):
        return "must not be '.' or '..'"
    for character in text:
        if character in "/\\" or ord(character) < 32 or ord(character) == 127:
            return f"must not contain {character!r}"
    return None
