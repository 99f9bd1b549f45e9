from __future__ import annotations

import pytest

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId
from raftleader.protocol.offers import Launch, Unavailability
from raftleader.protocol.operator_values import Drain, DrainState, MachineId, Window
from raftleader.protocol.resources import EMPTY, parse_resources
from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.outcomes import Refusal, Rejected
from raftleader.state.trial import Trial


@pytest.fixture
def trial() -> Trial:
    return Trial()


def _refusal(trial: Trial, command: c.Command) -> Rejected:
    outcome = trial.one(command)
    assert isinstance(outcome, Rejected)
    return outcome


def _hello(trial: Trial, agent_id: AgentId) -> c.RegisterAgent:
    """The agent comes back as it is known now."""
    agent = trial.state.agents[agent_id]
    return c.RegisterAgent(key=agent.key, info=agent.info, agent_id=agent_id)


def test_drain_kills_tasks_and_offers_nothing_until_reactivated(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=("PARTITION_AWARE",))
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    rest = trial.offer(framework, agent, "cpus:3")

    trial.accepted(o.DrainAgent(agent_id=agent))

    row = trial.state.agents[agent]
    assert row.drain == Drain(state=DrainState.DRAINING, started_ms=1_000)
    assert (row.is_deactivated, row.free) == (True, EMPTY)
    assert rest not in trial.state.offers
    assert [r.offer_id for r in trial.state.frameworks[framework].rescinds] == [rest]
    task = trial.state.tasks[framework, "t1"]
    assert (task.kill_wanted, task.kill_grace_ms) == (True, None)
    still = _refusal(trial, o.ReactivateAgent(agent_id=agent))
    assert still.message == "Agent is still in the DRAINING state"

    trial.report(framework, "t1", TaskState.KILLED)

    drain = trial.state.agents[agent].drain
    assert drain is not None and drain.state is DrainState.DRAINED
    assert trial.state.agents[agent].free == EMPTY
    trial.accepted(o.ReactivateAgent(agent_id=agent))
    assert trial.state.agents[agent].drain is None
    assert trial.state.agents[agent].free == parse_resources("cpus:4")
    again = _refusal(trial, o.ReactivateAgent(agent_id=agent))
    assert again.message == "Agent is not deactivated"


@pytest.mark.parametrize(
    ("own_ms", "killed_ms", "most_ms", "expected_ms"),
    [
        (None, None, 10_000, 3_000),
        (None, None, 1_000, 1_000),
        (60_000, None, 10_000, 10_000),
        (60_000, 5_000, 10_000, 5_000),
        (500, None, 10_000, 500),
        (60_000, None, None, None),
        (60_000, None, -5, 0),
    ],
)
def test_drain_bounds_the_grace_of_each_task(
    trial: Trial,
    own_ms: int | None,
    killed_ms: int | None,
    most_ms: int | None,
    expected_ms: int | None,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:1")
    task = trial.task("t1", agent, kill_grace_ms=own_ms)
    trial.accepted(
        c.AcceptOffers(
            framework_id=framework,
            offer_ids=(offer,),
            operations=(Launch(tasks=(task,)),),
        )
    )
    if killed_ms is not None:
        trial.accepted(
            c.KillTask(framework_id=framework, task_id="t1", grace_ms=killed_ms)
        )

    trial.accepted(o.DrainAgent(agent_id=agent, max_grace_ms=most_ms))

    assert trial.state.tasks[framework, "t1"].kill_grace_ms == expected_ms


def test_drained_agent_is_gone_at_once_when_nothing_runs_and_that_is_wanted(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    trial.accepted(o.DrainAgent(agent_id=agent, mark_gone=True))
    assert agent not in trial.state.agents
    assert trial.state.gone_agents == {agent: 1_000}


def test_drain_waits_for_an_unreachable_agent_until_it_is_back(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=("PARTITION_AWARE",))
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    trial.report(framework, "t1", TaskState.RUNNING)
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))

    trial.accepted(o.DrainAgent(agent_id=agent))
    drain = trial.state.agents[agent].drain
    assert drain is not None and drain.state is DrainState.DRAINING

    trial.accepted(_hello(trial, agent))
    trial.report(framework, "t1", TaskState.FINISHED)
    drain = trial.state.agents[agent].drain
    assert drain is not None and drain.state is DrainState.DRAINED


