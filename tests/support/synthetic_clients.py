"""Made-up frameworks, and the agents that run what they launch, on a made-up cluster.

Each framework is one process that does one thing at a time; what it does overlaps with
what others do."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import attrs
import msgspec
from support.synthetic_client import Client
from support.synthetic_cluster import MS, SyntheticCluster

from chaos.history.records import Op, OpType, Record
from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, OfferId, TaskKey
from raftleader.protocol.offers import Launch
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state import commands as c
from raftleader.state.operator_commands import SetQuotas
from raftleader.state.outcomes import Subscription

TASK_RESOURCES = parse_resources("cpus:0.5;mem:64")
OFFERED = parse_resources("cpus:1;mem:128")
REGISTERS = 4


@attrs.define(eq=False)
class Clients:
    """All of them, with their agents."""

    cluster: SyntheticCluster
    rng: random.Random
    records: list[Record]
    frameworks: list[Client]
    agents: dict[str, AgentId] = attrs.field(factory=dict)
    registers: dict[str, int] = attrs.field(factory=dict)
    _plans: dict[TaskKey, list[tuple[int, TaskState]]] = attrs.field(factory=dict)
    _turn: int = 0

    def disconnected(self) -> None:
        """The leader is gone: every stream ends."""
        now_ns = self.cluster.now_ns
        for client in self.frameworks:
            if client.is_connected:
                client.is_connected = False
                client.hears("disconnected", now_ns)

    def subscribe(self, client: Client) -> None:
        """(Again) under its id, if it has one."""
        info = FrameworkInfo(
            user="synthetic",
            name=client.name,
            id=client.framework_id,
            roles=(client.kind,),
            failover_timeout_ms=600_000,
        )
        is_first = client.framework_id is None

        def perform() -> dict[str, Any]:
            command = c.SubscribeFramework(info=info, framework_id=client.framework_id)
            outcome = self.cluster.propose(command).outcomes[0]
            value = getattr(outcome, "value", None)
            assert isinstance(value, Subscription)
            client.framework_id = value.framework_id
            return {"framework_id": value.framework_id}

        self.cluster.now_ns += self.rng.randrange(200_000, 2 * MS)
        answer = perform()
        what = "subscribed" if is_first else "resubscribed"
        at_ns = self.cluster.now_ns + self.rng.randrange(200_000, 2 * MS)
        leader = self.cluster.leader.name if self.cluster.leader else None
        if client.is_silent:
            what, leader = "subscribed", None
        if is_first or not client.is_silent:
            client.hears(what, at_ns, **answer, leader=leader)
        client.is_connected = True
        client.told.clear()

    def step(self) -> None:
        """A short time: everybody does a little, if somebody leads."""
        if not self.cluster.can_commit:
            return
        for client in self.frameworks:
            if not client.is_connected and client.kind != "registry":
                self.subscribe(client)
        self._run_tasks()
        self._grant()
        for client in self.frameworks:
            if client.kind == "registry":
                self._use_register(client)
            elif client.is_connected:
                self._deliver(client)
                self._act(client)

    def is_done(self) -> bool:
        """Nothing that was begun has still to end."""
        return not self.cluster.state.tasks

    # --- Agents ----------------------------------------------------------------------

    def _run_tasks(self) -> None:
        state, now_ns = self.cluster.state, self.cluster.now_ns
        due: dict[AgentId, list[AgentUpdate]] = {}
        for key, task in state.tasks.items():
            plan = self._plans.get(key)
            if plan is None:
                runs_ns = self.rng.randrange(100, 1500) * MS
                begins_ns = now_ns + self.rng.randrange(20, 60) * MS
                plan = self._plans[key] = [
                    (begins_ns, TaskState.RUNNING),
                    (begins_ns + runs_ns, TaskState.FINISHED),
                ]
            while plan and plan[0][0] <= now_ns:
                _, told = plan.pop(0)
                status = TaskStatus(
                    task_id=key[1],
                    state=told,
                    source=Source.EXECUTOR,
                    uuid=self.rng.randbytes(16),
                    data=task.info.data[::-1]
                    if task.info.data and told.is_terminal
                    else None,
                    container_id=f"container-{key[1]}",
                )
                due.setdefault(task.info.agent_id, []).append(
                    AgentUpdate(framework_id=key[0], status=status)
                )
        for agent_id, updates in due.items():
            self.cluster.now_ns += self.rng.randrange(100_000, MS)
            self.cluster.propose(
                c.UpdateTasks(agent_id=agent_id, updates=tuple(updates))
            )

    # --- The leader ------------------------------------------------------------------

    def _grant(self) -> None:
        state, grants = self.cluster.state, []
        takers = [one for one in self.frameworks if one.is_connected]
        for agent_id in self.agents.values():
            if not takers or not state.agents[agent_id].free.contains(OFFERED):
                continue
            self._turn += 1
            client = takers[self._turn % len(takers)]
            assert client.framework_id is not None
            grants.append(
                c.Grant(
                    framework_id=client.framework_id,
                    role=client.kind,
                    agent_id=agent_id,
                    resources=OFFERED,
                )
            )
        if grants:
            self.cluster.now_ns += self.rng.randrange(100_000, MS)
            self.cluster.propose(
                c.GrantOffers(grants=tuple(grants), offer_timeout_ms=300_000)
            )

    def _deliver(self, client: Client) -> None:
        state, now_ns = self.cluster.state, self.cluster.now_ns
        assert client.framework_id is not None
        for offer_id in state.offers_by_framework.get(client.framework_id, ()):
            if offer_id not in client.told:
                client.told.add(offer_id)
                offer = state.offers[offer_id]
                client.hears(
                    "offer",
                    now_ns,
                    id=offer_id,
                    agent_id=offer.agent_id,
                    role=offer.role,
                    resources=msgspec.to_builtins(offer.resources),
                )
        for key in list(state.tasks_by_framework.get(client.framework_id, ())):
            task = state.tasks.get(key)
            if task is None or not task.pending or not self._is_free(client):
                continue
            status = task.pending[0]
            assert status.uuid is not None
            client.hears(
                "update",
                max(now_ns, client.busy_until_ns),
                task_id=key[1],
                state=status.state.value,
                uuid=status.uuid.hex(),
                terminal=status.state.is_terminal,
                agent_id=status.agent_id,
                source=status.source.value,
                reason=status.reason.value if status.reason else None,
                message="",
            )
            if client.is_silent and status.state.is_terminal:
                self._resolve(client, key, status.data)
            self._acknowledge(client, key, status.uuid)

    def _resolve(self, client: Client, key: TaskKey, result: bytes | None) -> None:
        """The future of a task ends."""
        began_ns, slot = client.futures.pop(key[1])
        given = client.launched[key[1]]
        assert result == given[::-1]
        number = next(client.ids)
        for kind, at_ns, value in (
            (OpType.INVOKE, began_ns, {"call": "reverse", "number": number}),
            (OpType.OK, self.cluster.now_ns, result.hex()),
        ):
            client.records.append(
                Op(
                    process=f"{client.name}/{slot}",
                    id=number,
                    type=kind,
                    f="submit",
                    key=key[1],
                    at_ns=at_ns,
                    value=value,
                )
            )

    # --- Frameworks ------------------------------------------------------------------

    def _is_free(self, client: Client) -> bool:
        return client.busy_until_ns < self.cluster.now_ns

    def _acknowledge(self, client: Client, key: TaskKey, uuid: bytes) -> None:
        command = c.AcknowledgeUpdate(framework_id=key[0], task_id=key[1], uuid=uuid)
        client.call(
            self.cluster,
            "acknowledge",
            {"task_id": key[1], "uuid": uuid.hex()},
            lambda: self.cluster.propose(command) and None,
            key=key[1],
        )

    def _act(self, client: Client) -> None:
        assert client.framework_id is not None
        self._kill_or_ask(client)
        offers = self.cluster.state.offers_by_framework.get(client.framework_id, {})
        for offer_id in list(offers):
            if not self._is_free(client):
                return
            is_patient = client.kind == "hoarder" and self.rng.random() < 0.9
            if is_patient and not client.begins_nothing:
                continue
            if client.begins_nothing or self.rng.random() < 0.1:
                self.decline(client, offer_id)
            else:
                self.accept(client, offer_id)

    def _kill_or_ask(self, client: Client) -> None:
        state, framework_id = self.cluster.state, client.framework_id
        assert framework_id is not None
        live = [
            key
            for key in state.tasks_by_framework.get(framework_id, ())
            if not state.tasks[key].state.is_terminal
        ]
        chance = self.rng.random()
        if not live or client.begins_nothing or not self._is_free(client):
            return
        if client.kind == "churn" and chance < 0.02:
            key = self.rng.choice(live)
            command = c.KillTask(framework_id=framework_id, task_id=key[1])
            self._plans[key] = [(self.cluster.now_ns + 30 * MS, TaskState.KILLED)]
            client.call(
                self.cluster,
                "kill",
                {"task_id": key[1], "agent_id": None},
                lambda: self.cluster.propose(command) and None,
                key=key[1],
            )
        elif client.kind == "reconcile" and chance < 0.1:
            client.call(self.cluster, "reconcile", {"tasks": []}, lambda: None)
            for key in live:
                client.hears(
                    "update",
                    client.busy_until_ns + MS,
                    task_id=key[1],
                    state=state.tasks[key].state.value,
                    uuid=None,
                    terminal=False,
                    agent_id=state.tasks[key].info.agent_id,
                    source="SOURCE_MASTER",
                    reason="REASON_RECONCILIATION",
                    message="Reconciliation: Latest task state",
                )

    def decline(self, client: Client, offer_id: OfferId) -> None:
        assert client.framework_id is not None
        command = c.DeclineOffers(
            framework_id=client.framework_id, offer_ids=(offer_id,)
        )
        client.used.add(offer_id)
        client.call(
            self.cluster,
            "decline",
            {"offer_ids": [offer_id], "refuse_s": 2.0},
            lambda: self.cluster.propose(command) and None,
        )

    def accept(self, client: Client, offer_id: OfferId) -> None:
        assert client.framework_id is not None
        offer = self.cluster.state.offers[offer_id]
        tasks = []
        for _ in range(self.rng.randrange(1, 3)):
            task_id = client.new_task()
            data = self.rng.randbytes(4) if client.kind == "futures" else None
            client.launched[task_id] = data or b""
            if client.is_silent:
                taken = {slot for _, slot in client.futures.values()}
                slot = next(one for one in count(1) if one not in taken)
                client.futures[task_id] = self.cluster.now_ns, slot
            tasks.append(
                TaskInfo(
                    name=task_id,
                    task_id=task_id,
                    agent_id=offer.agent_id,
                    resources=TASK_RESOURCES,
                    command=CommandInfo(value="true"),
                    data=data,
                )
            )
        command = c.AcceptOffers(
            framework_id=client.framework_id,
            offer_ids=(offer_id,),
            operations=(Launch(tasks=tuple(tasks)),),
        )
        client.used.add(offer_id)
        client.call(
            self.cluster,
            "accept",
            {
                "offer_ids": [offer_id],
                "tasks": [
                    {
                        "task_id": task.task_id,
                        "agent_id": task.agent_id,
                        "resources": msgspec.to_builtins(task.resources),
                    }
                    for task in tasks
                ],
                "refuse_s": 0.0,
                "attempt": 1,
            },
            lambda: self.cluster.propose(command) and None,
            key=offer.agent_id,
        )

    def _use_register(self, client: Client) -> None:
        if not self._is_free(client) or client.begins_nothing:
            return
        if self.rng.random() < 0.5:
            return
        key = f"register-{self.rng.randrange(REGISTERS)}"
        if self.rng.random() < 0.5:
            client.call(
                self.cluster, "read", None, lambda: self.registers.get(key), key=key
            )
            return
        number = self.rng.randrange(1, 1_000_000)

        def write() -> None:
            self.cluster.propose(
                SetQuotas(
                    quotas={key: Quota(limits={"cpus": 1000 * number})}, is_forced=True
                )
            )
            self.registers[key] = number

        client.call(self.cluster, "write", number, write, key=key)
