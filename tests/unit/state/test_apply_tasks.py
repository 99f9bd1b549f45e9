from __future__ import annotations

import pytest

from raftleader.limits import COMPLETED_TASKS_MAX, RESULT_BYTES_MAX
from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.tasks import Reason, Source, TaskState, TaskStatus
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.bounds import PENDING_UPDATES_MAX
from raftleader.state.outcomes import Accepted, Refusal, Rejected
from raftleader.state.snapshot import encode_snapshot
from raftleader.state.trial import Trial


def _running(
    trial: Trial, *capabilities: str, state: TaskState | None = TaskState.RUNNING
) -> tuple[FrameworkId, AgentId]:
    """A framework with the task t, acknowledged so far."""
    agent = trial.register("cpus:4")
    framework = trial.subscribe(capabilities=capabilities, failover_timeout_ms=9_000)
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t")
    if state is not None:
        uuid = trial.report(framework, "t", state)
        trial.acknowledge(framework, "t", uuid)
    return framework, agent


def _update(
    framework: str, state: TaskState, uuid: bytes | None, task_id: str = "t"
) -> AgentUpdate:
    return AgentUpdate(
        framework_id=framework,
        status=TaskStatus(task_id=task_id, state=state, source=Source.AGENT, uuid=uuid),
    )


def test_update_is_pending_until_acknowledged(trial: Trial) -> None:
    framework, agent = _running(trial, state=None)

    uuid = trial.report(framework, "t", TaskState.RUNNING)
    assert [
        (u.state, u.agent_id, u.uuid)
        for u in queries.first_pending_updates(trial.state, framework)
    ] == [(TaskState.RUNNING, agent, uuid)]

    trial.acknowledge(framework, "t", b"wrong" * 3 + b"!")
    assert queries.first_pending_updates(trial.state, framework)
    trial.acknowledge(framework, "t", uuid)
    assert queries.first_pending_updates(trial.state, framework) == ()


def test_updates_of_a_task_are_delivered_one_after_the_other(trial: Trial) -> None:
    framework, _ = _running(trial, state=None)
    first = trial.report(framework, "t", TaskState.RUNNING)
    second = trial.report(framework, "t", TaskState.FINISHED)

    trial.acknowledge(framework, "t", second)  # not on its way yet: void
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert update.uuid == first
    trial.acknowledge(framework, "t", first)
    (update,) = queries.first_pending_updates(trial.state, framework)
    assert update.uuid == second


@pytest.mark.parametrize("acknowledged", [False, True])
def test_repeated_update_is_taken_once(trial: Trial, acknowledged: bool) -> None:
    framework, _ = _running(trial, state=None)
    for uuid in (b"1" * 16, b"2" * 16):
        trial.report(framework, "t", TaskState.RUNNING, uuid=uuid)
        if acknowledged:
            trial.acknowledge(framework, "t", uuid)
    before = trial.state.tasks[framework, "t"]

    trial.report(framework, "t", TaskState.RUNNING, uuid=b"1" * 16)

    assert trial.state.tasks[framework, "t"] == before


def test_ended_task_releases_its_resources_and_waits_for_the_acknowledgement(
    trial: Trial,
) -> None:
    framework, agent = _running(trial)
    trial.now_ms = 2_000
    uuid = trial.report(framework, "t", TaskState.FAILED)

    assert not trial.state.agents[agent].used
    assert trial.state.tasks[framework, "t"].ended_ms == 2_000
    trial.now_ms = 3_000
    trial.acknowledge(framework, "t", uuid)

    assert not trial.state.tasks
    completed = trial.state.completed_tasks[framework, "t"]
    assert (completed.state, completed.ended_ms) == (TaskState.FAILED, 2_000)


@pytest.mark.parametrize(
    "late", [TaskState.RUNNING, TaskState.FINISHED, TaskState.KILLED]
)
def test_nothing_follows_the_end_of_a_task(trial: Trial, late: TaskState) -> None:
    framework, _ = _running(trial)
    trial.report(framework, "t", TaskState.FAILED)
    before = trial.state.tasks[framework, "t"]

    trial.report(framework, "t", late)

    assert trial.state.tasks[framework, "t"] == before


