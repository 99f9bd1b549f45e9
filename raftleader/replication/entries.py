"""The first byte of every entry says whose it is: a user's, or our own no-op.

The numbers are those of PySyncObj, so that a journal reads the same everywhere.
"""

from __future__ import annotations

USER = b"\x00"
NO_OP = b"\x01"
KINDS = (USER, NO_OP)


def user_entry(data: bytes) -> bytes:
    """The entry that carries ``data`` to the appliers."""
    return USER + data
