"""Entries of the log. The first byte of each says whose it is.

The numbers of the kinds are those of PySyncObj, so that a journal reads the same
everywhere.
"""

from __future__ import annotations

import msgspec

USER = b"\x00"
NO_OP = b"\x01"
CONFIGURATION = b"\x02"
KINDS = (USER, NO_OP, CONFIGURATION)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the log. Unknown to the garbage collector, which would otherwise
    walk through the whole log at each full collection and stop the loop meanwhile.

    ``data`` begins with one of ``KINDS``.
    """

    data: bytes
    index: int
    term: int


def user_entry(data: bytes) -> bytes:
    """The entry that carries ``data`` to the state machines."""
    return USER + data
