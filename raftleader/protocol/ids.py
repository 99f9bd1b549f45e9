"""Identifiers, one type each so that they cannot be swapped.

Framework, agent and offer ids are made by ``apply`` from the log index and the
command's ordinal in its entry: unique, equal on every replica, never random.
"""

from __future__ import annotations

import re
from typing import NewType

from raftleader.limits import ID_CHARS_MAX

FrameworkId = NewType("FrameworkId", str)
AgentId = NewType("AgentId", str)
OfferId = NewType("OfferId", str)
TaskId = NewType("TaskId", str)
NodeId = NewType("NodeId", str)

TaskKey = tuple[FrameworkId, TaskId]
"""Task ids are chosen by frameworks, so only the pair is unique."""

_NOT_IN_A_NAME = re.compile(r"[/\\\x00-\x1f\x7f]")


def id_problem(text: str) -> str | None:
    """Why ``text`` cannot be a task id, or None. It becomes a folder's name."""
    if not text:
        return "must not be empty"
    if len(text) > ID_CHARS_MAX:
        return f"is longer than {ID_CHARS_MAX} characters"
    if text in (".", ".."):
        return "must not be '.' or '..'"
    bad = _NOT_IN_A_NAME.search(text)
    return f"must not contain {bad[0]!r}" if bad else None
