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
from raftleader.protocol.resource_keys import is_shared_key
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.state.bounds import (
    ANSWERED_LAUNCHES_MAX,
    EXECUTOR_REPORTS_MAX,
    FRAMEWORK_FILTERS_MAX,
    OPERATIONS_MAX,
    ORPHAN_UPDATES_MAX,
    PENDING_UPDATES_MAX,
)
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    CompletedTask,
    Executor,
    ExecutorKey,
    Framework,
    InverseAnswer,
    InverseOfferRow,
    OperationKey,
    OperationRow,
    OutstandingOffer,
    Task,
)
from raftleader.state.indexes import INDEXES, rebuild_indexes
from raftleader.state.resource_checks import (
    divided_part,
    is_made,
    resources_problem,
    twin_volume,
)


def violations(state: ClusterState) -> list[str]:
    """Everything that is wrong, in words; empty if nothing is. Looks at every row."""
    return [
        *wrong_operators_part(state),
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
    for executor_key, executor in state.executors.items():
        yield from wrong_executor(state, executor_key, executor)
    for operation_key, operation in state.operations.items():
        yield from wrong_operation(state, operation_key, operation)
    for offer_id, inverse in state.inverse_offers.items():
        yield from wrong_inverse_offer(state, offer_id, inverse)
    for agent_id, answers in state.inverse_answers.items():
        yield from wrong_answers(state, agent_id, answers)


def _wrong_agents(state: ClusterState) -> Iterator[str]:
    """No resource twice (promise P4)."""
    used: dict[AgentId, Resources] = {}
    offered: dict[AgentId, Resources] = {}
    for task in state.tasks.values():
        if not task.state.is_terminal:
            part = task.info.resources.exclusive()
            yield from _add(used, task.info.agent_id, part, "used")
    for executor in state.executors.values():
        part = executor.info.resources
        yield from _add(used, executor.agent_id, part, "used")
    for offer in state.offers.values():
        part = offer.resources.exclusive()
        yield from _add(offered, offer.agent_id, part, "offered")
    for agent_id, agent in state.agents.items():
        if agent.id != agent_id:
            yield f"agent {agent_id}: its row says {agent.id}"
        if agent.used != used.get(agent_id, EMPTY):
            yield f"agent {agent_id}: used is {agent.used}, not the sum of its tasks"
        if agent.offered != offered.get(agent_id, EMPTY):
            yield f"agent {agent_id}: offered is {agent.offered}, not the sum of offers"
        yield from wrong_agent(agent)
        yield from wrong_gone_agent(state, agent_id)


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
    for name, part in (
        ("total", agent.info.resources),
        ("dynamic", agent.dynamic),
        ("used", agent.used),
        ("offered", agent.offered),
    ):
        if part and resources_problem(part) is not None:
            yield f"agent {agent.id}: {name} is not canonical: {part}"
            return
    total = agent.total
    if agent.dynamic:
        yield from _wrong_dynamic(agent)
    if len(agent.executor_reports) > EXECUTOR_REPORTS_MAX:
        yield f"agent {agent.id}: remembers too many ends of executors"
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
        if not agent.is_too_small:
            yield f"agent {agent.id}: marked as shrunk, but its tasks fit"
        if agent.offered:
            yield f"agent {agent.id}: shrunk, and something is offered"
    elif not fits or (agent.dynamic and agent.is_too_small):
        yield f"agent {agent.id}: {agent.used} used, {offered} offered of {total}"
    elif divided_part(taken, total) is not None:
        yield f"agent {agent.id}: {divided_part(taken, total)} was divided"
    if agent.unreachable_ms is not None and agent.offered:
        yield f"agent {agent.id}: unreachable, and something is offered"


def _wrong_dynamic(agent: Agent) -> Iterator[str]:
    if agent.dynamic.only(is_made) != agent.dynamic:
        yield f"agent {agent.id}: nothing was made of what is in {agent.dynamic}"
    twin = twin_volume(agent.dynamic)
    if twin is not None:
        yield f"agent {agent.id}: two volumes have the id {twin!r}"
    if resources_problem(agent.total) is not None:
        yield f"agent {agent.id}: {agent.total} in all is not canonical"


def wrong_gone_agent(state: ClusterState, agent_id: AgentId) -> Iterator[str]:
    """What is gone does not come back."""
    if agent_id in state.gone_agents:
        yield f"agent {agent_id}: registered and gone"


def wrong_framework(
    state: ClusterState, key: FrameworkId, framework: Framework
) -> Iterator[str]:
    """What is wrong with the row under that key."""
    name = f"framework {key}"
    if framework.id != key or framework.info.id != key:
        yield f"{name}: its row says {framework.id}, its info {framework.info.id}"
    if key in state.removed_frameworks:
        yield f"{name}: registered and removed"
    if framework.connected and framework.offers_until_ms is not None:
        yield f"{name}: connected, and its offers end"
    if framework.connected != (framework.deadline_ms is None):
        yield f"{name}: connected or with a deadline, not both, not neither"
    if not set(framework.suppressed_roles) <= set(framework.info.roles):
        yield f"{name}: suppresses a role it does not have"
    if not set(framework.offer_constraints) <= set(framework.info.roles):
        yield f"{name}: constrains a role it does not have"
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
    yield from _wrong_shared(state, name, offer.agent_id, offer.resources)


def _wrong_shared(
    state: ClusterState, name: str, agent_id: AgentId, part: Resources
) -> Iterator[str]:
    """What is shared is in no account; it must be there all the same."""
    agent = state.agents.get(agent_id)
    for key, millis in part.scalars.items():
        if is_shared_key(key) and (
            agent is None or agent.dynamic.scalars.get(key) != millis
        ):
            yield f"{name}: uses a shared volume that is not there: {key}"


def wrong_task(state: ClusterState, key: TaskKey, task: Task) -> Iterator[str]:
    """What is wrong with the row under that key. Framework and agent come first."""
    name = f"task {key[1]} of {key[0]}"
    if task.key != key:
        yield f"{name}: its row says {task.key}"
    if not task.state.is_terminal:
        agent_id = task.info.agent_id
        if agent_id not in state.agents:
            yield f"{name}: on unknown agent {agent_id}"
        yield from _wrong_shared(state, name, agent_id, task.info.resources)
        executor = task.info.executor
        if executor is not None:
            row = state.executors.get((key[0], agent_id, executor.executor_id))
            if row is None or row.info != executor:
                yield f"{name}: no executor {executor.executor_id} runs it"
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


def wrong_executor(
    state: ClusterState, key: ExecutorKey, executor: Executor
) -> Iterator[str]:
    """What is wrong with the row under that key. Framework and agent come first."""
    name = f"executor {key[2]} of {key[0]}"
    if executor.key != key:
        yield f"{name}: its row says {executor.key}"
    if executor.agent_id not in state.agents:
        yield f"{name}: on unknown agent {executor.agent_id}"
    resources = executor.info.resources
    if resources_problem(resources) is not None:
        yield f"{name}: resources are not canonical"
    elif resources.exclusive() != resources:
        yield f"{name}: holds what is shared"
    if (
        executor.framework_id not in state.frameworks
        and not executor.is_shutdown_wanted
    ):
        yield f"{name}: its framework is gone, and it is not to be shut down"


def wrong_operation(
    state: ClusterState, key: OperationKey, row: OperationRow
) -> Iterator[str]:
    """What is wrong with the row under that key. Its framework comes first."""
    name = f"operation {key[1]} of {key[0]}"
    if (row.framework_id, row.status.operation_id) != key:
        yield f"{name}: its row says {row.status.operation_id} of {row.framework_id}"
    if row.framework_id not in state.frameworks:
        yield f"{name}: its framework is gone"
    if row.status.uuid is None:
        yield f"{name}: a status without uuid"


def wrong_inverse_offer(
    state: ClusterState, key: OfferId, row: InverseOfferRow
) -> Iterator[str]:
    """What is wrong with the row under that key. Framework and agent come first."""
    name = f"inverse offer {key}"
    if row.id != key:
        yield f"{name}: its row says {row.id}"
    if row.framework_id not in state.frameworks:
        yield f"{name}: of unknown framework {row.framework_id}"
    if row.agent_id not in state.agents:
        yield f"{name}: on unknown agent {row.agent_id}"


def wrong_answers(
    state: ClusterState, agent_id: AgentId, answers: tuple[InverseAnswer, ...]
) -> Iterator[str]:
    """What is wrong with the answers for that agent, which comes first."""
    if agent_id not in state.agents:
        yield f"answers to inverse offers of unknown agent {agent_id}"
    framework_ids = [answer.framework_id for answer in answers]
    if not framework_ids or len(set(framework_ids)) != len(framework_ids):
        yield f"agent {agent_id}: not one answer of each framework that answered"


def wrong_operators_part(state: ClusterState) -> Iterator[str]:
    """What is wrong with what operators set."""
    scheduled = {machine for window in state.windows for machine in window.machines}
    for machine in state.down_machines:
        if machine not in scheduled:
            yield f"{machine}: down, and not in the maintenance schedule"
    for role, quota in state.quotas.items():
        amounts = (*quota.limits.values(), *quota.guarantees.values())
        if any(amount < 0 for amount in amounts):
            yield f"quota of role {role}: an amount below zero"


def _wrong_indexes(state: ClusterState) -> Iterator[str]:
    rebuilt = attrs.evolve(state)
    rebuild_indexes(rebuilt)
    for name in INDEXES:
        kept, made = getattr(state, name), getattr(rebuilt, name)
        if kept != made:
            yield f"index {name} is not what the tables say"
    for name in ("completed_by_framework", "operations_by_framework"):
        made = getattr(rebuilt, name)
        for framework_id, ring in getattr(state, name).items():
            if list(ring) != list(made.get(framework_id, ())):
                yield f"{name} of {framework_id}: ring and table differ in order"
    for framework_id, operations in state.operations_by_framework.items():
        if len(operations) > OPERATIONS_MAX:
            yield f"framework {framework_id}: too many operations"
