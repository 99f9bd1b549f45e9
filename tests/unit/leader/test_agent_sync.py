"""Comparing what an agent holds with what the log says."""

from __future__ import annotations

import msgspec
import pytest

from raftleader.leader.agent_sync import (
    compare_executors,
    compare_tasks,
    digest_is_equal,
    is_in_log,
    registered_agent,
)
from raftleader.protocol.agent_rpc import (
    AgentHello,
    AgentUpdate,
    HeldExecutor,
    HeldTask,
    digest_of_executors,
    digest_of_tasks,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.tasks import (
    ExecutorInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state.cluster import Agent, ClusterState, Executor, Task

INFO = AgentInfo(hostname="h", ip="127.0.0.1", port=5051)
UUID = b"u" * 16


def hold(task_id: str, state: TaskState = TaskState.RUNNING) -> HeldTask:
    return HeldTask(framework_id="f", task_id=task_id, state=state)


@pytest.fixture
def state() -> ClusterState:
    state = ClusterState(cluster_id="c")
    state.agents["a"] = Agent(
        id="a", key="k", info=INFO, registered_ms=0, reregistered_ms=0
    )
    state.agent_ids_by_key["k"] = "a"
    for task_id, task_state in (
        ("live", TaskState.RUNNING),
        ("new", TaskState.STAGING),
        ("ended", TaskState.FINISHED),
    ):
        key = ("f", task_id)
        state.tasks[key] = Task(
            framework_id="f",
            info=TaskInfo(name=task_id, task_id=task_id, agent_id="a"),
            role="*",
            state=task_state,
            offer_ids=("o",),
            launched_ms=0,
            uuids=(UUID,),
        )
        state.tasks_by_agent.setdefault("a", {})[key] = None
    return state


def test_an_unchanged_agent_needs_no_command(state):
    hello = AgentHello(cluster_id="c", key="k", info=INFO, agent_id="a")
    found = registered_agent(state, hello)
    assert found is not None and found.id == "a"


@pytest.mark.parametrize(
    "hello",
    [
        AgentHello(cluster_id="c", key="other", info=INFO),
        AgentHello(cluster_id="c", key="k", info=INFO, agent_id="z"),
        AgentHello(cluster_id="c", key="k", info=msgspec.structs.replace(INFO, port=1)),
    ],
)
def test_an_unknown_or_changed_agent_needs_one(state, hello):
    assert registered_agent(state, hello) is None


def test_an_unreachable_agent_needs_one(state):
    row = state.agents["a"]
    state.agents["a"] = msgspec.structs.replace(row, unreachable_ms=5)
    assert (
        registered_agent(state, AgentHello(cluster_id="c", key="k", info=INFO)) is None
    )


def test_digests_are_equal_when_confirmed_live_tasks_are_the_same(state):
    assert digest_is_equal(state, "a", digest_of_tasks([("f", "live")]))
    assert not digest_is_equal(state, "a", digest_of_tasks([]))


def test_no_digest_is_enough_while_a_task_is_unreachable(state):
    task = state.tasks["f", "live"]
    state.tasks["f", "live"] = msgspec.structs.replace(
        task, state=TaskState.UNREACHABLE
    )
    assert not digest_is_equal(state, "a", digest_of_tasks([("f", "live")]))
    difference = compare_tasks(state, "a", [hold("live")])
    assert difference.returned == (hold("live"),)
    assert difference.lost == ()


def test_a_confirmed_task_that_is_not_held_is_lost_but_not_a_new_one(state):
    assert compare_tasks(state, "a", []).lost == (("f", "live"),)


def test_held_tasks_that_ended_or_are_unknown_or_elsewhere_are_foreign(state):
    held = [hold("live"), hold("new"), hold("ended"), hold("unknown")]
    assert compare_tasks(state, "a", held).foreign == (
        ("f", "ended"),
        ("f", "unknown"),
    )
    assert ("f", "live") in compare_tasks(state, "b", held).foreign


def test_a_foreign_task_that_has_ended_needs_no_kill(state):
    held = [hold("live"), hold("unknown", TaskState.FINISHED)]
    assert compare_tasks(state, "a", held).foreign == ()


def add_executor(state: ClusterState, executor_id: str, *, is_confirmed: bool) -> None:
    row = Executor(
        framework_id="f",
        agent_id="a",
        info=ExecutorInfo(executor_id=executor_id),
        role="*",
        launched_ms=0,
        is_confirmed=is_confirmed,
    )
    state.executors[row.key] = row
    state.executors_by_agent.setdefault("a", {})[row.key] = None


def test_digest_of_executors_is_over_those_the_agent_is_known_to_have(state):
    add_executor(state, "known", is_confirmed=True)
    add_executor(state, "new", is_confirmed=False)
    tasks = digest_of_tasks([("f", "live")])
    assert digest_is_equal(state, "a", tasks, digest_of_executors([("f", "known")]))
    assert not digest_is_equal(state, "a", tasks)
    both = digest_of_executors([("f", "known"), ("f", "new")])
    assert not digest_is_equal(state, "a", tasks, both)


def test_executors_are_lost_unless_their_first_launch_is_on_its_way(state):
    add_executor(state, "known", is_confirmed=True)
    add_executor(state, "on its way", is_confirmed=False)
    add_executor(state, "never began", is_confirmed=False)
    task = state.tasks["f", "new"]
    info = msgspec.structs.replace(
        task.info, executor=ExecutorInfo(executor_id="on its way")
    )
    state.tasks["f", "new"] = msgspec.structs.replace(task, info=info)
    difference = compare_executors(state, "a", [])
    assert difference.lost == (("f", "known"), ("f", "never began"))
    assert difference.foreign == ()


def test_an_executor_the_log_does_not_know_is_foreign(state):
    add_executor(state, "known", is_confirmed=True)
    held = [
        HeldExecutor(framework_id="f", executor_id="known"),
        HeldExecutor(framework_id="f", executor_id="unknown"),
    ]
    difference = compare_executors(state, "a", held)
    assert difference.lost == ()
    assert difference.foreign == (("f", "unknown"),)
    assert compare_executors(state, "b", held).foreign == (
        ("f", "known"),
        ("f", "unknown"),
    )


def test_an_update_is_known_by_its_uuid(state):
    def update(task_id: str, uuid: bytes) -> AgentUpdate:
        status = TaskStatus(
            task_id=task_id, state=TaskState.RUNNING, source=Source.AGENT, uuid=uuid
        )
        return AgentUpdate(framework_id="f", status=status)

    assert is_in_log(state, update("live", UUID))
    assert not is_in_log(state, update("live", b"v" * 16))
    assert not is_in_log(state, update("unknown", UUID))
