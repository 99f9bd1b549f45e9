"""What operators may do, at any moment of a cluster's life.

Judged after every entry: the invariants (promise P4), that a replica restored from a
snapshot goes on equally and in the same order (P9), that what is rejected leaves no
trace, and what the commands promise: nothing is offered of agents that are not to be
offered, and inverse offers are out for those who have something on a machine in the
schedule, and nobody else.
"""

from __future__ import annotations

from typing import Any

import attrs
import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from raftleader.protocol.offers import (
    Create,
    Destroy,
    Launch,
    Reserve,
    Unavailability,
    Unreserve,
)
from raftleader.protocol.operator_values import DrainState, MachineId, Quota, Window
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.machines import is_machine_down, unavailability_of
from raftleader.state.outcomes import Applied, Rejected
from raftleader.state.snapshot import decode_snapshot, digest, encode_snapshot
from raftleader.state.snapshot_stream import Restoring, capture
from raftleader.state.trial import Trial

KEYS = ("k1", "k2", "k3")
ALL = "cpus:4;mem:128;disk:100"
ONE = parse_resources("cpus:1;mem:8")
TIMES = st.sampled_from([0, 1_000, 5_000, 400_000])
MACHINES = st.sampled_from(
    [*(MachineId(hostname=f"host-{key}") for key in KEYS), MachineId(ip="127.0.0.1")]
)
DYNAMIC = Reservation("DYNAMIC", "a")


def _reserved(name: str, millis: int, *, volume: str | None = None) -> Resources:
    info = None if volume is None else VolumeInfo(id=volume, container_path="v")
    kind = ResourceKind(name=name, reservations=(DYNAMIC,), volume=info)
    return Resources.of({key_of_kind(kind): millis})


OPERATIONS = st.sampled_from(
    [
        Reserve(resources=_reserved("cpus", 1_000)),
        Reserve(resources=_reserved("disk", 10_000)),
        Unreserve(resources=_reserved("cpus", 1_000)),
        Unreserve(resources=_reserved("disk", 5_000)),
        Create(volumes=_reserved("disk", 10_000, volume="v1")),
        Destroy(volumes=_reserved("disk", 10_000, volume="v1")),
        Reserve(resources=parse_resources("cpus:1")),
    ]
)
AMOUNTS = st.dictionaries(
    st.sampled_from(["cpus", "mem"]), st.sampled_from([0, 1_000, 9_000, -1])
)


