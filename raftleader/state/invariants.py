"""What must hold after every entry. Tests ask after each; a snapshot is refused
if it breaks one.

Rows hold each other up: an offer or a task needs its agent, an account is the sum
of rows, an index is what the tables say. ``violations`` looks at all of a state; the
functions for one row serve who reads a snapshot row by row.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskKey
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.state.bounds import (
    ANSWERED_LAUNCHES_MAX,
    FRAMEWORK_FILTERS_MAX,
    ORPHAN_UPDATES_MAX,
    PENDING_UPDATES_MAX,
)
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    CompletedTask,
    Framework,
    OutstandingOffer,
    Task,
)
from raftleader.state.indexes import rebuild_indexes
from raftleader.state.validation import resources_problem

INDEXES = (
    "agent_ids_by_key",
    "offers_by_framework",
    "offers_by_agent",
    "tasks_by_framework",
    "tasks_by_agent",
    "completed_by_framework",
    "allocated",
    "capacity",
)


def violations(state: ClusterState) -> list[str]:
    """Everything that is wrong, in words; empty if nothing is. Looks at every row."""
    return [
        *_wrong_agents(state),
        *_wrong_rows(state),
        *_wrong_indexes(state),
    ]


def _wrong_rows(state: ClusterState) -> Iterator[str]:
    for framework_id, framework in state.frameworks.items():
        yield from wrong_framework(state, framework_id, framework)
    for offer_id, offer in state.offers.items():
        yield from wrong_offer(state, offer_id, offer)
    for key, task in state.tasks.items():
        yield from wrong_task(state, key, task)
    for key, completed in state.completed_tasks.items():
        yield from wrong_completed(state, key, completed)


def _wrong_agents(state: ClusterState) -> Iterator[str]:
    """No resource twice (promise P4)."""
    used: dict[AgentId, Resources] = {}
    offered: dict[AgentId, Resources] = {}
    for task in state.tasks.values():
        if not task.state.is_terminal:
            agent_id = task.info.agent_id
            yield from _add(used, agent_id, task.info.resources, "used")
    for offer in state.offers.values():
        yield from _add(offered, offer.agent_id, offer.resources, "offered")
    for agent in state.agents.values():
        if agent.used != used.get(agent.id, EMPTY):
            yield f"agent {agent.id}: used is {agent.used}, not the sum of its tasks"
        if agent.offered != offered.get(agent.id, EMPTY):
            yield f"agent {agent.id}: offered is {agent.offered}, not the sum of offers"
        yield from wrong_agent(agent)


def _add(
    sums: dict[AgentId, Resources], agent_id: AgentId, part: Resources, name: str
) -> Iterator[str]:
    try:
        before = sums.get(agent_id, EMPTY)
        sums[agent_id] = before + part
        if sums[agent_id] - part != before:
            yield f"agent {agent_id}: {part} is {name} twice"
    except (InvalidInputError, AssertionError):
        yield f"agent {agent_id}: {part} cannot be {name}"


def wrong_agent(agent: Agent) -> Iterator[str]:
    """What is wrong with the row itself, and with its accounts."""
    total = agent.info.resources
    for name, part in (
        ("total", total),
        ("used", agent.used),
        ("offered", agent.offered),
    ):
        if resources_problem(part) is not None:
            yield f"agent {agent.id}: {name} is not canonical: {part}"
            return
    offered = agent.offered
    try:
        taken = agent.used + offered
        fits = total.contains(taken)
        # Scalars add up; a port or a device cannot be there twice.
        if (offered.ranges or offered.sets) and taken - offered != agent.used:
            yield f"agent {agent.id}: something is used and offered"
    except InvalidInputError as error:
        yield f"agent {agent.id}: {error}"
        return
    if agent.shrunk:
        if total.contains(agent.used):
            yield f"agent {agent.id}: marked as shrunk, but its tasks fit"
        if agent.offered:
            yield f"agent {agent.id}: shrunk, and something is offered"
    elif not fits:
        yield f"agent {agent.id}: {agent.used} used, {agent.offered} offered of {total}"
    if agent.unreachable_ms is not None and agent.offered:
        yield f"agent {agent.id}: unreachable, and something is offered"


def wrong_framework(
    state: ClusterState, key: FrameworkId, framework: Framework
) -> Iterator[str]:
    """What is wrong with the row under that key."""
    name = f"framework {key}"
    if framework.id != key or framework.info.id != key:
        yield f"{name}: its row says {framework.id}, its info {framework.info.id}"
    if key in state.removed_frameworks:
        yield f"{name}: registered and removed"
    if framework.connected != (framework.deadline_ms is None):
        yield f"{name}: connected or with a deadline, not both, not neither"
    if not set(framework.suppressed_roles) <= set(framework.info.roles):
        yield f"{name}: suppresses a role it does not have"
    yield from _wrong_memory(name, framework)


def _wrong_memory(name: str, framework: Framework) -> Iterator[str]:
    for what, length, most in (
        ("filters", len(framework.filters), FRAMEWORK_FILTERS_MAX),
        ("orphan updates", len(framework.orphan_updates), ORPHAN_UPDATES_MAX),
        ("launches", len(framework.answered_launches), ANSWERED_LAUNCHES_MAX),
    ):
        if length > most:
            yield f"{name}: remembers {length} {what}, more than {most}"
    if any(status.uuid is None for status in framework.orphan_updates):
        yield f"{name}: an orphan update without uuid"


def wrong_offer(
    state: ClusterState, key: OfferId, offer: OutstandingOffer
) -> Iterator[str]:
    """What is wrong with the row under that key. Framework and agent come first."""
    name = f"offer {key}"
    if offer.id != key:
        yield f"{name}: its row says {offer.id}"
    framework = state.frameworks.get(offer.framework_id)
    if framework is None:
        yield f"{name}: of unknown framework {offer.framework_id}"
    elif offer.role not in framework.info.roles:
        yield f"{name}: for role {offer.role}, which is not its framework's"
    if offer.agent_id not in state.agents:
        yield f"{name}: on unknown agent {offer.agent_id}"
    if not offer.resources or resources_problem(offer.resources) is not None:
        yield f"{name}: resources are empty or not canonical"
    elif offer.resources.for_role(offer.role) != offer.resources:
        yield f"{name}: carries what is reserved for another role"


def wrong_task(state: ClusterState, key: TaskKey, task: Task) -> Iterator[str]:
    """What is wrong with the row under that key. Framework and agent come first."""
    name = f"task {key[1]} of {key[0]}"
    if task.key != key:
        yield f"{name}: its row says {task.key}"
    if task.info.agent_id not in state.agents:
        yield f"{name}: on unknown agent {task.info.agent_id}"
    if not task.info.resources or resources_problem(task.info.resources):
        yield f"{name}: resources are empty or not canonical"
    yield from _wrong_updates(state, name, task)


def _wrong_updates(state: ClusterState, name: str, task: Task) -> Iterator[str]:
    if task.framework_id in state.frameworks:
        if task.state.is_terminal and not task.pending:
            yield f"{name}: ended and acknowledged, and still in the table"
    else:
        if task.pending:
            yield f"{name}: updates for a framework that is gone"
        if task.state.is_terminal or not task.kill_wanted:
            yield f"{name}: its framework is gone, and it is not to be killed"
    if task.state.is_terminal != (task.ended_ms is not None):
        yield f"{name}: {task.state.value}, ended at {task.ended_ms}"
    if task.pending and task.pending[-1].state is not task.state:
        yield f"{name}: newest update is not its state"
    if task.statuses and task.statuses[-1].state is not task.state:
        yield f"{name}: newest status is not its state"
    if len(task.pending) > PENDING_UPDATES_MAX:
        yield f"{name}: {len(task.pending)} pending updates"
    if any(status.uuid is None for status in task.pending):
        yield f"{name}: a pending update without uuid"
    if any(status.state.is_terminal for status in task.pending[:-1]):
        yield f"{name}: an update after its end"


def wrong_completed(
    state: ClusterState, key: TaskKey, task: CompletedTask
) -> Iterator[str]:
    """What is wrong with the row under that key. Its framework comes first."""
    name = f"completed task {key[1]} of {key[0]}"
    if (task.framework_id, task.task_id) != key:
        yield f"{name}: its row says {task.task_id} of {task.framework_id}"
    if task.framework_id not in state.frameworks:
        yield f"{name}: its framework is gone"
    if not task.state.is_terminal:
        yield f"{name}: has not ended"


def _wrong_indexes(state: ClusterState) -> Iterator[str]:
    rebuilt = attrs.evolve(state)
    rebuild_indexes(rebuilt)
    for name in INDEXES:
        kept, made = getattr(state, name), getattr(rebuilt, name)
        if kept != made:
            yield f"index {name} is not what the tables say"
    for framework_id, ring in state.completed_by_framework.items():
        made_ring = rebuilt.completed_by_framework.get(framework_id, {})
        if list(ring) != list(made_ring):
            yield f"completed tasks of {framework_id}: ring and table differ in order"
