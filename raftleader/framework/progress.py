"""Progress of an executor's tasks: a value, and a bar for terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Progress:
    """How far an executor is: counts of tasks.

    Attributes:
        submitted: All that were ever submitted.
        running: Sent to an agent and not ended.
        done: Ended with a value.
        failed: Ended with an exception, lost, killed or cancelled.
    """

    submitted: int
    running: int
    done: int
    failed: int

    @property
    def waiting(self) -> int:
        """Submitted and not yet sent to an agent."""
        return self.submitted - self.running - self.done - self.failed


ProgressListener = Callable[[Progress], None]


@contextmanager
def show_progress(futures: Sequence[Future[Any]], *, is_shown: bool) -> Iterator[None]:
    """A bar that fills as futures are done. Without rich there is none."""
    if is_shown:
        try:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TextColumn,
                TimeElapsedColumn,
            )
            from rich.progress import Progress as Bar
        except ImportError:
            is_shown = False
    if not is_shown:
        yield
        return
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ) as bar:
        row = bar.add_task("tasks", total=len(futures))
        for future in futures:
            future.add_done_callback(lambda _: bar.advance(row))
        yield
