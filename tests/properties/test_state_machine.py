"""The state machine under whatever a cluster may do, and under what it may not.

``support.cluster_machine`` with executors, groups, operations and volumes. Besides
what is judged there: whatever is made of an agent's resources, they remain what it
announced (promise P4), and no task runs without its executor.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, invariant, rule
from msgspec.structs import replace
from support.cluster_machine import ROLES, ClusterMachine

from raftleader.protocol.agent_rpc import AgentUpdate, ExecutorReport
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.offers import (
    Create,
    Destroy,
    GrowVolume,
    Launch,
    LaunchGroup,
    Reserve,
    ShrinkVolume,
    Unreserve,
    UnsupportedOperation,
)
from raftleader.protocol.resource_keys import ResourceKind, is_shared_key
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state import queries
from raftleader.state.conversions import Converted, plan_conversion
from raftleader.state.offered import joined
from raftleader.state.trial import reserved, volume

DISK, REFINED = reserved("disk", "a"), reserved("cpus", "a", "a/x")
CPUS, OTHERS = reserved("cpus", "a"), reserved("cpus", "b")
PORTS = reserved("ports", "a")
VOLUME, SHARED = volume("a", "v"), volume("a", "s", is_shared=True)
TWIN = volume("a", "v", is_shared=True)


def _of(**scalars: int) -> Resources:
    return Resources.of(scalars)


CONVERSIONS: list[Any] = [
    Reserve(resources=_of(**{CPUS: 1_000, DISK: 40_000})),
    Reserve(resources=_of(**{CPUS: 500})),
    Reserve(resources=_of(**{REFINED: 500})),
    Reserve(resources=_of(**{OTHERS: 1_000})),
    Reserve(resources=Resources.of(ranges={PORTS: [(2, 4)]})),
    Reserve(resources=_of(**{DISK: 5_000}), source=_of(disk=5_000)),
    Unreserve(resources=_of(**{CPUS: 500})),
    Unreserve(resources=_of(**{REFINED: 500})),
    Unreserve(resources=_of(**{DISK: 40_000})),
    Unreserve(resources=Resources.of(ranges={PORTS: [(3, 3)]})),
    Unreserve(resources=_of(**{VOLUME: 10_000})),
    Create(volumes=_of(**{VOLUME: 10_000})),
    Create(volumes=_of(**{SHARED: 10_000})),
    Create(volumes=_of(**{TWIN: 10_000})),
    Destroy(volumes=_of(**{VOLUME: 10_000})),
    *[Destroy(volumes=_of(**{SHARED: 10_000}))] * 2,
    GrowVolume(volume=_of(**{VOLUME: 10_000}), addition=_of(**{DISK: 5_000})),
    ShrinkVolume(volume=_of(**{VOLUME: 15_000}), subtract_millis=5_000),
    ShrinkVolume(volume=_of(**{VOLUME: 10_000}), subtract_millis=5_000),
]
USES = [
    _of(cpus=500),
    _of(**{CPUS: 500}),
    _of(**{CPUS: 500, VOLUME: 10_000}),
    _of(**{"cpus": 500, SHARED: 10_000}),
    _of(**{SHARED: 10_000}),
    _of(**{"mem": 1_000, SHARED: 10_000}),
    _of(**{REFINED: 500, SHARED: 10_000}),
    Resources.of({"cpus": 500}, {PORTS: [(2, 3)]}),
    parse_resources("cpus:1;ports:[3-5]"),
    _of(cpus=9_000),
]
NAMES = st.sampled_from([None, None, "o1", "o2", "o3"])
EXECUTORS = st.sampled_from(["e1", "e2"])
TASK_IDS = st.sampled_from(["x1", "x2", "x3", "x4", "x5"])
OWN = st.sampled_from(["", "cpus:0.1;mem:32;disk:1", "cpus:0.5"]).map(parse_resources)
OWN_OF_GROUP = st.sampled_from([*["cpus:0.1;mem:32;disk:1"] * 5, "cpus:0.1"]).map(
    parse_resources
)
CAPABILITIES = ("MULTI_ROLE", "PARTITION_AWARE", "SHARED_RESOURCES")


class WholeMachine(ClusterMachine):
    """A cluster whose frameworks use all that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[c.ReportExecutors] = []

    @initialize()
    def begin_with_something(self) -> None:
        """Volumes, one of them shared, and a framework beside the one that made
        them."""
        super().begin_with_something()
        state = self.trial.state
        (agent_id,), (framework_id,) = state.agents, state.frameworks
        free = state.agents[agent_id].free.for_role("a")
        offer_id = self.trial.offer(framework_id, agent_id, free, role="a")
        made = [
            Reserve(resources=_of(**{CPUS: 1_000, DISK: 40_000})),
            Create(volumes=_of(**{VOLUME: 10_000, SHARED: 10_000})),
        ]
        self.trial.accept(framework_id, offer_id, operations=made)
        self.trial.subscribe(roles=("a", "b"), capabilities=CAPABILITIES)
        self.begin_twin()

    def _offered(self, data: st.DataObject) -> tuple[str, str, tuple[str, ...]] | None:
        """Agent and framework of offers that are out, most of them made just now."""
        state = self.trial.state
        if not state.offers or data.draw(st.booleans()):
            pairs = [
                (agent, framework.id, role)
                for agent in state.agents.values()
                for framework in state.frameworks.values()
                for role in framework.info.roles
                if agent.free.for_role(role)
                and framework.connected
                and role not in framework.suppressed_roles
            ]
            if not pairs:
                return None
            agent, framework_id, role = data.draw(st.sampled_from(pairs))
            free = agent.free.for_role(role)
            made = free.only(lambda key: "|" in key)
            grants = [free, free, made or free]
            grant = c.Grant(
                framework_id=framework_id,
                agent_id=agent.id,
                role=role,
                resources=data.draw(st.sampled_from(grants)),
            )
            shared = free.only(is_shared_key)
            another = data.draw(st.sampled_from(sorted(state.frameworks)))
            more = c.Grant(
                framework_id=another, agent_id=agent.id, role="a", resources=shared
            )
            command = c.GrantOffers(grants=(grant, more), offer_timeout_ms=300_000)
            self._apply(command)
        first = state.offers[data.draw(st.sampled_from(sorted(state.offers)))]
        both = [
            offer.id
            for offer in state.offers.values()
            if (offer.framework_id, offer.agent_id, offer.role)
            == (first.framework_id, first.agent_id, first.role)
        ]
        offer_ids = data.draw(st.sampled_from([(first.id,), tuple(sorted(both))]))
        return first.agent_id, first.framework_id, offer_ids

    def _tasks(
        self, data: st.DataObject, agent_id: str, left: Resources, **fields: Any
    ) -> tuple[TaskInfo, ...]:
        uses = [use for use in USES if left.contains(use)]
        return tuple(
            TaskInfo(
                name="n",
                task_id=data.draw(TASK_IDS),
                agent_id=agent_id,
                resources=data.draw(st.sampled_from([*uses * 4, *USES])),
                **fields,
            )
            for _ in range(data.draw(st.integers(1, 2)))
        )

    def _launch_of(
        self, data: st.DataObject, framework_id: str, agent_id: str, left: Resources
    ) -> Launch | LaunchGroup:
        kind = data.draw(st.sampled_from(["command", "custom", "group"]))
        true = CommandInfo(value="true")
        if kind == "command":
            return Launch(tasks=self._tasks(data, agent_id, left, command=true))
        executor_id = data.draw(EXECUTORS)
        key = (framework_id, agent_id, executor_id)
        known = self.trial.state.executors.get(key)
        executor = ExecutorInfo(
            executor_id=executor_id,
            framework_id=framework_id,
            resources=data.draw(OWN if kind == "custom" else OWN_OF_GROUP),
            command=true if kind == "custom" else None,
            type=None if kind == "custom" else ExecutorType.DEFAULT,
        )
        if known is not None and data.draw(st.integers(0, 3)):
            executor = known.info
        if executor.type is None:
            return Launch(tasks=self._tasks(data, agent_id, left, executor=executor))
        tasks = self._tasks(data, agent_id, left, executor=executor, command=true)
        return LaunchGroup(executor=executor, tasks=tasks)

    def _operations(
        self, data: st.DataObject, framework_id: str, offer_ids: tuple[str, ...]
    ) -> list[Any]:
        """Some operations, most of which can be performed one after the other."""
        state = self.trial.state
        offers = [state.offers[offer_id] for offer_id in offer_ids]
        agent = state.agents[offers[0].agent_id]
        left, total = joined(offer.resources for offer in offers), agent.total
        if data.draw(st.booleans()):
            return [self._launch_of(data, framework_id, agent.id, left)]
        operations: list[Any] = []
        for _ in range(data.draw(st.integers(1, 5))):
            if data.draw(st.integers(0, 3)) == 0:
                launch = self._launch_of(data, framework_id, agent.id, left)
                operations.append(launch)
                continue
            plans = [
                (operation, plan)
                for operation in CONVERSIONS
                if isinstance(
                    plan := plan_conversion(
                        total, left, operation, role=offers[0].role
                    ),
                    Converted,
                )
            ]
            if plans and data.draw(st.integers(0, 5)):
                operation, plan = data.draw(st.sampled_from(plans))
                left, total = plan.applied_to(left), plan.total
            else:
                kinds = [*CONVERSIONS, UnsupportedOperation(type="CREATE_DISK")]
                operation = data.draw(st.sampled_from(kinds))
            operations.append(replace(operation, id=data.draw(NAMES)))
        return operations

    @rule(data=st.data(), times=st.integers(1, 4))
    def operate(self, data: st.DataObject, times: int) -> None:
        """ACCEPTs with any operations; most of what they need was offered."""
        for _ in range(times):
            found = self._offered(data)
            if found is None:
                return
            _, framework_id, offer_ids = found
            command = c.AcceptOffers(
                framework_id=framework_id,
                offer_ids=offer_ids,
                operations=tuple(self._operations(data, framework_id, offer_ids)),
                refuse_ms=data.draw(st.sampled_from([0, 90_000])),
            )
            self._apply(command)
            self.accepts.append(command)

    @rule(data=st.data())
    def destroy_what_others_see(self, data: st.DataObject) -> None:
        """A shared volume goes from under offers, but not from under tasks."""
        self._offered(data)
        offers = self.trial.state.offers.values()
        seen = [offer for offer in offers if SHARED in offer.resources.scalars]
        if seen:
            offer = data.draw(st.sampled_from(seen))
            command = c.AcceptOffers(
                framework_id=offer.framework_id,
                offer_ids=(offer.id,),
                operations=(Destroy(volumes=_of(**{SHARED: 10_000})),),
            )
            self._apply(command)
            self.accepts.append(command)

    @rule(data=st.data())
    def acknowledge_operation(self, data: st.DataObject) -> None:
        rows = list(self.trial.state.operations.items())
        if rows:
            (framework_id, name), row = data.draw(st.sampled_from(rows))
            uuid = data.draw(st.sampled_from([row.status.uuid, b"x" * 16]))
            assert uuid is not None
            self._apply(
                c.AcknowledgeOperation(
                    framework_id=framework_id, operation_id=name, uuid=uuid
                )
            )

    @rule(data=st.data(), is_lost=st.booleans())
    def end_executor(self, data: st.DataObject, is_lost: bool) -> None:
        keys = [*self.trial.state.executors]
        if not keys:
            return
        framework_id, agent_id, executor_id = data.draw(st.sampled_from(keys))
        if is_lost:
            self._apply(
                c.LoseExecutors(
                    agent_id=agent_id, executors=((framework_id, executor_id),)
                )
            )
            return
        report = ExecutorReport(
            framework_id=framework_id,
            executor_id=executor_id,
            uuid=self._uuid(),
            status=0,
        )
        command = c.ReportExecutors(agent_id=agent_id, reports=(report,))
        self._apply(command)
        self.reports.append(command)

    @rule(data=st.data())
    def repeat_a_report(self, data: st.DataObject) -> None:
        """Of one that perhaps has a successor of the same name."""
        if self.reports:
            before = self.content()
            self._apply(data.draw(st.sampled_from(self.reports)))
            assert self.content() == before

    @rule(data=st.data())
    def shut_executor_down(self, data: st.DataObject) -> None:
        keys = [*self.trial.state.executors, ("c-X1-0", "c-X1-0", "e1")]
        framework_id, agent_id, executor_id = data.draw(st.sampled_from(keys))
        self._apply(
            c.ShutdownExecutor(
                framework_id=framework_id, agent_id=agent_id, executor_id=executor_id
            )
        )

    @rule(data=st.data())
    def let_tasks_of_executors_run(self, data: st.DataObject) -> None:
        """Its agent does what it was ordered to: nothing stays for ever."""
        state = self.trial.state
        for agent_id in sorted(state.agents):
            updates = [
                AgentUpdate(
                    framework_id=task.framework_id,
                    status=TaskStatus(
                        task_id=task.info.task_id,
                        state=told,
                        source=Source.EXECUTOR,
                        uuid=self._uuid(),
                    ),
                )
                for tasks, told in (
                    (queries.unconfirmed_tasks(state, agent_id), TaskState.RUNNING),
                    (queries.wanted_kills(state, agent_id), TaskState.KILLED),
                )
                for task in tasks
                if task.info.executor is not None
            ]
            self._apply(c.UpdateTasks(agent_id=agent_id, updates=tuple(updates)))
            reports = tuple(
                ExecutorReport(
                    framework_id=executor.framework_id,
                    executor_id=executor.info.executor_id,
                    uuid=self._uuid(),
                    status=9,
                )
                for executor in queries.shutdown_wanted(state, agent_id)
            )
            self._apply(c.ReportExecutors(agent_id=agent_id, reports=reports))
            assert not queries.shutdown_wanted(state, agent_id)

    @rule(
        data=st.data(),
        roles=ROLES,
        capabilities=st.sampled_from([CAPABILITIES, CAPABILITIES[:2]]),
    )
    def update_framework(
        self, data: st.DataObject, roles: Any, capabilities: Any
    ) -> None:
        user = data.draw(st.sampled_from([*["user"] * 7, "else"]))
        info = FrameworkInfo(
            user=user, name="n", roles=roles, capabilities=capabilities
        )
        self._apply(
            c.UpdateFramework(
                framework_id=self._pick(data, self.trial.state.frameworks),
                info=info,
                suppressed_roles=data.draw(st.sampled_from([(), (), ("a",)])),
                offer_constraints=data.draw(st.sampled_from([{}, {"b": ()}])),
            )
        )

    @rule(data=st.data(), operation=st.sampled_from(CONVERSIONS))
    def operate_as_operator(self, data: st.DataObject, operation: Any) -> None:
        agent_id = self._pick(data, self.trial.state.agents)
        self._apply(o.OperateOnAgent(agent_id=agent_id, operation=operation))

    @invariant()
    def resources_stay_what_they_were(self) -> None:
        for agent in self.trial.state.agents.values():
            if not agent.shrunk:
                base = agent.total.converted(ResourceKind.base)
                assert base == agent.info.resources
                held = agent.used + agent.offered + agent.free.exclusive()
                is_all = agent.unreachable_ms is None
                assert held == agent.total.exclusive() or not is_all

    @invariant()
    def agents_keep_every_volume(self) -> None:
        for agent_id, agent in self.trial.state.agents.items():
            kept = queries.volumes_of(self.trial.state, agent_id)
            assert len(kept) == sum("volume" in key for key in agent.dynamic.scalars)


WholeMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestClusterMachine = WholeMachine.TestCase
