"""Orders to agents, made from the rows at the moment they leave."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from raftleader.leader.agent_frames import (
    ORDER_BYTES_MAX,
    ORDERS_PER_FRAME_MAX,
    kill_orders,
    run_messages,
    shutdown_orders,
    volumes_message,
)
from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    TaskInfo,
    TaskState,
)
from raftleader.state.cluster import Agent, ClusterState, Executor, Framework, Task

AGENT = Agent(
    id="a",
    key="k",
    info=AgentInfo(hostname="h", ip="127.0.0.1", port=5051),
    registered_ms=0,
    reregistered_ms=0,
)
PROGRAM = ExecutorInfo(executor_id="e", command=CommandInfo(value="run"), data=b"x")
DEFAULT = ExecutorInfo(executor_id="d", type=ExecutorType.DEFAULT)


@pytest.fixture
def state() -> ClusterState:
    state = ClusterState(cluster_id="c")
    state.agents["a"] = AGENT
    state.frameworks["f"] = Framework(
        id="f",
        info=FrameworkInfo(user="me", name="web", roles=("dev",)),
        registered_ms=0,
        subscribed_ms=0,
        subscription=1,
    )
    return state


def add(
    state: ClusterState, task_id: str, *, group: tuple[str, ...] = (), **info: Any
) -> tuple[str, str]:
    """A task that was launched and not heard of."""
    row = Task(
        framework_id="f",
        info=TaskInfo(name=task_id, task_id=task_id, agent_id="a", **info),
        role="dev",
        state=TaskState.STAGING,
        offer_ids=("o",),
        launched_ms=5,
        group=group,
    )
    state.tasks[row.key] = row
    state.tasks_by_agent.setdefault("a", {})[row.key] = None
    return row.key


def change(cluster: ClusterState, key: tuple[str, str], **fields: Any) -> None:
    cluster.tasks[key] = msgspec.structs.replace(cluster.tasks[key], **fields)


def test_command_task_comes_without_its_framework(state: ClusterState) -> None:
    key = add(state, "t", command=CommandInfo(value="true"))
    (message,) = run_messages(state, [key], term=3)
    (order,) = message.orders
    assert message.term == 3
    assert (order.framework_id, order.framework_name, order.role) == ("f", "web", "dev")
    assert order.framework is None
    assert order.group == ()


def test_task_for_an_executor_names_its_framework_with_the_id(
    state: ClusterState,
) -> None:
    key = add(state, "t", executor=PROGRAM)
    ((order,),) = (m.orders for m in run_messages(state, [key], term=3))
    assert order.framework == msgspec.structs.replace(
        state.frameworks["f"].info, id="f"
    )
    assert order.group == ()


def test_tasks_of_a_group_name_each_other_and_come_in_one_message(
    state: ClusterState,
) -> None:
    count = ORDERS_PER_FRAME_MAX - 2
    command = CommandInfo(value="true")
    single = [add(state, f"s{n}", command=command) for n in range(count)]
    names = ("g0", "g1", "g2", "g3", "g4")
    group = [
        add(state, name, group=names, command=command, executor=DEFAULT)
        for name in names
    ]
    first, *others = run_messages(state, [*single, *group], term=1)
    assert not others
    assert len(first.orders) == count + 5
    assert first.orders[-1].group == names


def test_orders_are_cut_into_messages_by_number_and_by_bytes(
    state: ClusterState,
) -> None:
    many = [add(state, f"t{n}") for n in range(ORDERS_PER_FRAME_MAX + 1)]
    assert [len(m.orders) for m in run_messages(state, many, term=1)] == [
        ORDERS_PER_FRAME_MAX,
        1,
    ]
    half = b"x" * (ORDER_BYTES_MAX // 2 + 1)
    large = [add(state, f"l{n}", data=half) for n in range(2)]
    assert [len(m.orders) for m in run_messages(state, large, term=1)] == [1, 1]


def test_what_is_true_no_more_is_not_ordered(state: ClusterState) -> None:
    keys = [add(state, name) for name in ("runs", "killed", "ended")]
    change(state, keys[0], state=TaskState.RUNNING)
    change(state, keys[1], kill_wanted=True, kill_grace_ms=7)
    change(state, keys[2], state=TaskState.FINISHED, kill_wanted=True)
    assert run_messages(state, [*keys, ("f", "gone")], term=1) == []
    (order,) = kill_orders(state, [*keys, ("f", "gone")])
    assert (order.task_id, order.grace_ms) == ("killed", 7)


def test_only_executors_that_are_to_be_ended_are(state: ClusterState) -> None:
    for name, is_wanted in (("stays", False), ("ends", True)):
        row = Executor(
            framework_id="f",
            agent_id="a",
            info=ExecutorInfo(executor_id=name),
            role="dev",
            launched_ms=0,
            is_shutdown_wanted=is_wanted,
        )
        state.executors[row.key] = row
        state.executors_by_agent.setdefault("a", {})[row.key] = None
    (order,) = shutdown_orders(state, [*state.executors, ("f", "a", "gone")])
    assert (order.framework_id, order.executor_id) == ("f", "ends")


def test_volumes_are_named_by_role_and_id_in_order(state: ClusterState) -> None:
    reserved = (Reservation("DYNAMIC", "dev", "me"),)
    plain = ResourceKind(name="disk", reservations=reserved)
    amounts = {key_of_kind(plain): 5000}
    for name in ("v2", "v1"):
        volume = VolumeInfo(id=name, container_path="data")
        kind = ResourceKind(name="disk", reservations=reserved, volume=volume)
        amounts[key_of_kind(kind)] = 1000
    dynamic = Resources.of(amounts)
    state.agents["a"] = msgspec.structs.replace(AGENT, dynamic=dynamic)
    message = volumes_message(state, "a", term=4)
    assert message.term == 4
    assert message.volumes == (
        VolumeName(role="dev", id="v1"),
        VolumeName(role="dev", id="v2"),
    )