def test_drain_of_an_empty_unreachable_agent_ends_when_it_is_back(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    trial.accepted(o.DrainAgent(agent_id=agent))
    drain = trial.state.agents[agent].drain
    assert drain is not None and drain.state is DrainState.DRAINING
    trial.accepted(_hello(trial, agent))
    drain = trial.state.agents[agent].drain
    assert drain is not None and drain.state is DrainState.DRAINED


def test_drain_is_refused_when_the_agent_is_unknown_or_in_the_schedule(
    trial: Trial,
) -> None:
    refused = _refusal(trial, o.DrainAgent(agent_id="c-X1-0"))
    assert (refused.refusal, refused.message) == (
        Refusal.UNKNOWN_AGENT,
        "Unknown agent",
    )
    agent = trial.register("cpus:4")
    window = Window(
        machines=(MachineId(hostname="HOST-K1"),),
        unavailability=Unavailability(start_ns=1),
    )
    trial.accepted(o.SetSchedule(windows=(window,)))
    refused = _refusal(trial, o.DrainAgent(agent_id=agent))
    assert refused.refusal is Refusal.AGENT_IN_SCHEDULE
    assert refused.message.startswith(
        f"Agent {agent} is part of a maintenance schedule"
    )


def test_deactivated_agent_is_not_offered_and_its_tasks_go_on(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    offer = trial.offer(framework, agent, "cpus:1")

    trial.accepted(o.DeactivateAgent(agent_id=agent))

    assert offer not in trial.state.offers
    assert trial.state.agents[agent].free == EMPTY
    assert not trial.state.tasks[framework, "t1"].kill_wanted
    trial.accepted(_hello(trial, agent))
    assert trial.state.agents[agent].is_deactivated
    trial.accepted(o.ReactivateAgent(agent_id=agent))
    assert trial.state.agents[agent].free == parse_resources("cpus:3")


def test_gone_agent_ends_its_tasks_and_is_refused_for_ever(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    aware = trial.subscribe(capabilities=("PARTITION_AWARE",))
    plain = trial.subscribe()
    trial.launch(aware, trial.offer(aware, agent, "cpus:1"), "t1")
    trial.launch(plain, trial.offer(plain, agent, "cpus:1"), "t2")
    trial.offer(plain, agent, "cpus:1")
    hello = _hello(trial, agent)

    trial.accepted(o.MarkAgentGone(agent_id=agent))

    assert agent not in trial.state.agents
    assert not trial.state.offers
    assert not trial.state.capacity
    for framework, task_id, state, reason in (
        (
            aware,
            "t1",
            TaskState.GONE_BY_OPERATOR,
            Reason.AGENT_REMOVED_BY_OPERATOR,
        ),
        (plain, "t2", TaskState.LOST, Reason.AGENT_REMOVED),
    ):
        (status,) = trial.state.tasks[framework, task_id].pending
        assert (status.state, status.reason) == (state, reason)
        assert status.message == "Agent has been marked gone"
        assert status.uuid is not None
        trial.acknowledge(framework, task_id, status.uuid)
    assert not trial.state.tasks
    refused = _refusal(trial, hello)
    assert (refused.refusal, refused.message) == (
        Refusal.AGENT_GONE,
        "Agent has been marked gone",
    )
    trial.accepted(o.MarkAgentGone(agent_id=agent))


def test_gone_machine_may_register_anew_when_its_disk_is_empty(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    trial.accepted(o.MarkAgentGone(agent_id=agent))
    assert trial.register("cpus:4") not in (agent, None)


def test_marking_gone_ends_unreachable_tasks_too(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=("PARTITION_AWARE",))
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    assert trial.state.tasks[framework, "t1"].state is TaskState.UNREACHABLE

    trial.accepted(o.MarkAgentGone(agent_id=agent))

    assert trial.state.tasks[framework, "t1"].state is TaskState.GONE_BY_OPERATOR
    assert [s.state for s in trial.state.tasks[framework, "t1"].pending] == [
        TaskState.UNREACHABLE,
        TaskState.GONE_BY_OPERATOR,
    ]


def test_commands_about_unknown_agents_are_refused_as_mesos_does(trial: Trial) -> None:
    for command, refusal, message in (
        (
            o.DeactivateAgent(agent_id="c-X1-0"),
            Refusal.UNKNOWN_AGENT,
            "Unknown agent",
        ),
        (
            o.ReactivateAgent(agent_id="c-X1-0"),
            Refusal.AGENT_NOT_DEACTIVATED,
            "Agent is not deactivated",
        ),
        (
            o.MarkAgentGone(agent_id="c-X1-0"),
            Refusal.UNKNOWN_AGENT,
            "Agent 'c-X1-0' not found",
        ),
    ):
        refused = _refusal(trial, command)
        assert (refused.refusal, refused.message) == (refusal, message)


def test_registration_with_an_id_of_nobody_is_refused(trial: Trial) -> None:
    info = AgentInfo(hostname="h", ip="1.2.3.4", port=1)
    refused = _refusal(trial, c.RegisterAgent(key="k", info=info, agent_id="c-X1-0"))
    assert refused.refusal is Refusal.INVALID_AGENT


@pytest.mark.parametrize(
    ("capabilities", "mark_gone", "state", "told"),
    [
        ((), False, TaskState.KILLED, TaskState.KILLED),
        ((), True, TaskState.KILLED, TaskState.KILLED),
        (("PARTITION_AWARE",), False, TaskState.KILLED, TaskState.KILLED),
        (("PARTITION_AWARE",), True, TaskState.KILLED, TaskState.GONE_BY_OPERATOR),
        (
            ("PARTITION_AWARE", "TASK_KILLING_STATE"),
            True,
            TaskState.KILLING,
            TaskState.KILLING,
        ),
    ],
)
def test_kill_by_draining_is_told_as_such(
    trial: Trial,
    capabilities: tuple[str, ...],
    mark_gone: bool,
    state: TaskState,
    told: TaskState,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=capabilities)
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    trial.accepted(o.DrainAgent(agent_id=agent, mark_gone=mark_gone))
    trial.report(framework, "t1", state)
    status = trial.state.tasks[framework, "t1"].pending[-1]
    assert (status.state, status.reason) == (told, Reason.AGENT_DRAINING)


def test_end_without_killing_keeps_its_own_reason_when_its_agent_drains(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t1")
    trial.accepted(o.DrainAgent(agent_id=agent))
    trial.report(framework, "t1", TaskState.FINISHED)
    status = trial.state.tasks[framework, "t1"].pending[-1]
    assert (status.state, status.reason) == (TaskState.FINISHED, None)
