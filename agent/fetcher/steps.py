"""What the agent tells the program that fetches. Values."""

from __future__ import annotations

import enum

import msgspec

OWN_FILES = frozenset({"stdout", "stderr", "task.data"})
"""Files of a sandbox that nothing that is fetched may replace."""


class ArchiveKind(enum.Enum):
    """How a file is unpacked. A tar archive may be compressed."""

    TAR = "tar"
    ZIP = "zip"
    GZIP = "gzip"


class FetchStep(msgspec.Struct, frozen=True, kw_only=True):
    """One file to fetch; exactly one of ``url`` and ``path`` is set.

    Attributes:
        shown: The URI as people are to read it.
        url: Where a server has it.
        path: Where this machine has it.
        place: Its path in the sandbox, in parts; none is ``.`` or ``..``.
        is_executable: It may be executed.
        archive: It is unpacked in the sandbox, and stays.
    """

    shown: str
    url: str | None = None
    path: str | None = None
    place: tuple[str, ...]
    is_executable: bool = False
    archive: ArchiveKind | None = None


class FetchBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one command may cost; see ``bounds.py``."""

    stall_s: float
    timeout_s: float
    bytes_max: int
    files_max: int
    disk_free_bytes_min: int
    mem_bytes_max: int


class FetchUser(msgspec.Struct, frozen=True, kw_only=True):
    """Who fetches, in numbers."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class FetchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that is fetched for one command, in order.

    Attributes:
        user: Who is to fetch it; None is who the agent is.
    """

    sandbox: str
    steps: tuple[FetchStep, ...]
    bounds: FetchBounds
    user: FetchUser | None = None
