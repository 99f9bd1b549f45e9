"""Work that must wait for the disk in the middle, without knowing who waits.

A generator yields each wait as a function without arguments, and goes on when it has
been called; what the function raises is raised where it was yielded. So the same code
runs in a simulation, which calls it at once, and in a node, which calls it in a thread:
a disk that takes a quarter of a second must not stop the event loop for so long.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

Sync = Callable[[], None]
"""Waits for the disk. Touches nothing that the event loop looks at meanwhile but the
journal, which only the generator writes to."""

Waits = Generator[Sync, None, T]
"""Ends with a T."""


def wait_here(work: Waits[T]) -> T:
    """Call each wait at once, in this thread."""
    try:
        sync = next(work)
        while True:
            try:
                sync()
            except BaseException as error:
                sync = work.throw(error)
            else:
                sync = next(work)
    except StopIteration as end:
        result: T = end.value
        return result
