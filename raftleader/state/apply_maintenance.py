"""The maintenance schedule: machines that will be away, go down, come up again."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId
from raftleader.protocol.offers import Unavailability
from raftleader.protocol.operator_values import MachineId, MachineMode, Window
from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state.apply_agent_admin import end_tasks, shut_down_executors
from raftleader.state.bounds import SCHEDULE_MACHINES_MAX
from raftleader.state.cluster import ClusterState
from raftleader.state.context import Context
from raftleader.state.machines import (
    agents_on,
    canonical_machine,
    machine_mode,
    machine_problem,
    machine_text,
    unavailability_of,
)
from raftleader.state.operator_commands import (
    SetSchedule,
    StartMaintenance,
    StopMaintenance,
)
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.tables import rescind_offers, set_agent
from raftleader.state.tables_operators import set_inverse_answers, set_schedule

_NANOSECONDS_MAX = 2**63 - 1


def apply_set_schedule(
    state: ClusterState, ctx: Context, command: SetSchedule
) -> Outcome:
    """Replace the schedule.

    Where an agent's unavailability changes, its offers are rescinded, so that they
    are made again with it, and its frameworks are asked anew.
    """
    windows = tuple(
        Window(
            machines=tuple(canonical_machine(machine) for machine in window.machines),
            unavailability=window.unavailability,
        )
        for window in command.windows
    )
    problem = _schedule_problem(state, windows)
    if problem is not None:
        return Rejected(refusal=Refusal.INVALID_SCHEDULE, message=problem)
    _change_schedule(state, ctx, windows, state.down_machines)
    return Accepted()


def apply_start_maintenance(
    state: ClusterState, ctx: Context, command: StartMaintenance
) -> Outcome:
    """Take machines of the schedule down.

    Their agents are unreachable from now on and may not register; their tasks are
    LOST, as in Mesos, and their executors are ended if they should come back. The
    agents keep id, reservations and volumes: after the maintenance they return.
    """
    machines = tuple(canonical_machine(machine) for machine in command.machines)
    refused = _refused(state, machines, MachineMode.DRAINING)
    if refused is not None:
        return refused
    set_schedule(state, state.windows, (*state.down_machines, *machines))
    for agent in sorted(agents_on(state, machines), key=lambda agent: agent.id):
        rescind_offers(state, ctx, list(state.offers_by_agent.get(agent.id, ())))
        end_tasks(
            state,
            ctx,
            agent.id,
            told=TaskState.LOST,
            reason=Reason.AGENT_REMOVED,
            message=f"Agent {agent.info.hostname} removed:"
            " Operator initiated 'Machine DOWN'",
        )
        shut_down_executors(state, ctx, agent.id)
        row = state.agents[agent.id]
        if row.unreachable_ms is None:
            set_agent(state, ctx, replace(row, unreachable_ms=ctx.now_ms))
    return Accepted()


def apply_stop_maintenance(
    state: ClusterState, ctx: Context, command: StopMaintenance
) -> Outcome:
    """Machines come up: they leave the schedule, and their agents may register."""
    machines = tuple(canonical_machine(machine) for machine in command.machines)
    refused = _refused(state, machines, MachineMode.DOWN)
    if refused is not None:
        return refused
    leaving = frozenset(machines)
    windows = tuple(
        replace(window, machines=rest)
        for window in state.windows
        if (rest := tuple(m for m in window.machines if m not in leaving))
    )
    down = tuple(m for m in state.down_machines if m not in leaving)
    _change_schedule(state, ctx, windows, down)
    return Accepted()


def _change_schedule(
    state: ClusterState,
    ctx: Context,
    windows: tuple[Window, ...],
    down_machines: tuple[MachineId, ...],
) -> None:
    before = {
        agent.id: unavailability_of(state, agent.info)
        for agent in state.agents.values()
    }
    set_schedule(state, windows, down_machines)
    for agent_id in sorted(before):
        tell_unavailability(
            state, ctx, agent_id, before[agent_id], state.agents[agent_id].info
        )


def tell_unavailability(
    state: ClusterState,
    ctx: Context,
    agent_id: AgentId,
    before: Unavailability | None,
    info: AgentInfo,
) -> None:
    """If an agent's unavailability is no longer what it was: take offers back, and
    forget what frameworks said to it."""
    if unavailability_of(state, info) == before:
        return
    rescind_offers(state, ctx, list(state.offers_by_agent.get(agent_id, ())))
    set_inverse_answers(state, agent_id, ())
    ctx.agents[agent_id] = None


def _schedule_problem(state: ClusterState, windows: tuple[Window, ...]) -> str | None:
    seen: set[MachineId] = set()
    for window in windows:
        if not window.machines:
            return "List of machines in the maintenance window is empty"
        unavailability = window.unavailability
        if (unavailability.duration_ns or 0) < 0:
            return "Unavailability 'duration' is negative"
        if (
            not -_NANOSECONDS_MAX <= unavailability.start_ns <= _NANOSECONDS_MAX
            or (unavailability.duration_ns or 0) > _NANOSECONDS_MAX
        ):
            return "Unavailability is not a time in nanoseconds"
        problem = _machines_problem(window.machines, seen)
        if problem is not None:
            return problem
    if len(seen) > SCHEDULE_MACHINES_MAX:
        return f"More than {SCHEDULE_MACHINES_MAX} machines in the schedule"
    for machine in state.down_machines:
        if machine not in seen:
            return (
                f"Machine '{machine_text(machine)}' is deactivated and cannot be"
                " removed from the schedule"
            )
    return None


def _machines_problem(
    machines: tuple[MachineId, ...], seen: set[MachineId]
) -> str | None:
    for machine in machines:
        problem = machine_problem(machine)
        if problem is not None:
            return problem
        if machine in seen:
            text = machine_text(machine)
            return f"Machine '{text}' appears more than once in the schedule"
        seen.add(machine)
    return None


def _refused(
    state: ClusterState, machines: tuple[MachineId, ...], wanted: MachineMode
) -> Rejected | None:
    """Mesos' checks of START and STOP_MAINTENANCE, in its order and words."""
    problem = "List of machines is empty" if not machines else None
    problem = problem or _machines_problem(machines, set())
    for machine in machines if problem is None else ():
        text = machine_text(machine)
        mode = machine_mode(state, machine)
        if mode is None:
            problem = f"Machine '{text}' is not part of a maintenance schedule"
        elif mode is not wanted:
            direction = "down" if wanted is MachineMode.DRAINING else "up"
            problem = (
                f"Machine '{text}' is not in {wanted.value} mode and cannot be"
                f" brought {direction}"
            )
        if problem is not None:
            break
    if problem is None:
        return None
    return Rejected(refusal=Refusal.INVALID_MACHINES, message=problem)
