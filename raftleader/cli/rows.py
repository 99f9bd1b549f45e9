"""The rows in what a list endpoint answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raftleader.errors import ApiError


def rows_of(document: object, what: str) -> list[Mapping[str, Any]]:
    """The rows of a list endpoint, which stand under its name."""
    rows = document.get(what) if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ApiError(200, f"the answer holds no list of {what}")
    return rows
