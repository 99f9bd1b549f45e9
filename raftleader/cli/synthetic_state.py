"""A cluster's state of any size, as if a log had led there; for measurements."""

from __future__ import annotations

from collections.abc import Callable

from raftleader.protocol.agents import AgentInfo, Attribute
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, NodeId, OfferId, TaskId
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import (
    CommandInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state.cluster import (
    Agent,
    ClusterState,
    Framework,
    OutstandingOffer,
    Task,
)
from raftleader.state.indexes import rebuild_indexes

FRAMEWORKS = 100
_ROLE = "web"
_PORTS = {"ports": [(31_000, 32_000)]}
_OFFERED = Resources.of(
    {"cpus": 1_000, "mem": 1_000_000}, {"ports": [(31_000, 31_005)]}
)
_TASK_CPU_MILLIS, _TASK_MEM_MILLIS = 100, 128_000
_PENDING_EVERY = 4


def synthetic_state(
    agents: int, tasks: int, show: Callable[[int], None] = lambda rows: None
) -> ClusterState:
    """Running tasks of ``FRAMEWORKS`` frameworks, spread over agents that have an
    outstanding offer each. ``show`` hears how many agents and tasks are made."""
    state = ClusterState(
        cluster_id="bench", index=1, term=1, leader=NodeId("n1"), clock_ms=1
    )
    for number in range(FRAMEWORKS):
        framework = _framework(number)
        state.frameworks[framework.id] = framework
    for number in range(agents):
        agent = _agent(number, len(range(number, tasks, agents)))
        state.agents[agent.id] = agent
        offer = _offer(number, agent.id)
        state.offers[offer.id] = offer
        if number % 1_000 == 0:
            show(number)
    agent_ids = list(state.agents)
    for number in range(tasks):
        task = _task(number, agent_ids[number % agents])
        state.tasks[task.key] = task
        if number % 1_000 == 0:
            show(agents + number)
    rebuild_indexes(state)
    show(agents + tasks)
    return state


def _framework(number: int) -> Framework:
    framework_id = _framework_id(number)
    info = FrameworkInfo(
        user="bench",
        name=f"framework {number}",
        id=framework_id,
        roles=(_ROLE,),
        capabilities=("PARTITION_AWARE",),
    )
    return Framework(
        id=framework_id,
        info=info,
        registered_ms=1,
        subscribed_ms=1,
        subscription=number,
    )


def _framework_id(number: int) -> FrameworkId:
    return FrameworkId(f"bench-F{number % FRAMEWORKS}-0")


def _agent(number: int, tasks: int) -> Agent:
    used = EMPTY
    if tasks:
        used = Resources.of(
            {"cpus": _TASK_CPU_MILLIS * tasks, "mem": _TASK_MEM_MILLIS * tasks}
        )
    total = Resources.of({"cpus": 16_000, "mem": 64_000_000}, _PORTS)
    return Agent(
        id=AgentId(f"bench-S{number}-0"),
        key=f"key-{number}",
        info=AgentInfo(
            hostname=f"host-{number}",
            ip="10.0.0.1",
            port=5051,
            resources=total + used,
            attributes=(Attribute(name="rack", text=f"r{number % 50}"),),
        ),
        registered_ms=1,
        reregistered_ms=1,
        used=used,
        offered=_OFFERED,
    )


def _offer(number: int, agent_id: AgentId) -> OutstandingOffer:
    return OutstandingOffer(
        id=OfferId(f"bench-O{number}-0-0"),
        framework_id=_framework_id(number),
        agent_id=agent_id,
        role=_ROLE,
        resources=_OFFERED,
        granted_ms=1,
        expires_ms=300_001,
    )


def _task(number: int, agent_id: AgentId) -> Task:
    task_id = TaskId(f"task-{number}")
    starting, running = (
        TaskStatus(
            task_id=task_id,
            state=state,
            source=Source.EXECUTOR,
            agent_id=agent_id,
            uuid=(2 * number + place).to_bytes(16, "big"),
            timestamp_ms=1,
            container_id=f"container-{number}",
        )
        for place, state in enumerate((TaskState.STARTING, TaskState.RUNNING))
    )
    return Task(
        framework_id=_framework_id(number),
        info=TaskInfo(
            name=f"task {number}",
            task_id=task_id,
            agent_id=agent_id,
            resources=Resources.of({"cpus": _TASK_CPU_MILLIS, "mem": _TASK_MEM_MILLIS}),
            command=CommandInfo(value="sleep 1000", environment=(("NUMBER", "1"),)),
        ),
        role=_ROLE,
        state=TaskState.RUNNING,
        offer_ids=(OfferId(f"bench-O{number}-1-0"),),
        launched_ms=1,
        statuses=(starting, running),
        pending=(running,) if number % _PENDING_EVERY == 0 else (),
        uuids=tuple(s.uuid for s in (starting, running) if s.uuid is not None),
    )
