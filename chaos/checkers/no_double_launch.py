"""P5: a task id is started at most once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from chaos.results import Result


def no_double_launch(started: Iterable[str]) -> Result:
    """``started`` has one item for each real start of a task, wherever it ran."""
    counts = Counter(started)
    return Result.of(
        "no_double_launch",
        checked=len(counts),
        problems=[
            f"task {task} was started {n} times"
            for task, n in sorted(counts.items())
            if n > 1
        ],
    )
