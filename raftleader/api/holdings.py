"""The tables of a state, copied, and put in order framework by framework."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TypeVar

import attrs

from raftleader.api.rendering import TURN, Pieces
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resource_keys import is_shared_key
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    CompletedTask,
    Executor,
    Framework,
    InverseOfferRow,
    OutstandingOffer,
    Task,
)

V = TypeVar("V")
COMPLETED_TASKS_SHOWN = 1_000
"""Ended tasks of one framework that a document of everything tells of, the newest of
those that are remembered; Mesos' own value."""
COMPLETED_FRAMEWORKS_SHOWN = 50
"""Removed frameworks, likewise."""
ROWS_PER_TURN = 1_000
"""Rows put in order in one step: about a millisecond."""


@attrs.frozen(kw_only=True)
class Tables:
    """Copies of the tables, of one log index: rows never change."""

    index: int
    agents: dict[AgentId, Agent]
    frameworks: Sequence[Framework]
    tasks: Sequence[Task]
    completed: Sequence[CompletedTask]
    offers: Sequence[OutstandingOffer]
    executors: Sequence[Executor]
    inverse_offers: Sequence[InverseOfferRow]
    removed: Sequence[tuple[FrameworkId, int]]

    @classmethod
    def copied(cls, state: ClusterState) -> Tables:
        """Some milliseconds for a hundred thousand rows."""
        return cls(
            index=state.index,
            agents=dict(state.agents),
            frameworks=list(state.frameworks.values()),
            tasks=list(state.tasks.values()),
            completed=list(state.completed_tasks.values()),
            offers=list(state.offers.values()),
            executors=list(state.executors.values()),
            inverse_offers=list(state.inverse_offers.values()),
            removed=list(state.removed_frameworks.items())[
                -COMPLETED_FRAMEWORKS_SHOWN:
            ],
        )


@attrs.define
class Holdings:
    """What each framework has. ``fill`` it in steps."""

    tasks: dict[FrameworkId, list[Task]] = attrs.field(factory=dict)
    unreachable: dict[FrameworkId, list[Task]] = attrs.field(factory=dict)
    completed: dict[FrameworkId, deque[CompletedTask]] = attrs.field(factory=dict)
    offers: dict[FrameworkId, list[OutstandingOffer]] = attrs.field(factory=dict)
    executors: dict[FrameworkId, list[Executor]] = attrs.field(factory=dict)
    inverse_offers: dict[FrameworkId, list[InverseOfferRow]] = attrs.field(factory=dict)
    used: dict[FrameworkId, dict[str, int]] = attrs.field(factory=dict)
    offered: dict[FrameworkId, dict[str, int]] = attrs.field(factory=dict)

    def fill(self, tables: Tables, only: FrameworkId | None = None) -> Pieces:
        """Yields nothing but turns. ``only``: look at one framework alone."""
        for rows in _steps(tables.tasks):
            for task in rows:
                if only is None or task.framework_id == only:
                    self._add_task(task)
            yield TURN
        for completed_rows in _steps(tables.completed):
            for row in completed_rows:
                if only is None or row.framework_id == only:
                    self._add_completed(row)
            yield TURN
        for offer_rows in _steps(tables.offers):
            self.add_offers(
                offer
                for offer in offer_rows
                if only is None or offer.framework_id == only
            )
            yield TURN
        for executor_rows in _steps(tables.executors):
            for executor in executor_rows:
                if only is None or executor.framework_id == only:
                    self.executors.setdefault(executor.framework_id, []).append(
                        executor
                    )
                    _count(self.used, executor.framework_id, executor.info.resources)
            yield TURN
        for inverse in tables.inverse_offers:
            self.inverse_offers.setdefault(inverse.framework_id, []).append(inverse)

    def add_offers(self, offers: Iterable[OutstandingOffer]) -> None:
        """Count these, too."""
        for offer in offers:
            self.offers.setdefault(offer.framework_id, []).append(offer)
            _count(self.offered, offer.framework_id, offer.resources)

    def _add_completed(self, row: CompletedTask) -> None:
        newest = self.completed.get(row.framework_id)
        if newest is None:
            newest = deque(maxlen=COMPLETED_TASKS_SHOWN)
            self.completed[row.framework_id] = newest
        newest.append(row)

    def _add_task(self, task: Task) -> None:
        if task.state is TaskState.UNREACHABLE:
            self.unreachable.setdefault(task.framework_id, []).append(task)
        else:
            self.tasks.setdefault(task.framework_id, []).append(task)
        if task.ended_ms is None:
            _count(self.used, task.framework_id, task.info.resources)


def scalars_of(sums: dict[FrameworkId, dict[str, int]], key: FrameworkId) -> Resources:
    """A framework's sums. Without ports: those of different agents may be equal, and
    do not add up; and without what is shared, which is never used up."""
    return Resources.of(sums.get(key, {}))


def _count(
    sums: dict[FrameworkId, dict[str, int]], key: FrameworkId, resources: Resources
) -> None:
    total = sums.get(key)
    if total is None:
        total = sums[key] = {}
    for name, millis in resources.scalars.items():
        if "|" not in name or not is_shared_key(name):
            total[name] = total.get(name, 0) + millis


def _steps(rows: Sequence[V]) -> list[Sequence[V]]:
    return [rows[i : i + ROWS_PER_TURN] for i in range(0, len(rows), ROWS_PER_TURN)]
