"""Figures of single frameworks, under Mesos' names. They go with the framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from raftleader.api.operator.metric_names import (
    CALL_NAMES,
    EVENT_NAMES,
    OPERATION_TYPES,
    Metrics,
    framework_prefix,
)
from raftleader.api.rendering import TURN, Pieces
from raftleader.leader.figures import Figures, FrameworkFigures
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import Framework, Task
from raftleader.state.happenings import OfferEnd

ByFramework = Mapping[FrameworkId, Mapping[TaskState, int]]

PREFIX_CHARS_WHOLE_MAX = 20_000
"""With more characters of frameworks' names (some 200 frameworks), figures that are 0
are left out: there are 70 of each, and all begin with the name."""
FRAMEWORKS_PER_TURN = 10
TASKS_PER_TURN = 500

K = TypeVar("K")

_NOTHING = FrameworkFigures()


def count_active(
    tasks: Iterable[Task], counted: dict[FrameworkId, dict[TaskState, int]]
) -> Pieces:
    """Put the number of tasks that have not ended into ``counted``, by framework and
    state. Yields nothing but turns."""
    for number, task in enumerate(tasks):
        if not task.state.is_terminal:
            states = counted.setdefault(task.framework_id, {})
            states[task.state] = states.get(task.state, 0) + 1
        if number % TASKS_PER_TURN == TASKS_PER_TURN - 1:
            yield TURN


def fill_frameworks(
    metrics: Metrics,
    frameworks: Sequence[Framework],
    figures: Figures,
    active: ByFramework,
) -> Pieces:
    """Put those of each framework into ``metrics``, in the order of names: whoever
    sorts them then has little to do. Yields nothing but turns."""
    prefixes = {framework_prefix(f.info.name, f.id): f for f in frameworks}
    rows = sorted(prefixes.items(), key=lambda item: item[0])
    is_whole = sum(map(len, prefixes)) <= PREFIX_CHARS_WHOLE_MAX
    for number, (prefix, framework) in enumerate(rows):
        counted = figures.frameworks.get(framework.id, _NOTHING)
        own = _of_framework(framework, counted, active.get(framework.id, {}))
        for name, value in sorted(own.items()):
            if value or is_whole or name == "subscribed":
                metrics[prefix + name] = value
        if number % FRAMEWORKS_PER_TURN == FRAMEWORKS_PER_TURN - 1:
            yield TURN


def _of_framework(
    framework: Framework, counted: FrameworkFigures, active: Mapping[TaskState, int]
) -> Metrics:
    own: Metrics = {"subscribed": float(framework.connected)}
    _put_types(own, "calls", CALL_NAMES, counted.calls.__getitem__)
    _put_types(own, "events", EVENT_NAMES, counted.events.__getitem__)
    types = {name: name.lower() for name in OPERATION_TYPES}
    _put_types(own, "operations", types, counted.operations.__getitem__)
    own["offers/sent"] = counted.offers_sent
    for end in OfferEnd:
        own[f"offers/{end.value}"] = counted.offers[end]
    for state in TaskState:
        if state.is_terminal:
            own[f"tasks/terminal/{state.value.lower()}"] = counted.ended[state]
        else:
            own[f"tasks/active/{state.value.lower()}"] = active.get(state, 0)
    for role in framework.info.roles:
        is_suppressed = role in framework.suppressed_roles
        own[f"roles/{role}/suppressed"] = float(is_suppressed)
    return own


def _put_types(
    own: Metrics, name: str, names: Mapping[K, str], count: Callable[[K], int]
) -> None:
    """One for each type, and their sum."""
    total = 0
    for key, label in names.items():
        number = count(key)
        own[f"{name}/{label}"] = number
        total += number
    own[name] = total