def test_update_is_ignored_when_nobody_knows_the_task(trial: Trial) -> None:
    framework, agent = _running(trial)
    other = trial.register("cpus:1", key="k2")
    before = encode_snapshot(trial.state)

    applied = trial.apply(
        c.UpdateTasks(
            agent_id=agent,
            updates=(
                _update(framework, TaskState.FAILED, b"u" * 16, task_id="unknown"),
                _update("c-F9-9", TaskState.FAILED, b"u" * 16),
                _update(framework, TaskState.FAILED, b"short"),
                _update(framework, TaskState.UNREACHABLE, b"u" * 16),
                _update(framework, TaskState.GONE_BY_OPERATOR, b"u" * 16),
                _update(framework, TaskState.STARTING, b"u" * 16),
                _update(framework, TaskState.RUNNING, None),
            ),
        ),
        c.UpdateTasks(
            agent_id=other, updates=(_update(framework, TaskState.FAILED, b"v" * 16),)
        ),
    )

    assert applied.outcomes == (Accepted(), Accepted())
    trial.state.index -= 1
    assert encode_snapshot(trial.state) == before


def test_updates_are_rejected_when_the_agent_is_unknown(trial: Trial) -> None:
    for command in (
        c.UpdateTasks(agent_id="c-S9-9", updates=()),
        c.LoseTasks(agent_id="c-S9-9", tasks=()),
    ):
        outcome = trial.one(command)
        assert isinstance(outcome, Rejected)
        assert outcome.refusal is Refusal.UNKNOWN_AGENT


def test_update_without_uuid_gets_one_when_it_is_news(trial: Trial) -> None:
    framework, agent = _running(trial, "PARTITION_AWARE")
    trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))
    trial.register("cpus:4")

    trial.accepted(
        c.UpdateTasks(
            agent_id=agent, updates=(_update(framework, TaskState.RUNNING, None),)
        )
    )

    task = trial.state.tasks[framework, "t"]
    assert task.state is TaskState.RUNNING
    assert task.pending[-1].uuid is not None


@pytest.mark.parametrize(
    ("capabilities", "reported", "told"),
    [
        ((), TaskState.GONE, TaskState.LOST),
        ((), TaskState.DROPPED, TaskState.LOST),
        (("PARTITION_AWARE",), TaskState.GONE, TaskState.GONE),
        (("PARTITION_AWARE",), TaskState.DROPPED, TaskState.DROPPED),
        ((), TaskState.KILLING, TaskState.RUNNING),
        (("TASK_KILLING_STATE",), TaskState.KILLING, TaskState.KILLING),
    ],
)
def test_update_tells_only_states_the_framework_understands(
    trial: Trial,
    capabilities: tuple[str, ...],
    reported: TaskState,
    told: TaskState,
) -> None:
    framework, _ = _running(trial, *capabilities)
    trial.report(framework, "t", reported)
    assert trial.state.tasks[framework, "t"].state is told


def test_update_leaves_data_out_when_it_is_too_large(trial: Trial) -> None:
    framework, _ = _running(trial)
    trial.report(framework, "t", TaskState.RUNNING, uuid=b"1" * 16, data=b"result")
    trial.report(
        framework,
        "t",
        TaskState.FINISHED,
        uuid=b"2" * 16,
        data=b"x" * (RESULT_BYTES_MAX + 1),
    )
    task = trial.state.tasks[framework, "t"]
    assert [s.data for s in task.pending] == [b"result", None]
    assert [s.data for s in task.statuses] == [None, None]


def test_pending_updates_are_bounded_and_keep_the_end(trial: Trial) -> None:
    framework, agent = _running(trial, state=None)
    updates = [
        _update(framework, TaskState.RUNNING, n.to_bytes(16, "big"))
        for n in range(PENDING_UPDATES_MAX + 5)
    ]
    updates.append(_update(framework, TaskState.FINISHED, b"e" * 16))
    trial.accepted(c.UpdateTasks(agent_id=agent, updates=tuple(updates)))
    pending = trial.state.tasks[framework, "t"].pending
    assert len(pending) == PENDING_UPDATES_MAX
    assert pending[0].uuid == bytes(16)
    assert pending[-1].state is TaskState.FINISHED


def test_kill_is_an_intent_until_the_task_has_ended(trial: Trial) -> None:
    framework, agent = _running(trial)

    trial.accepted(
        c.KillTask(framework_id=framework, task_id="t", agent_id=agent, grace_ms=500)
    )
    trial.begin_term(2, "n2")
    (task,) = queries.wanted_kills(trial.state, agent)
    assert task.kill_grace_ms == 500
    trial.report(framework, "t", TaskState.KILLED)
    assert queries.wanted_kills(trial.state, agent) == ()


