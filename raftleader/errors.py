"""Every error raised on purpose, and what a caller may conclude from it.

RaftLeaderError
|- NotLeaderError            definite   ask the node it names
|- OverloadedError           definite   wait, then try again
|- OutcomeUnknownError       unknown    look before you try again
|- InvalidInputError         definite   mend the input; names the field
|- ConfigError               definite   mend the configuration; names the key
|- JournalDamagedError       definite   a person must look; names the offset
|- DiskFullError             definite   make room; nothing was lost, nothing was taken
|- ApiError                  definite   a server's answer that is not a success
`- UnavailableError          definite   no leader could be reached in time
"""

from __future__ import annotations

from typing import ClassVar


class RaftLeaderError(Exception):
    """Base of every error we raise on purpose.

    ``definite`` is what the caller may conclude. True: it did not happen, so
    trying again is safe. False: it may have happened, so look before retrying.
    """

    definite: ClassVar[bool] = True


class NotLeaderError(RaftLeaderError):
    """This node does not lead. ``leader`` is our best guess of who does, or None."""

    def __init__(self, leader: str | None) -> None:
        super().__init__(f"not the leader; try {leader or 'another node'}")
        self.leader = leader


class OverloadedError(RaftLeaderError):
    """A bounded queue is full; nothing was taken. Wait, then try again."""


class OutcomeUnknownError(RaftLeaderError):
    """A command was proposed, and we cannot tell whether it was committed."""

    definite = False


class InvalidInputError(RaftLeaderError):
    """Input that cannot be taken. ``path`` names the field or the offset."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem


class ConfigError(RaftLeaderError):
    """A configuration that cannot be used; the message names the key."""


class JournalDamagedError(RaftLeaderError):
    """A journal that cannot be trusted: the node refuses to start on it.

    ``offset`` is the byte where the first damaged record begins.
    """

    def __init__(self, path: str, offset: int, problem: str) -> None:
        super().__init__(f"{path} is damaged at byte {offset}: {problem}")
        self.path = path
        self.offset = offset
        self.problem = problem


class DiskFullError(RaftLeaderError):
    """No room on the disk, or in the quota. What was synced is not touched, what
    waited still waits: the same may work when there is room again."""


class ApiError(RaftLeaderError):
    """An HTTP answer that is not a success: ``status`` and the server's words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}" if text else f"HTTP {status}")
        self.status = status
        self.text = text


class UnavailableError(RaftLeaderError):
    """No leader could be reached within the time given."""
