"""A state machine by hand: for tests, simulations and trying things out.

    trial = Trial()
    agent = trial.register("cpus:4;mem:1024")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:1")
    trial.launch(framework, offer, "t1")

Every entry goes through its bytes and the fence, as in the log, and the invariants
are checked after each.
"""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
from msgspec.structs import replace

from raftleader.protocol.agent_rpc import AgentUpdate, ExecutorReport
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, NodeId, OfferId, TaskId
from raftleader.protocol.offers import Launch, LaunchGroup
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
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
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.invariants import violations
from raftleader.state.outcomes import (
    Accepted,
    Applied,
    Outcome,
    Registration,
    Subscription,
)

OFFER_TIMEOUT_MS = 300_000


def reserved(name: str, *roles: str, principal: str | None = None) -> str:
    """The key of what is reserved dynamically, outermost role first."""
    stack = tuple(Reservation("DYNAMIC", role, principal) for role in roles)
    return key_of_kind(ResourceKind(name=name, reservations=stack))


def volume(role: str, name: str, *, is_shared: bool = False) -> str:
    """The key of a persistent volume on disk that is reserved dynamically."""
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", role),),
        volume=VolumeInfo(name, "data"),
        is_shared=is_shared,
    )
    return key_of_kind(kind)


@attrs.define(kw_only=True)
class Trial:
    """One replica and the leader that feeds it. The first entry is a BeginTerm.

    Attributes:
        now_ms: The leader's cluster time; every entry is stamped with it.
        entries: All entries so far, as the log holds them: (index, term, data).
    """

    state: ClusterState = attrs.field(factory=lambda: ClusterState(cluster_id="c"))
    term: int = 1
    node: NodeId = attrs.field(default=NodeId("n1"))
    now_ms: int = 1_000
    entries: list[tuple[int, int, bytes]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.apply(c.BeginTerm(http_address=f"{self.node}:5050"))

    def apply(self, *commands: c.Command) -> Applied:
        """Apply one entry with these commands."""
        entry = c.Entry(
            term=self.term, node=self.node, now_ms=self.now_ms, commands=commands
        )
        return self.apply_bytes(c.encode_entry(entry))

    def apply_bytes(self, data: bytes) -> Applied:
        """Apply one entry as the log has it. AssertionError if an invariant breaks."""
        index = self.state.index + 1
        self.entries.append((index, self.term, data))
        applied = apply_entry(self.state, index, self.term, data)
        broken = violations(self.state)
        assert not broken, "\n".join(broken)
        return applied

    def one(self, command: c.Command) -> Outcome:
        """Apply one command; its outcome."""
        return self.apply(command).outcomes[0]

    def accepted(self, command: c.Command) -> Accepted:
        """Apply one command that must be accepted."""
        outcome = self.one(command)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def begin_term(self, term: int, node: str) -> None:
        """Another leader takes over."""
        self.term, self.node = term, NodeId(node)
        self.accepted(c.BeginTerm(http_address=f"{node}:5050"))

    def pass_time(self, ms: int) -> Applied:
        """Let time pass and do what is due."""
        self.now_ms += ms
        return self.apply(c.PassTime())

    def register(self, resources: str, *, key: str = "k1", **info: Any) -> AgentId:
        """Register an agent; its id."""
        agent = AgentInfo(
            **{"hostname": f"host-{key}", "ip": "127.0.0.1", "port": 5051, **info},
            resources=parse_resources(resources),
        )
        value = self.accepted(c.RegisterAgent(key=key, info=agent)).value
        assert isinstance(value, Registration)
        return value.agent_id

    def subscribe(
        self,
        *,
        framework_id: FrameworkId | None = None,
        suppressed_roles: tuple[str, ...] = (),
        **info: Any,
    ) -> FrameworkId:
        """Subscribe a framework; its id."""
        command = c.SubscribeFramework(
            info=FrameworkInfo(**{"user": "user", "name": "name", **info}),
            framework_id=framework_id,
            suppressed_roles=suppressed_roles,
        )
        value = self.accepted(command).value
        assert isinstance(value, Subscription)
        return value.framework_id

    def offer(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        resources: str | Resources,
        *,
        role: str = "*",
    ) -> OfferId:
        """Offer these resources; the offer's id. They must fit."""
        if isinstance(resources, str):
            resources = parse_resources(resources)
        grant = c.Grant(
            framework_id=framework_id,
            role=role,
            agent_id=agent_id,
            resources=resources,
        )
        before = set(self.state.offers)
        self.accepted(c.GrantOffers(grants=(grant,), offer_timeout_ms=OFFER_TIMEOUT_MS))
        (made,) = set(self.state.offers) - before
        return made

    def task(
        self,
        task_id: str,
        agent_id: AgentId,
        resources: str | Resources = "cpus:1",
        **fields: Any,
    ) -> TaskInfo:
        """A task as a framework would describe it."""
        if isinstance(resources, str):
            resources = parse_resources(resources)
        return TaskInfo(
            **{"command": CommandInfo(value="true"), **fields},
            name=task_id,
            task_id=TaskId(task_id),
            agent_id=agent_id,
            resources=resources,
        )

    def executor(
        self,
        framework_id: FrameworkId,
        executor_id: str,
        resources: str = "cpus:1;mem:32;disk:10",
        **fields: Any,
    ) -> ExecutorInfo:
        """A custom executor as a framework would describe it; a default one if
        ``type`` says so."""
        info = ExecutorInfo(
            **{"framework_id": framework_id, **fields},
            executor_id=executor_id,
            resources=parse_resources(resources),
        )
        if info.type is not ExecutorType.DEFAULT and info.command is None:
            info = replace(info, command=CommandInfo(value="./executor"))
        return info

    def accept(
        self, framework_id: FrameworkId, *offer_ids: OfferId, operations: Any
    ) -> c.AcceptOffers:
        """Perform operations on offers; the command, so that it can be repeated."""
        command = c.AcceptOffers(
            framework_id=framework_id,
            offer_ids=offer_ids,
            operations=tuple(operations),
        )
        self.accepted(command)
        return command

    def launch_in(
        self,
        framework_id: FrameworkId,
        offer_id: OfferId,
        executor: ExecutorInfo,
        *task_ids: str,
        resources: str = "cpus:1",
    ) -> c.AcceptOffers:
        """Launch tasks in a custom executor, or a group in a default one."""
        agent_id = self.state.offers[offer_id].agent_id
        is_group = executor.type is ExecutorType.DEFAULT
        command = CommandInfo(value="true") if is_group else None
        tasks = tuple(
            self.task(t, agent_id, resources, executor=executor, command=command)
            for t in task_ids
        )
        operation = (
            LaunchGroup(executor=executor, tasks=tasks)
            if is_group
            else Launch(tasks=tasks)
        )
        return self.accept(framework_id, offer_id, operations=[operation])

    def report_executor(
        self, framework_id: FrameworkId, agent_id: AgentId, executor_id: str
    ) -> c.ReportExecutors:
        """The agent reports the end of an executor; the command, to be repeated."""
        key = f"{framework_id}/{agent_id}/{executor_id}/{self.state.index}"
        report = ExecutorReport(
            framework_id=framework_id,
            executor_id=executor_id,
            uuid=hashlib.blake2b(key.encode(), digest_size=16).digest(),
            status=0,
        )
        command = c.ReportExecutors(agent_id=agent_id, reports=(report,))
        self.accepted(command)
        return command

    def launch(
        self,
        framework_id: FrameworkId,
        offer_id: OfferId,
        *task_ids: str,
        resources: str = "cpus:1",
    ) -> c.AcceptOffers:
        """Launch tasks from an offer; the command, so that it can be repeated."""
        agent_id = self.state.offers[offer_id].agent_id
        tasks = tuple(self.task(t, agent_id, resources) for t in task_ids)
        command = c.AcceptOffers(
            framework_id=framework_id,
            offer_ids=(offer_id,),
            operations=(Launch(tasks=tasks),),
        )
        self.accepted(command)
        return command

    def report(
        self,
        framework_id: FrameworkId,
        task_id: str,
        state: TaskState,
        **fields: Any,
    ) -> bytes:
        """The task's agent reports a state; the update's uuid.

        The uuid follows from task and state: reporting twice repeats the update,
        unless ``uuid`` is given.
        """
        uuid = hashlib.blake2b(f"{task_id}/{state}".encode(), digest_size=16).digest()
        status = TaskStatus(
            **{"uuid": uuid, "source": Source.EXECUTOR, **fields},
            task_id=TaskId(task_id),
            state=state,
        )
        task = self.state.tasks[framework_id, TaskId(task_id)]
        self.accepted(
            c.UpdateTasks(
                agent_id=task.info.agent_id,
                updates=(AgentUpdate(framework_id=framework_id, status=status),),
            )
        )
        assert isinstance(status.uuid, bytes)
        return status.uuid

    def acknowledge(self, framework_id: FrameworkId, task_id: str, uuid: bytes) -> None:
        """The framework acknowledges an update."""
        self.accepted(
            c.AcknowledgeUpdate(
                framework_id=framework_id, task_id=TaskId(task_id), uuid=uuid
            )
        )