class OperatedCluster(RuleBasedStateMachine):
    """A replica, and a twin that is restored from a snapshot before every entry."""

    def __init__(self) -> None:
        super().__init__()
        self.trial = Trial()
        self.launches = 0

    @property
    def state(self) -> ClusterState:
        return self.trial.state

    def _apply(self, command: c.Command) -> Applied:
        before = encode_snapshot(attrs.evolve(self.state, index=0))
        assert decode_snapshot(encode_snapshot(self.state)) == self.state
        restoring = Restoring(self.state.cluster_id)
        for piece in capture(self.state):
            restoring.feed(piece)
        twin = restoring.finish()
        applied = self.trial.apply(command)
        assert apply_entry(twin, *self.trial.entries[-1]) == applied
        assert repr(twin) == repr(self.state)
        assert digest(twin) == digest(self.state)
        if isinstance(applied.outcomes[0], Rejected):
            assert encode_snapshot(attrs.evolve(self.state, index=0)) == before
        return applied

    def _agent(self, data: st.DataObject) -> Any:
        """Mostly one that is there."""
        known = [*sorted(self.state.agents) * 8, *self.state.gone_agents, "c-X1-0"]
        return data.draw(st.sampled_from(known))

    @initialize()
    def begin_with_something(self) -> None:
        for key in KEYS:
            self.trial.register(ALL, key=key)
        for capabilities in (("MULTI_ROLE", "PARTITION_AWARE"), ("MULTI_ROLE",)):
            self.trial.subscribe(roles=("a", "a/b"), capabilities=capabilities)

    @rule(resources=st.sampled_from([ALL, ALL, "cpus:1"]), key=st.sampled_from(KEYS))
    def register(self, resources: str, key: str) -> None:
        """One machine changes, and all that are missing come (back)."""
        known = {agent.key: agent for agent in self.state.agents.values()}
        for each in KEYS:
            if each in known and (each == key or known[each].unreachable_ms):
                wanted = parse_resources(resources if each == key else ALL)
                info = replace(known[each].info, resources=wanted)
                self._apply(c.RegisterAgent(key=each, info=info))
            elif each not in known and not self.state.down_machines:
                self.trial.register(ALL, key=each)

    @rule(data=st.data())
    def come_back_with_its_id(self, data: st.DataObject) -> None:
        agent_id = self._agent(data)
        rows = self.state.agents
        row = rows.get(agent_id) or next(iter(rows.values()), None)
        if row is not None:
            is_known = agent_id in rows
            command = c.RegisterAgent(key=row.key, info=row.info, agent_id=agent_id)
            (outcome,) = self._apply(command).outcomes
            is_down = is_machine_down(self.state, row.info)
            assert isinstance(outcome, Rejected) == (is_down or not is_known)

    @rule(data=st.data())
    def fall_silent(self, data: st.DataObject) -> None:
        self._apply(c.MarkUnreachable(agent_ids=(self._agent(data),)))

    @rule(data=st.data(), role=st.sampled_from(["a", "a/b"]))
    def offer(self, data: st.DataObject, role: str) -> None:
        self._offer(data, role, launches=False)

    @rule(data=st.data(), role=st.sampled_from(["a", "a/b"]))
    def launch(self, data: st.DataObject, role: str) -> None:
        self._offer(data, role, launches=True)

    def _offer(self, data: st.DataObject, role: str, *, launches: bool) -> None:
        pairs = [
            (agent, framework)
            for agent in self.state.agents.values()
            for framework in self.state.frameworks.values()
            if agent.free.contains(ONE) and framework.connected
        ]
        if not pairs:
            return
        agent, framework = data.draw(st.sampled_from(pairs))
        resources = (
            ONE
            if launches
            else data.draw(st.sampled_from([ONE, agent.free.for_role(role)]))
        )
        grant = c.Grant(
            framework_id=framework.id, agent_id=agent.id, role=role, resources=resources
        )
        self._apply(c.GrantOffers(grants=(grant,), offer_timeout_ms=300_000))
        if not launches:
            return
        self.launches += 1
        task = TaskInfo(
            name="n",
            task_id=f"t{self.launches}",
            agent_id=agent.id,
            resources=ONE,
            command=CommandInfo(value="true"),
        )
        self._apply(
            c.AcceptOffers(
                framework_id=framework.id,
                offer_ids=(f"c-O{self.state.index}-0-0",),
                operations=(Launch(tasks=(task,)),),
            )
        )

    @rule(
        data=st.data(),
        state=st.sampled_from(
            [TaskState.RUNNING, TaskState.FINISHED, TaskState.KILLED]
        ),
        acknowledges=st.booleans(),
    )
    def report(self, data: st.DataObject, state: TaskState, acknowledges: bool) -> None:
        live = [t for t in self.state.tasks.values() if not t.state.is_terminal]
        if not live:
            return
        task = data.draw(st.sampled_from(live))
        self.trial.report(task.framework_id, task.info.task_id, state)
        row = self.state.tasks.get(task.key)
        for status in row.pending if row is not None and acknowledges else ():
            self._apply(
                c.AcknowledgeUpdate(
                    framework_id=task.framework_id,
                    task_id=task.info.task_id,
                    uuid=status.uuid,
                )
            )

    @rule(data=st.data(), operation=OPERATIONS)
    def operate(self, data: st.DataObject, operation: Any) -> None:
        agent_id = self._agent(data)
        self._apply(o.OperateOnAgent(agent_id=agent_id, operation=operation))

    @rule(data=st.data())
    def make_a_volume_and_delete_it(self, data: st.DataObject) -> None:
        agent_id = self._agent(data)
        volume = _reserved("disk", 10_000, volume="v1")
        for operation in (
            Reserve(resources=_reserved("disk", 10_000)),
            Create(volumes=volume),
            data.draw(
                st.sampled_from([Create(volumes=volume), Destroy(volumes=volume)])
            ),
        ):
            self._apply(o.OperateOnAgent(agent_id=agent_id, operation=operation))

    @rule(
        data=st.data(),
        role=st.sampled_from(["a", "b", "*", "a/b", ""]),
        limits=AMOUNTS,
        guarantees=AMOUNTS,
        is_forced=st.booleans(),
    )
    def set_quota(
        self,
        data: st.DataObject,
        role: str,
        limits: Any,
        guarantees: Any,
        is_forced: Any,
    ) -> None:
        quota = Quota(limits=limits, guarantees=guarantees)
        self._apply(o.SetQuotas(quotas={role: quota}, is_forced=is_forced))

    @rule(
        windows=st.lists(
            st.tuples(
                st.lists(MACHINES, min_size=1, max_size=3), st.sampled_from([1, 2])
            ),
            max_size=2,
        )
    )
    def schedule(self, windows: list[tuple[list[MachineId], int]]) -> None:
        seen: set[MachineId] = set()
        made = []
        for machines, start_ns in windows:
            rest = tuple(m for m in dict.fromkeys(machines) if m not in seen)
            seen.update(rest)
            unavailability = Unavailability(start_ns=start_ns)
            made.append(Window(machines=rest, unavailability=unavailability))
        self._apply(o.SetSchedule(windows=tuple(made)))

    @rule(start_ns=st.sampled_from([1, 2]))
    def schedule_where_tasks_are(self, start_ns: int) -> None:
        busy = {t.info.agent_id for t in self.state.tasks.values()}
        hosts = {
            a.info.hostname for a in self.state.agents.values() if a.id in busy
        } | {machine.hostname for machine in self.state.down_machines}
        machines = tuple(MachineId(hostname=host) for host in sorted(hosts) if host)
        unavailability = Unavailability(start_ns=start_ns)
        window = Window(machines=machines, unavailability=unavailability)
        self._apply(o.SetSchedule(windows=(window,)))

    @rule(data=st.data(), is_start=st.booleans())
    def maintain(self, data: st.DataObject, is_start: bool) -> None:
        scheduled = [m for window in self.state.windows for m in window.machines]
        machine = data.draw(st.sampled_from([*scheduled, MachineId(hostname="else")]))
        if is_start:
            self._apply(o.StartMaintenance(machines=(machine,)))
        else:
            self._apply(o.StopMaintenance(machines=(machine,)))

    @rule(
        data=st.data(),
        mark_gone=st.sampled_from([False, False, True]),
        grace=st.sampled_from([None, 0, 9]),
    )
    def drain(self, data: st.DataObject, mark_gone: bool, grace: int | None) -> None:
        agent_id = self._agent(data)
        self._apply(
            o.DrainAgent(agent_id=agent_id, max_grace_ms=grace, mark_gone=mark_gone)
        )

    @rule()
    def reactivate(self) -> None:
        for agent_id in sorted(self.state.agents):
            self._apply(o.ReactivateAgent(agent_id=agent_id))

    @rule(
        data=st.data(),
        command=st.sampled_from(
            [o.DeactivateAgent, o.DeactivateAgent, o.MarkAgentGone]
        ),
    )
    def administer(self, data: st.DataObject, command: Any) -> None:
        self._apply(command(agent_id=self._agent(data)))

    @rule(data=st.data(), is_accepted=st.booleans(), refuse_ms=TIMES)
    def answer(self, data: st.DataObject, is_accepted: bool, refuse_ms: int) -> None:
        known = sorted(self.state.inverse_offers)
        if not known:
            return
        offer_id = data.draw(st.sampled_from(known))
        self._apply(
            c.AnswerInverseOffers(
                framework_id=self.state.inverse_offers[offer_id].framework_id,
                inverse_offer_ids=(offer_id, "c-I1-0-0"),
                is_accepted=is_accepted,
                refuse_ms=refuse_ms,
            )
        )

    @rule(ms=TIMES)
    def pass_time(self, ms: int) -> None:
        self.trial.now_ms += ms
        self._apply(c.PassTime())

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A framework is torn down, and another comes in its place."""
        framework_id = data.draw(st.sampled_from(sorted(self.state.frameworks)))
        info = self.state.frameworks[framework_id].info
        self._apply(c.TeardownFramework(framework_id=framework_id))
        self.trial.subscribe(roles=info.roles, capabilities=info.capabilities)

    @invariant()
    def only_what_may_be_offered_is(self) -> None:
        for offer in self.state.offers.values():
            agent = self.state.agents[offer.agent_id]
            assert agent.unreachable_ms is None
            assert not agent.is_deactivated and agent.drain is None
        for agent in self.state.agents.values():
            assert agent.id not in self.state.gone_agents
            if is_machine_down(self.state, agent.info):
                assert agent.unreachable_ms is not None
            drain = agent.drain
            if drain is not None and agent.unreachable_ms is None:
                live = [
                    task
                    for task in self._tasks_on(agent.id)
                    if not task.state.is_terminal
                ]
                assert (drain.state is DrainState.DRAINING) == bool(live)
                assert all(task.kill_wanted for task in live)

    @invariant()
    def those_are_asked_who_must_leave(self) -> None:
        asked = {
            (row.framework_id, row.agent_id): row.unavailability
            for row in self.state.inverse_offers.values()
        }
        assert len(asked) == len(self.state.inverse_offers)
        answered = {
            (answer.framework_id, agent_id)
            for agent_id, answers in self.state.inverse_answers.items()
            for answer in answers
            if answer.until_ms
        }
        wanted = {}
        for agent in self.state.agents.values():
            unavailability = unavailability_of(self.state, agent.info)
            if unavailability is None or agent.unreachable_ms is not None:
                continue
            for task in self._tasks_on(agent.id):
                is_known = task.framework_id in self.state.frameworks
                if is_known and not task.state.is_terminal:
                    wanted[task.framework_id, agent.id] = unavailability
        for key in answered:
            wanted.pop(key, None)
        assert asked == wanted

    def _tasks_on(self, agent_id: Any) -> list[Any]:
        keys = self.state.tasks_by_agent.get(agent_id, ())
        return [self.state.tasks[key] for key in keys]


OperatedCluster.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestOperatedCluster = OperatedCluster.TestCase