def test_kill_of_a_task_that_is_not_confirmed_replaces_its_launch(
    trial: Trial,
) -> None:
    framework, agent = _running(trial, state=None)
    trial.accepted(c.KillTask(framework_id=framework, task_id="t"))
    assert queries.unconfirmed_tasks(trial.state, agent) == ()
    assert len(queries.wanted_kills(trial.state, agent)) == 1


@pytest.mark.parametrize(
    ("grace_ms", "kept"), [(-7, 0), (2**60, 24 * 3_600_000), (None, None)]
)
def test_kill_bounds_its_grace(
    trial: Trial, grace_ms: int | None, kept: int | None
) -> None:
    framework, _ = _running(trial)
    trial.accepted(c.KillTask(framework_id=framework, task_id="t", grace_ms=grace_ms))
    assert trial.state.tasks[framework, "t"].kill_grace_ms == kept


def test_kill_is_rejected_when_the_task_or_its_agent_is_another(trial: Trial) -> None:
    framework, _ = _running(trial)
    unknown = trial.one(c.KillTask(framework_id=framework, task_id="x"))
    wrong = trial.one(
        c.KillTask(framework_id=framework, task_id="t", agent_id="c-S9-9")
    )
    assert isinstance(unknown, Rejected) and isinstance(wrong, Rejected)
    assert unknown.refusal is Refusal.UNKNOWN_TASK
    assert wrong.refusal is Refusal.WRONG_AGENT
    assert not trial.state.tasks[framework, "t"].kill_wanted


def test_kill_does_nothing_when_the_task_has_ended(trial: Trial) -> None:
    framework, agent = _running(trial)
    uuid = trial.report(framework, "t", TaskState.FINISHED)
    kill = c.KillTask(framework_id=framework, task_id="t")

    trial.accepted(kill)
    assert queries.wanted_kills(trial.state, agent) == ()
    trial.acknowledge(framework, "t", uuid)
    assert isinstance(trial.one(kill), Rejected)


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [(("PARTITION_AWARE",), TaskState.GONE), ((), TaskState.LOST)],
)
def test_lose_tasks_ends_what_the_agent_no_longer_knows(
    trial: Trial, capabilities: tuple[str, ...], told: TaskState
) -> None:
    framework, agent = _running(trial, *capabilities)

    trial.accepted(
        c.LoseTasks(agent_id=agent, tasks=((framework, "t"), (framework, "unknown")))
    )

    task = trial.state.tasks[framework, "t"]
    assert (task.state, task.pending[-1].reason) == (told, Reason.AGENT_REREGISTERED)
    assert not trial.state.agents[agent].used


def test_lose_tasks_leaves_a_launch_that_is_on_its_way(trial: Trial) -> None:
    framework, agent = _running(trial, state=None)
    trial.accepted(c.LoseTasks(agent_id=agent, tasks=((framework, "t"),)))
    assert trial.state.tasks[framework, "t"].state is TaskState.STAGING


def test_acknowledge_ends_the_delivery_of_an_orphan_update(trial: Trial) -> None:
    framework, agent = _running(trial)
    trial.launch(framework, trial.offer(framework, agent, "cpus:1"), "t", "t")
    first, second = trial.state.frameworks[framework].orphan_updates
    assert first.uuid is not None

    trial.acknowledge(framework, "t", first.uuid)

    assert trial.state.frameworks[framework].orphan_updates == (second,)
    assert trial.state.tasks[framework, "t"].state is TaskState.RUNNING


def test_completed_tasks_are_a_ring_for_each_framework(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert COMPLETED_TASKS_MAX > 2
    monkeypatch.setattr("raftleader.state.tables.COMPLETED_TASKS_MAX", 2)
    agent = trial.register("cpus:9")
    first, second = trial.subscribe(), trial.subscribe()
    for framework, task_id in [(first, "a"), (second, "z"), (first, "b"), (first, "c")]:
        trial.launch(framework, trial.offer(framework, agent, "cpus:1"), task_id)
        uuid = trial.report(framework, task_id, TaskState.FINISHED)
        trial.acknowledge(framework, task_id, uuid)

    assert list(trial.state.completed_tasks) == [
        (second, "z"),
        (first, "b"),
        (first, "c"),
    ]
