"""P5: a committed launch reaches its agent, and is started at most once by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from raftleader.protocol.ids import TaskKey


class LaunchesOnce:
    """Told of every real start of a task."""

    name = "P5 a launch is started once"

    def __init__(self) -> None:
        self.started_at: dict[tuple[str, TaskKey], float] = {}

    def started(
        self, agent: str, key: TaskKey, at_s: float, launched: Collection[TaskKey]
    ) -> list[str]:
        """``agent`` starts a task; ``launched`` are those the log ever had."""
        problems = []
        if key not in launched:
            problems.append(f"{agent} starts {key[1]}, whose launch is not committed")
        before_s = self.started_at.setdefault((agent, key), at_s)
        if before_s != at_s:
            problems.append(
                f"{agent} starts {key[1]} of {key[0]} again; it did at {before_s:.3f} s"
            )
        return problems

    def ended(self, unconfirmed: Iterable[str]) -> list[str]:
        """The faults are long over; these launches no agent has heard of."""
        return [
            f"the launch of {task} has not reached its agent" for task in unconfirmed
        ]
