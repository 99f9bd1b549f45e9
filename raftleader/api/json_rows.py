"""Writing long lists of rows without holding up the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
import trio

Row = TypeVar("Row")
ROWS_PER_TURN = 100
"""Rows written in one turn of the loop: about a millisecond. A page over 50,000
tasks must not delay a heartbeat of Raft."""

_encoder = msgspec.json.Encoder()


async def encoded_rows(
    rows: Iterable[Row], to_json: Callable[[Row], dict[str, Any]]
) -> list[msgspec.Raw]:
    """Each row as JSON, for an encoder to put together.

    ``rows`` must not change meanwhile: pass a copy of the table's values; the rows
    themselves never change.
    """
    encoded: list[msgspec.Raw] = []
    for row in rows:
        encoded.append(msgspec.Raw(_encoder.encode(to_json(row))))
        if len(encoded) % ROWS_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
    return encoded
