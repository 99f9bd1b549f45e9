"""``/state-summary``: agents and frameworks with numbers of tasks; ``/tasks``."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping
from typing import Any

import attrs

from raftleader.api.holdings import Holdings, Tables, scalars_of
from raftleader.api.rendering import TURN, Pieces, Rows, json_pieces
from raftleader.api.v0.resources import state_resources
from raftleader.api.v0.rows import (
    agent_row,
    completed_task_row,
    framework_row,
    task_row,
)
from raftleader.api.v0.state import host_and_port
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.tasks import TaskState
from raftleader.state.cluster import Agent, CompletedTask, Framework, Task

JsonRow = dict[str, Any]

TASKS_LIMIT = 100
"""Tasks in an answer of ``/tasks`` that asks for no number; Mesos' own value."""
_STATES = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)
_ROWS_PER_TURN = 1_000


@attrs.define
class _Numbers:
    """How many tasks are in which state, and whom they connect."""

    states: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(_STATES, 0))
    others: dict[str, None] = attrs.field(factory=dict)

    def count(self, state: TaskState, other: str) -> None:
        if state.value in self.states:
            self.states[state.value] += 1
        self.others[other] = None


def summary_pieces(node: LeaderNode) -> Pieces:
    """``/state-summary``."""
    hostname, cluster = host_and_port(node.http_address)[0], node.state.cluster_id
    tables = Tables.copied(node.state)
    holdings = Holdings()
    yield from holdings.fill(tables)
    agents: dict[AgentId, _Numbers] = {key: _Numbers() for key in tables.agents}
    frameworks: dict[FrameworkId, _Numbers] = {
        row.id: _Numbers() for row in tables.frameworks
    }
    rows = itertools.chain(
        ((t.framework_id, t.info.agent_id, t.state) for t in tables.tasks),
        ((t.framework_id, t.agent_id, t.state) for t in tables.completed),
    )
    for number, (framework_id, agent_id, state) in enumerate(rows):
        if framework_id in frameworks:
            frameworks[framework_id].count(state, agent_id)
            if agent_id in agents:
                agents[agent_id].count(state, framework_id)
        if number % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
            yield TURN

    def agent_tree(row: Agent) -> JsonRow:
        numbers = agents[row.id]
        return agent_row(row) | numbers.states | {"framework_ids": [*numbers.others]}

    def framework_tree(row: Framework) -> JsonRow:
        numbers = frameworks[row.id]
        held = {
            "used_resources": state_resources(scalars_of(holdings.used, row.id)),
            "offered_resources": state_resources(scalars_of(holdings.offered, row.id)),
        }
        rest = {"slave_ids": [*numbers.others]}
        return framework_row(row) | held | numbers.states | rest

    yield from json_pieces(
        {
            "hostname": hostname,
            "cluster": cluster,
            "slaves": Rows(list(tables.agents.values()), agent_tree),
            "frameworks": Rows(tables.frameworks, framework_tree),
        }
    )


def tasks_pieces(node: LeaderNode, query: Mapping[str, str]) -> Pieces:
    """``/tasks``: by time of launch, the newest first unless ``order=asc``; ``limit``
    of them from ``offset``; of one ``framework_id`` or ``task_id`` if given."""
    limit = _number(query.get("limit"), TASKS_LIMIT)
    offset = _number(query.get("offset"), 0)
    framework_id, task_id = query.get("framework_id"), query.get("task_id")
    sign = 1 if query.get("order") == "asc" else -1
    tables = Tables.copied(node.state)
    users = {row.id: row.info.user for row in tables.frameworks}

    def key_of(row: Task | CompletedTask) -> tuple[int, str, str]:
        task = row.task_id if isinstance(row, CompletedTask) else row.info.task_id
        return sign * row.launched_ms, row.framework_id, task

    rows: list[Task | CompletedTask] = [*tables.tasks, *tables.completed]
    sorted_parts: list[list[Task | CompletedTask]] = []
    for begin in range(0, len(rows), _ROWS_PER_TURN):
        part = [
            row
            for row in rows[begin : begin + _ROWS_PER_TURN]
            if framework_id in (None, "", row.framework_id)
            and task_id in (None, "", key_of(row)[2])
        ]
        sorted_parts.append(sorted(part, key=key_of))
        yield TURN
    wanted: list[Task | CompletedTask] = []
    merged = heapq.merge(*sorted_parts, key=key_of)
    for number, row in enumerate(merged):
        if number >= offset + limit:
            break
        if number >= offset:
            wanted.append(row)
        if number % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
            yield TURN

    def to_tree(row: Task | CompletedTask) -> JsonRow:
        if isinstance(row, CompletedTask):
            return completed_task_row(row)
        return task_row(users.get(row.framework_id, ""))(row)

    yield from json_pieces({"tasks": Rows(wanted, to_tree)})


def _number(text: str | None, default: int) -> int:
    """A number of a query; what is none counts as not given, as in Mesos."""
    return int(text) if text and text.isdecimal() and len(text) < 16 else default
