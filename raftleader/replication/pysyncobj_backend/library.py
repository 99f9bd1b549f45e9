"""PySyncObj's names, said plainly: its constants, its nodes, its private attributes."""

from __future__ import annotations

import zlib
from typing import Generic, TypeVar, cast

import pysyncobj
import pysyncobj.node

T = TypeVar("T")

FOLLOWER, CANDIDATE, LEADER = 0, 1, 2
SUCCESS: int = pysyncobj.FAIL_REASON.SUCCESS
QUEUE_FULL: int = pysyncobj.FAIL_REASON.QUEUE_FULL
MISSING_LEADER: int = pysyncobj.FAIL_REASON.MISSING_LEADER
DISCARDED: int = pysyncobj.FAIL_REASON.DISCARDED
NOT_LEADER: int = pysyncobj.FAIL_REASON.NOT_LEADER
LEADER_CHANGED: int = pysyncobj.FAIL_REASON.LEADER_CHANGED
REQUEST_DENIED: int = pysyncobj.FAIL_REASON.REQUEST_DENIED

NEVER_S = 10**9
"""For timers of the library that must not fire."""


class Member(pysyncobj.node.Node):  # type: ignore[misc]
    """A node by its id. Hashed alike in every process, so that runs repeat."""

    def __hash__(self) -> int:
        return zlib.crc32(self.id.encode())


class Private(Generic[T]):
    """A private attribute of ``SyncObj`` under a name of ours."""

    def __init__(self, name: str) -> None:
        self._key = f"_SyncObj__{name}"

    def __get__(self, instance: object, owner: type) -> T:
        # None only while the library's constructor looks through our attributes.
        return cast(T, instance.__dict__.get(self._key))

    def __set__(self, instance: object, value: T) -> None:
        instance.__dict__[self._key] = value
