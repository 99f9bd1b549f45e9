"""What is wrong with a value that wants to enter the tables, in words.

Each function answers None if nothing is. The API has checked most of this before;
here it is checked again, because whatever is in the log is applied by everyone.
"""

from __future__ import annotations

from raftleader.limits import (
    FAILOVER_TIMEOUT_S_MAX,
    ID_CHARS_MAX,
    KILL_GRACE_S_MAX,
    RESOURCE_NAMES_MAX,
    ROLES_MAX,
    TASK_DATA_BYTES_MAX,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo, role_problem
from raftleader.protocol.ids import id_problem
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import TaskInfo
from raftleader.state.bounds import WEIGHT_MILLIS_MAX
from raftleader.state.resource_checks import (
    is_made,
    keys_of,
    resources_problem,
)


def framework_problem(info: FrameworkInfo, suppressed: tuple[str, ...]) -> str | None:
    """Why a framework cannot subscribe like this. The words are Mesos' own."""
    if not info.roles:
        return "'FrameworkInfo.roles' must name at least one role"
    if len(info.roles) > ROLES_MAX:
        return f"'FrameworkInfo.roles' has more than {ROLES_MAX} roles"
    if len(info.roles) > 1 and not info.is_capable("MULTI_ROLE"):
        return "'FrameworkInfo.roles' has several roles without MULTI_ROLE"
    if len(set(info.roles)) != len(info.roles):
        return "'FrameworkInfo.roles' contains duplicate roles"
    for role in info.roles:
        problem = role_problem(role)
        if problem is not None:
            return f"Role '{role}' is invalid: {problem}"
    if not 0 <= info.failover_timeout_ms <= FAILOVER_TIMEOUT_S_MAX * 1000:
        return (
            f"The framework's failover_timeout ({info.failover_timeout_ms} ms)"
            " is negative or too large"
        )
    if not set(suppressed) <= set(info.roles):
        return "Suppressed roles are not contained in the set of roles"
    return None


def change_problem(old: FrameworkInfo, new: FrameworkInfo) -> str | None:
    """Why a subscription cannot turn ``old`` into ``new``."""
    if old.principal != new.principal:
        return "Changing framework's principal is not allowed."
    if old.user != new.user:
        return "Updating 'FrameworkInfo.user' is unsupported"
    if old.checkpoint != new.checkpoint:
        return "Updating 'FrameworkInfo.checkpoint' is unsupported"
    return None


def agent_problem(key: str, info: AgentInfo) -> str | None:
    """Why an agent cannot register like this."""
    if not 0 < len(key) <= ID_CHARS_MAX:
        return f"key: must have 1 to {ID_CHARS_MAX} characters"
    if not info.hostname:
        return "hostname: must not be empty"
    resources = info.resources
    names = len(resources.scalars) + len(resources.ranges) + len(resources.sets)
    if names > RESOURCE_NAMES_MAX:
        return f"resources: {names} different ones are more than {RESOURCE_NAMES_MAX}"
    problem = resources_problem(resources)
    if problem is None and any(is_made(key) for key in keys_of(resources)):
        problem = "an agent announces no dynamic reservations and no volumes"
    return None if problem is None else f"resources: {problem}"


def task_problem(task: TaskInfo, offer_agent: str, remainder: Resources) -> str | None:
    """Why a task cannot be launched from what is left of its offers."""
    problem = id_problem(task.task_id)
    if problem is not None:
        return f"Task ID {problem}"
    if task.agent_id != offer_agent:
        return f"Task uses agent {task.agent_id} but the offers are of {offer_agent}"
    if task.unsupported:
        return f"Task uses what is not supported: {', '.join(task.unsupported)}"
    if task.command is None:
        return "Task must have a command"
    if not task.resources:
        return "Task uses no resources"
    problem = resources_problem(task.resources)
    if problem is not None:
        return f"Task uses invalid resources: {problem}"
    if not remainder.contains(task.resources):
        return f"Task uses more resources {task.resources} than available {remainder}"
    if not 0 <= (task.kill_grace_ms or 0) <= KILL_GRACE_S_MAX * 1000:
        return "Task's kill_policy.grace_period is negative or too long"
    if len(task.data or b"") > TASK_DATA_BYTES_MAX:
        return f"Task's data is larger than {TASK_DATA_BYTES_MAX} bytes"
    return None


def weights_problem(weights: dict[str, int]) -> str | None:
    """Why these cannot be weights."""
    for role, millis in sorted(weights.items()):
        problem = role_problem(role)
        if problem is not None:
            return f"Role '{role}' is invalid: {problem}"
        if not 0 < millis <= WEIGHT_MILLIS_MAX:
            return f"Weight of role '{role}' is not a usable number: {millis}"
    return None
