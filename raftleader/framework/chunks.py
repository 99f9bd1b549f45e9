"""Several calls as one task, for ``map`` with ``chunksize``. Runs in the task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")


def run_chunk(function: Callable[..., T], calls: list[tuple[Any, ...]]) -> list[T]:
    """The results of ``function`` for each tuple of arguments, in order."""
    return [function(*arguments) for arguments in calls]


def split_chunks(calls: Iterable[T], size: int) -> Iterator[list[T]]:
    """``calls`` in lists of ``size``; the last may be shorter."""
    rest = iter(calls)
    while chunk := list(islice(rest, size)):
        yield chunk
