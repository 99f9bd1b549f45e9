from __future__ import annotations

import pytest

from raftleader.protocol.tasks import Reason, TaskState
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.counts import counts as cluster_counts
from raftleader.state.trial import Trial

AWARE = ("PARTITION_AWARE",)


def test_first_pending_updates_are_one_per_task_then_orphans(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    trial.launch(framework, offer, "b", "a", "silent", "a")
    for state in (TaskState.STARTING, TaskState.RUNNING):
        for task_id in ("b", "a"):
            trial.report(framework, task_id, state)

    updates = queries.first_pending_updates(trial.state, framework)

    assert [(u.task_id, u.state.name) for u in updates] == [
        ("a", "STARTING"),
        ("b", "STARTING"),
        ("a", "ERROR"),
    ]
    assert queries.first_pending_updates(trial.state, "c-F9-9") == ()


def test_tasks_of_an_agent_are_told_apart(trial: Trial) -> None:
    agent = trial.register("cpus:9")
    framework = trial.subscribe(capabilities=AWARE)
    offer = trial.offer(framework, agent, "cpus:9")
    trial.launch(framework, offer, "staging", "running", "ended", "doomed")
    for task_id in ("running", "ended", "doomed"):
        trial.report(framework, task_id, TaskState.RUNNING)
    trial.report(framework, "ended", TaskState.FINISHED)
    trial.accepted(c.KillTask(framework_id=framework, task_id="doomed"))

    def ids(tasks: tuple[object, ...]) -> list[str]:
        return [task.info.task_id for task in tasks]

    state = trial.state
    assert ids(queries.unconfirmed_tasks(state, agent)) == ["staging"]
    assert ids(queries.wanted_kills(state, agent)) == ["doomed"]
    assert ids(queries.confirmed_live_tasks(state, agent)) == ["doomed", "running"]
    assert ids(queries.live_tasks(state, framework)) == ["doomed", "running", "staging"]
    assert queries.unreachable_tasks(state, agent) == ()
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    assert ids(queries.confirmed_live_tasks(state, agent)) == [
        "doomed",
        "running",
        "staging",
    ]
    assert len(queries.unreachable_tasks(state, agent)) == 3


def test_reconciliation_answers_with_the_update_that_is_on_its_way(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    row = trial.state.frameworks[framework]
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t")

    def told() -> TaskState:
        status = queries.reconciliation_status(trial.state, row, "t", None)
        assert (status.uuid, status.reason) == (None, Reason.RECONCILIATION)
        assert status.agent_id == agent
        return status.state

    assert told() is TaskState.STAGING
    first = trial.report(framework, "t", TaskState.RUNNING, data=b"secret")
    second = trial.report(framework, "t", TaskState.FINISHED)
    assert told() is TaskState.RUNNING
    trial.acknowledge(framework, "t", first)
    assert told() is TaskState.FINISHED
    trial.acknowledge(framework, "t", second)
    assert not trial.state.tasks
    assert told() is TaskState.FINISHED


@pytest.mark.parametrize(
    ("agent_id", "aware", "plain"),
    [
        (None, "UNKNOWN", "LOST"),
        ("c-S9-9", "UNKNOWN", "LOST"),
        ("c-S2-0", "GONE", "LOST"),
        ("c-S3-0", "UNREACHABLE", "LOST"),
    ],
)
def test_reconciliation_of_an_unknown_task_says_what_its_agent_allows(
    trial: Trial, agent_id: str | None, aware: str, plain: str
) -> None:
    trial.register("cpus:4", key="k1")
    silent = trial.register("cpus:4", key="k2")
    trial.accepted(c.MarkUnreachable(agent_ids=(silent,)))
    for capabilities, told in ((AWARE, aware), ((), plain)):
        framework = trial.subscribe(capabilities=capabilities)
        row = trial.state.frameworks[framework]
        status = queries.reconciliation_status(trial.state, row, "t", agent_id)
        assert status.state.name == told
        assert status.agent_id == agent_id
        assert status.uuid is None


def test_reconciliation_knows_a_task_that_was_refused(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.launch(
        framework, trial.offer(framework, agent, "cpus:1"), "t", resources="cpus:5"
    )
    row = trial.state.frameworks[framework]
    status = queries.reconciliation_status(trial.state, row, "t", agent)
    assert status.state is TaskState.ERROR


def test_implicit_reconciliation_names_live_and_unacknowledged_tasks(
    trial: Trial,
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    trial.launch(framework, offer, "live", "ended", "done")
    trial.report(framework, "ended", TaskState.FAILED)
    trial.acknowledge(
        framework, "done", trial.report(framework, "done", TaskState.FINISHED)
    )
    row = trial.state.frameworks[framework]
    answers = queries.implicit_reconciliation(trial.state, row)
    assert [(a.task_id, a.state.name) for a in answers] == [
        ("ended", "FAILED"),
        ("live", "STAGING"),
    ]


def test_counts_count_everything(trial: Trial) -> None:
    one = trial.register("cpus:4;mem:100;cpus(web):2", key="k1")
    two = trial.register("cpus:4", key="k2")
    framework = trial.subscribe()
    gone = trial.subscribe()
    trial.subscribe()
    trial.launch(framework, trial.offer(framework, one, "cpus:3"), "a", "b", "c")
    trial.report(framework, "b", TaskState.RUNNING)
    trial.acknowledge(framework, "c", trial.report(framework, "c", TaskState.FAILED))
    trial.offer(framework, one, "mem:50")
    trial.accepted(c.TeardownFramework(framework_id=gone))
    trial.accepted(c.MarkUnreachable(agent_ids=(two,)))
    trial.begin_term(2, "n2")
    trial.subscribe(framework_id=framework)

    counts = cluster_counts(trial.state)

    assert (
        counts.frameworks_connected,
        counts.frameworks_disconnected,
        counts.frameworks_removed,
    ) == (1, 1, 1)
    assert (counts.agents_reachable, counts.agents_unreachable) == (1, 1)
    assert counts.tasks == {TaskState.RUNNING: 1, TaskState.STAGING: 1}
    assert (counts.offers, counts.tasks_completed, counts.updates_pending) == (1, 1, 1)
    assert counts.total == {"cpus": 6000, "mem": 100_000}
    assert counts.used == {"cpus": 2000, "mem": 0}
    assert counts.offered == {"cpus": 0, "mem": 50_000}
