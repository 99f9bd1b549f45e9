"""Executors are charged once, from their first task to their reported end."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.offers import LaunchGroup, UnsupportedOperation
from raftleader.protocol.resources import EMPTY, parse_resources
from raftleader.protocol.tasks import (
    ExecutorType,
    Reason,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.cluster import Executor
from raftleader.state.outcomes import Refusal, Rejected
from raftleader.state.snapshot import encode_snapshot
from raftleader.state.trial import Trial

ROOM = "cpus:8;mem:256;disk:100"
EXECUTOR = parse_resources("cpus:1;mem:32;disk:10")
ONE, TWO = parse_resources("cpus:1"), parse_resources("cpus:2")


def _cluster(trial: Trial, **info: Any) -> tuple[AgentId, FrameworkId]:
    agent = trial.register(ROOM)
    return agent, trial.subscribe(**info)


def _launch(trial: Trial, framework: FrameworkId, *task_ids: str, **fields: Any) -> Any:
    """Launch in executor ``e``, from an offer of all that is free."""
    (agent,) = trial.state.agents
    offer = trial.offer(framework, agent, trial.state.agents[agent].free)
    executor = trial.executor(framework, "e", **fields)
    return trial.launch_in(framework, offer, executor, *task_ids)


def _updates(trial: Trial, framework: FrameworkId) -> tuple[TaskStatus, ...]:
    return queries.first_pending_updates(trial.state, framework)


def _executor(trial: Trial) -> Executor | None:
    return next(iter(trial.state.executors.values()), None)


def test_an_executor_is_charged_once_and_until_it_ends(trial: Trial) -> None:
    agent, framework = _cluster(trial)

    _launch(trial, framework, "t1", "t2")
    _launch(trial, framework, "t3")
    assert trial.state.agents[agent].used == EXECUTOR + TWO + ONE
    for name in ("t1", "t2", "t3"):
        trial.report(framework, name, TaskState.RUNNING)
        trial.report(framework, name, TaskState.FINISHED)
    assert trial.state.agents[agent].used == EXECUTOR
    assert queries.executor_ids(trial.state, framework, agent) == ("e",)
    assert not queries.shutdown_wanted(trial.state, agent)

    trial.report_executor(framework, agent, "e")

    assert trial.state.agents[agent].used == EMPTY
    assert not trial.state.executors and not trial.state.allocated


def test_an_executor_belongs_to_its_agent_and_framework(trial: Trial) -> None:
    _, framework = _cluster(trial)
    other_agent = trial.register(ROOM, key="k2")
    other = trial.subscribe()
    for owner, agent in ((framework, other_agent), (other, other_agent)):
        offer = trial.offer(owner, agent, "cpus:2;mem:32;disk:10")
        executor = trial.executor(owner, "e")
        trial.launch_in(owner, offer, executor, f"t-{owner}")

    assert len(trial.state.executors) == 2
    assert trial.state.agents[other_agent].used == EXECUTOR + EXECUTOR + TWO


def test_live_tasks_end_with_their_executor_and_those_on_their_way_start_it_anew(
    trial: Trial,
) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "runs")
    trial.report(framework, "runs", TaskState.RUNNING)
    _launch(trial, framework, "comes")
    assert [e.is_confirmed for e in trial.state.executors.values()] == [True]

    trial.report_executor(framework, agent, "e")

    assert trial.state.tasks[framework, "runs"].state is TaskState.FAILED
    end = trial.state.tasks[framework, "runs"].pending[-1]
    assert (end.reason, end.executor_id) == (Reason.EXECUTOR_TERMINATED, "e")
    assert trial.state.tasks[framework, "comes"].state is TaskState.STAGING
    assert trial.state.agents[agent].used == EXECUTOR + ONE
    assert queries.confirmed_executors(trial.state, agent) == ()

    trial.report(framework, "comes", TaskState.RUNNING)
    assert len(queries.confirmed_executors(trial.state, agent)) == 1


def test_a_repeated_report_does_not_end_a_later_executor(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "t1")
    trial.report(framework, "t1", TaskState.FINISHED)
    report = trial.report_executor(framework, agent, "e")
    _launch(trial, framework, "t2")
    trial.report(framework, "t2", TaskState.RUNNING)
    before = encode_snapshot(trial.state)

    trial.accepted(report)

    trial.state.index -= 1
    assert encode_snapshot(trial.state) == before


def test_an_unknown_executor_or_uuid_is_ignored(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "t1")
    report = trial.report_executor(framework, agent, "other")
    named = replace(report.reports[0], executor_id="e", uuid=b"short")
    trial.accepted(c.ReportExecutors(agent_id=agent, reports=(named,)))

    assert _executor(trial) is not None
    nobody = c.ReportExecutors(agent_id=AgentId("c-S9-9"), reports=report.reports)
    outcome = trial.one(nobody)
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.UNKNOWN_AGENT


def test_executors_an_agent_does_not_know_are_lost_unless_a_task_is_on_its_way(
    trial: Trial,
) -> None:
    agent, framework = _cluster(trial, capabilities=("PARTITION_AWARE",))
    lose = c.LoseExecutors(agent_id=agent, executors=((framework, "e"),))
    _launch(trial, framework, "t1")
    trial.accepted(lose)
    assert _executor(trial) is not None
    trial.report(framework, "t1", TaskState.RUNNING)

    trial.accepted(lose)

    assert not trial.state.executors
    assert trial.state.tasks[framework, "t1"].state is TaskState.GONE
    trial.accepted(lose)
    assert isinstance(
        trial.one(c.LoseExecutors(agent_id=AgentId("x"), executors=())), Rejected
    )


def test_shutdown_ends_an_executor_and_keeps_its_tasks_from_starting_it(
    trial: Trial,
) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "runs")
    trial.report(framework, "runs", TaskState.RUNNING)
    _launch(trial, framework, "comes")

    trial.accepted(
        c.ShutdownExecutor(framework_id=framework, executor_id="e", agent_id=agent)
    )

    (wanted,) = queries.shutdown_wanted(trial.state, agent)
    assert wanted.info.executor_id == "e"
    assert queries.unconfirmed_tasks(trial.state, agent) == ()
    assert [t.info.task_id for t in queries.wanted_kills(trial.state, agent)] == [
        "comes"
    ]
    trial.report_executor(framework, agent, "e")
    assert _executor(trial) is not None  # "comes" may be on its way
    trial.report(framework, "comes", TaskState.KILLED)
    assert queries.shutdown_wanted(trial.state, agent)
    trial.report_executor(framework, agent, "e")
    assert trial.state.agents[agent].used == EMPTY


def test_shutdown_of_what_is_not_there_is_ignored(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    trial.accepted(
        c.ShutdownExecutor(framework_id=framework, executor_id="e", agent_id=agent)
    )
    outcome = trial.one(
        c.ShutdownExecutor(
            framework_id=FrameworkId("x"), executor_id="e", agent_id=agent
        )
    )
    assert isinstance(outcome, Rejected)


def test_shutdown_of_a_command_tasks_executor_kills_the_task(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t")

    for name in ("other", "t"):
        assert not queries.wanted_kills(trial.state, agent)
        trial.accepted(
            c.ShutdownExecutor(framework_id=framework, executor_id=name, agent_id=agent)
        )

    assert len(queries.wanted_kills(trial.state, agent)) == 1


def test_a_task_for_an_executor_that_is_ending_is_dropped(trial: Trial) -> None:
    agent, framework = _cluster(trial, capabilities=("PARTITION_AWARE",))
    _launch(trial, framework, "t1")
    trial.report(framework, "t1", TaskState.RUNNING)
    trial.accepted(
        c.ShutdownExecutor(framework_id=framework, executor_id="e", agent_id=agent)
    )

    _launch(trial, framework, "t2")

    dropped = _updates(trial, framework)[-1]
    assert (dropped.task_id, dropped.state) == ("t2", TaskState.DROPPED)
    assert dropped.reason is Reason.EXECUTOR_TERMINATED


def test_an_executor_that_never_ran_a_task_is_ordered_to_end(trial: Trial) -> None:
    """Its agent answers with its end, whether it was started or not."""
    agent, framework = _cluster(trial)
    _launch(trial, framework, "t1", "t2")
    for name in ("t1", "t2"):
        assert not queries.shutdown_wanted(trial.state, agent)
        trial.report(framework, name, TaskState.KILLED)

    assert len(queries.shutdown_wanted(trial.state, agent)) == 1


def test_executors_of_a_removed_framework_are_charged_until_they_end(
    trial: Trial,
) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "t1")
    trial.report(framework, "t1", TaskState.RUNNING)

    trial.accepted(c.TeardownFramework(framework_id=framework))
    assert len(queries.shutdown_wanted(trial.state, agent)) == 1
    assert trial.state.agents[agent].used == EXECUTOR + ONE
    trial.report_executor(framework, agent, "e")

    assert trial.state.agents[agent].used == EMPTY
    assert not trial.state.tasks


def test_operations_of_a_removed_framework_are_forgotten(trial: Trial) -> None:
    _, framework = _cluster(trial)
    operation = UnsupportedOperation(id="o", type="X")
    trial.accept(framework, "c-O1-0-0", operations=[operation])

    trial.accepted(c.TeardownFramework(framework_id=framework))

    assert not trial.state.operations


def test_an_unreachable_agents_executors_stay(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "t1")
    trial.report(framework, "t1", TaskState.RUNNING)

    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))

    assert trial.state.agents[agent].used == EXECUTOR
    lost = trial.state.tasks[framework, "t1"].statuses[-1]
    assert (lost.state, lost.executor_id) == (TaskState.LOST, "e")


def _group(
    trial: Trial, framework: FrameworkId, *tasks: TaskInfo, **fields: Any
) -> c.AcceptOffers:
    (agent,) = trial.state.agents
    offer = trial.offer(framework, agent, trial.state.agents[agent].free)
    executor = trial.executor(
        framework, "e", **{"type": ExecutorType.DEFAULT, **fields}
    )
    operation = LaunchGroup(executor=executor, tasks=tasks)
    return trial.accept(framework, offer, operations=[operation])


def test_a_group_is_launched_together(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    _launch(trial, framework, "a", "b", type=ExecutorType.DEFAULT)

    rows = [trial.state.tasks[framework, name] for name in ("a", "b")]
    assert [row.group for row in rows] == [("a", "b"), ("a", "b")]
    assert trial.state.agents[agent].used == EXECUTOR + TWO
    _launch(trial, framework, "c", type=ExecutorType.DEFAULT)
    assert trial.state.tasks[framework, "c"].group == ("c",)
    assert trial.state.agents[agent].used == EXECUTOR + TWO + ONE


@pytest.mark.parametrize("damage", ["task", "twin", "size"])
def test_a_group_is_launched_as_a_whole_or_not_at_all(
    trial: Trial, damage: str
) -> None:
    agent, framework = _cluster(trial)
    tasks = [trial.task("a", agent), trial.task("b", agent)]
    if damage == "task":
        tasks[1] = trial.task("b/", agent)
    elif damage == "twin":
        tasks[1] = trial.task("a", agent)
    else:
        tasks[1] = trial.task("b", agent, "cpus:99")

    command = _group(trial, framework, *tasks)
    trial.accepted(command)

    assert not trial.state.tasks and not trial.state.executors
    updates = _updates(trial, framework)
    assert len(updates) == 2
    assert {update.state for update in updates} == {TaskState.ERROR}
    assert {update.reason for update in updates} == {Reason.TASK_GROUP_INVALID}


def test_a_group_may_leave_its_executor_to_the_operation(trial: Trial) -> None:
    agent, framework = _cluster(trial)

    _group(trial, framework, trial.task("a", agent))

    assert trial.state.tasks[framework, "a"].info.executor == trial.executor(
        framework, "e", type=ExecutorType.DEFAULT
    )
    _group(trial, framework)
    assert len(trial.state.executors) == 1


def test_a_group_for_an_executor_that_is_ending_is_dropped(trial: Trial) -> None:
    agent, framework = _cluster(trial)
    _group(trial, framework, trial.task("a", agent))
    trial.accepted(
        c.ShutdownExecutor(framework_id=framework, executor_id="e", agent_id=agent)
    )

    _group(trial, framework, trial.task("b", agent))

    assert _updates(trial, framework)[-1].state is TaskState.LOST
