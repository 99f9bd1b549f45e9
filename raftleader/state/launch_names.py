"""How a decided launch or operation is known that has no row (promise P3).

Rows say from which offers they came. What was refused, or is long over, has no row;
its framework remembers the name instead.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from raftleader.protocol.ids import OfferId


def launch_name(
    name: str,
    offer_ids: tuple[OfferId, ...],
    *,
    kind: Literal["task", "operation"] = "task",
) -> bytes:
    """16 bytes that name the launch of a task, or an operation, from these offers."""
    person = b"" if kind == "task" else b"operation"
    hasher = hashlib.blake2b(digest_size=16, person=person)
    for part in (name, *offer_ids):
        encoded = part.encode()
        hasher.update(len(encoded).to_bytes(4, "big"))
        hasher.update(encoded)
    return hasher.digest()
