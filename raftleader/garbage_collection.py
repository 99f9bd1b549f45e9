"""The garbage collector of a process that must not stop."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS_MAX = 10_000
YOUNG_COLLECTIONS_MAX = 10
"""After so many the middle generation is collected: of up to 100,000 objects, for at
most some 10 ms, measured while 200,000 tasks are restored."""
MIDDLE_COLLECTIONS_MAX = 2_000
"""Between two full collections: practically never."""


@contextmanager
def tuned_garbage_collection() -> Iterator[None]:
    """A full collection looks at every session and whatever else there is: seconds
    with 50,000 agents, and a leader that is silent for 0.2 s loses its office. Rows
    hold no cycles, so reference counts free them. We collect young garbage, in steps
    of a few milliseconds, and old garbage practically never.

    What is frozen in here (``gc.freeze``) is unfrozen at the end."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS_MAX, YOUNG_COLLECTIONS_MAX, MIDDLE_COLLECTIONS_MAX)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
