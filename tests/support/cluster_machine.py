"""The state machine under whatever a cluster may do, and under what it may not.

What frameworks do with executors, groups, reservations and volumes is added by
``tests/properties/test_state_machine.py``.

Judged after every entry: the invariants (promise P4), a snapshot that restores to
an equal replica, in the same order, which goes on equally (P9), and that what is
rejected leaves no trace. A repeated ACCEPT, at any later time, changes nothing (P3).
"""

from __future__ import annotations

from typing import Any

import attrs
import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from raftleader.protocol.agent_rpc import AgentUpdate
from raftleader.protocol.agents import AgentInfo, Attribute
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.offers import Launch, UnsupportedOperation
from raftleader.protocol.resources import EMPTY, parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from raftleader.state import commands as c
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied, Rejected
from raftleader.state.snapshot import decode_snapshot, digest, encode_snapshot
from raftleader.state.snapshot_stream import Restoring, capture
from raftleader.state.trial import Trial

ALL = "cpus:4;mem:128;disk:100;ports:[1-20];cpus(b):2;gpus:{x,y}"
RESOURCES = st.sampled_from(
    [
        "cpus:1",
        "cpus:2;mem:64",
        "cpus:4;mem:128;ports:[1-20]",
        "ports:[3-5]",
        "ports:[6-9,12-12]",
        "cpus(b):1",
        "gpus:{x}",
        ALL,
        "",
    ]
).map(parse_resources)
ONE_CPU = parse_resources("cpus:1")
TASK_IDS = st.sampled_from(["t1", "t2", "t3", "t4", "bad/id"])
STATES = [*TaskState, TaskState.RUNNING, TaskState.RUNNING, TaskState.STARTING]
TIMES = st.sampled_from([0, 1, 5_000, 61_000, 400_000])
CAPABILITIES = st.sampled_from(
    [
        ("MULTI_ROLE", "SHARED_RESOURCES"),
        ("MULTI_ROLE", "PARTITION_AWARE", "SHARED_RESOURCES"),
        ("MULTI_ROLE", "PARTITION_AWARE", "TASK_KILLING_STATE"),
    ]
)
ROLES = st.sampled_from([("a",), ("a", "b"), ("b",)])


def _timeless(state: ClusterState) -> bytes:
    return encode_snapshot(attrs.evolve(state, index=0, clock_ms=0))


class ClusterMachine(RuleBasedStateMachine):
    """A replica, and a twin that is restored from a snapshot before every entry."""

    def __init__(self) -> None:
        super().__init__()
        self.trial = Trial()
        self.begin_twin()
        self.accepts: list[c.AcceptOffers] = []
        self.uuids_made = 0

    def _apply(self, *commands: c.Command) -> Applied:
        before = _timeless(self.trial.state)
        before_in_order = repr(self.trial.state)
        applied = self.trial.apply(*commands)
        assert decode_snapshot(encode_snapshot(self.twin)) == self.twin
        restoring = Restoring(self.twin.cluster_id)
        for piece in capture(self.twin):
            restoring.feed(piece)
        self.twin = restoring.finish()
        assert repr(self.twin) == before_in_order
        assert apply_entry(self.twin, *self.trial.entries[-1]) == applied
        assert digest(self.twin) == digest(self.trial.state)
        if all(isinstance(outcome, Rejected) for outcome in applied.outcomes):
            assert _timeless(self.trial.state) == before
        return applied

    def content(self) -> bytes:
        """The state but for its index and time."""
        return _timeless(self.trial.state)

    def _pick(self, data: st.DataObject, table: dict[Any, Any]) -> Any:
        """A key of the table; sometimes one that was, or never was, in it."""
        return data.draw(st.sampled_from([*sorted(table) * 4, "c-X1-0"]))

    @initialize()
    def begin_with_something(self) -> None:
        self.trial.register(ALL, key="k1")
        self.trial.subscribe(
            roles=("a", "b"), capabilities=("MULTI_ROLE", "SHARED_RESOURCES")
        )
        self.begin_twin()

    def begin_twin(self) -> None:
        """What was done to the replica alone so far."""
        self.twin = decode_snapshot(encode_snapshot(self.trial.state))

    @rule(
        key=st.sampled_from(["k1", "k2"]),
        resources=st.sampled_from([*[ALL] * 4, "cpus:2", "cpus:4;ports:[3-5]", ""]).map(
            parse_resources
        ),
        rack=st.booleans(),
    )
    def register(self, key: str, resources: Any, rack: bool) -> None:
        attributes = (Attribute(name="rack", text="r"),) if rack else ()
        info = AgentInfo(
            hostname="h", ip="", port=1, resources=resources, attributes=attributes
        )
        self._apply(c.RegisterAgent(key=key, info=info))

    def _mark_unreachable(self, data: st.DataObject) -> None:
        agent = self._pick(data, self.trial.state.agents)
        self._apply(c.MarkUnreachable(agent_ids=(agent,)))

    @rule(data=st.data(), roles=ROLES, capabilities=CAPABILITIES, timeout=TIMES)
    def subscribe(
        self, data: st.DataObject, roles: Any, capabilities: Any, timeout: int
    ) -> None:
        known = [*self.trial.state.frameworks, *self.trial.state.removed_frameworks]
        framework = data.draw(st.sampled_from([None, *sorted(known) * 3, "other-1"]))
        info = FrameworkInfo(
            user=data.draw(st.sampled_from([*["user"] * 7, "else"])),
            name="n",
            roles=roles,
            capabilities=capabilities,
            failover_timeout_ms=timeout,
        )
        suppressed = data.draw(st.sampled_from([(), (), (), ("a",)]))
        self._apply(
            c.SubscribeFramework(
                info=info, framework_id=framework, suppressed_roles=suppressed
            )
        )

    def _disconnect(self, data: st.DataObject) -> None:
        framework = self._pick(data, self.trial.state.frameworks)
        row = self.trial.state.frameworks.get(framework)
        subscription = 0 if row is None else row.subscription
        self._apply(
            c.DisconnectFramework(framework_id=framework, subscription=subscription)
        )

    def _tear_down(self, data: st.DataObject) -> None:
        framework = self._pick(data, self.trial.state.frameworks)
        self._apply(c.TeardownFramework(framework_id=framework))

    def _change_roles(self, data: st.DataObject) -> None:
        framework = self._pick(data, self.trial.state.frameworks)
        roles = data.draw(st.sampled_from([(), ("a",), ("b",), ("x",)]))
        kind = data.draw(st.sampled_from([c.SuppressRoles, c.ReviveRoles]))
        self._apply(kind(framework_id=framework, roles=roles))

    @rule(data=st.data())
    def grant(self, data: st.DataObject) -> None:
        grants = []
        for _ in range(data.draw(st.integers(1, 4))):
            agent = self._pick(data, self.trial.state.agents)
            row = self.trial.state.agents.get(agent)
            role = data.draw(st.sampled_from(["a", "b"]))
            free = EMPTY if row is None else row.free.for_role(role)
            grants.append(
                c.Grant(
                    framework_id=self._pick(data, self.trial.state.frameworks),
                    agent_id=agent,
                    role=role,
                    resources=data.draw(st.one_of(st.just(free), RESOURCES)),
                )
            )
        self._apply(c.GrantOffers(grants=tuple(grants), offer_timeout_ms=300_000))

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        state = self.trial.state
        offer_ids = data.draw(
            st.lists(st.sampled_from([*sorted(state.offers), "c-O1-0-0"]), max_size=3)
        )
        first = state.offers.get(offer_ids[0]) if offer_ids else None
        tasks = [
            TaskInfo(
                name="n",
                task_id=data.draw(TASK_IDS),
                agent_id="c-S9-9" if first is None else first.agent_id,
                resources=data.draw(RESOURCES),
                command=CommandInfo(value="true"),
            )
            for _ in range(data.draw(st.integers(0, 3)))
        ]
        command = c.AcceptOffers(
            framework_id=(
                self._pick(data, state.frameworks)
                if first is None
                else first.framework_id
            ),
            offer_ids=tuple(offer_ids),
            operations=data.draw(
                st.sampled_from(
                    [
                        (Launch(tasks=tuple(tasks)),),
                        (Launch(tasks=tuple(tasks)),),
                        (UnsupportedOperation(type="X"), Launch(tasks=tuple(tasks))),
                        (),
                    ]
                )
            ),
            refuse_ms=data.draw(st.sampled_from([0, 5_000, 90_000])),
        )
        (outcome,) = self._apply(command).outcomes
        if not isinstance(outcome, Rejected):
            self.accepts.append(command)

    @rule(data=st.data())
    def repeat_an_accept(self, data: st.DataObject) -> None:
        if self.accepts:
            before = _timeless(self.trial.state)
            self._apply(data.draw(st.sampled_from(self.accepts)))
            assert _timeless(self.trial.state) == before

    @rule(data=st.data(), refuse_ms=TIMES)
    def decline(self, data: st.DataObject, refuse_ms: int) -> None:
        offer_id = self._pick(data, self.trial.state.offers)
        offer = self.trial.state.offers.get(offer_id)
        framework = (
            self._pick(data, self.trial.state.frameworks)
            if offer is None
            else offer.framework_id
        )
        self._apply(
            c.DeclineOffers(
                framework_id=framework, offer_ids=(offer_id,), refuse_ms=refuse_ms
            )
        )

    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        live = list(self.trial.state.tasks)
        if not live:
            return
        key = data.draw(st.sampled_from(live))
        states = data.draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=3))
        updates = tuple(
            AgentUpdate(
                framework_id=key[0],
                status=TaskStatus(
                    task_id=key[1], state=state, source=Source.EXECUTOR, uuid=uuid
                ),
            )
            for state, uuid in [
                *((state, self._uuid()) for state in states),
                (data.draw(st.sampled_from(STATES)), None),
            ]
        )
        agent_id = self.trial.state.tasks[key].info.agent_id
        self._apply(c.UpdateTasks(agent_id=agent_id, updates=updates))
        if data.draw(st.booleans()):
            self._acknowledge_all(*key)
        before = _timeless(self.trial.state)
        self._apply(c.UpdateTasks(agent_id=agent_id, updates=updates[:-1]))
        assert _timeless(self.trial.state) == before

    @rule(data=st.data(), task_id=TASK_IDS)
    def launch(self, data: st.DataObject, task_id: Any) -> None:
        """A launch that works, in one step, so that there are tasks."""
        self._launch(data, task_id, ends=False)

    @rule(data=st.data(), task_id=TASK_IDS)
    def run_to_the_end(self, data: st.DataObject, task_id: Any) -> None:
        """A task's whole life in one step, so that ids are used again."""
        self._launch(data, task_id, ends=True)

    def _launch(self, data: st.DataObject, task_id: Any, *, ends: bool) -> None:
        state = self.trial.state
        pairs = [
            (agent.id, framework.id, role)
            for agent in state.agents.values()
            for framework in state.frameworks.values()
            for role in framework.info.roles
            if agent.free.contains(ONE_CPU)
            and framework.connected
            and role not in framework.suppressed_roles
        ]
        if not pairs:
            return
        agent_id, framework_id, role = data.draw(st.sampled_from(pairs))
        grant = c.Grant(
            framework_id=framework_id, agent_id=agent_id, role=role, resources=ONE_CPU
        )
        self._apply(c.GrantOffers(grants=(grant,), offer_timeout_ms=300_000))
        task = TaskInfo(
            name="n",
            task_id=task_id,
            agent_id=agent_id,
            resources=ONE_CPU,
            command=CommandInfo(value="true"),
        )
        accept = c.AcceptOffers(
            framework_id=framework_id,
            offer_ids=(f"c-O{state.index}-0-0",),
            operations=(Launch(tasks=(task,)),),
        )
        self._apply(accept)
        self.accepts.append(accept)
        if ends:
            end = TaskStatus(
                task_id=task_id,
                state=TaskState.FINISHED,
                source=Source.EXECUTOR,
                uuid=self._uuid(),
            )
            update = AgentUpdate(framework_id=framework_id, status=end)
            self._apply(c.UpdateTasks(agent_id=agent_id, updates=(update,)))
            self._acknowledge_all(framework_id, task_id)

    def _uuid(self) -> bytes:
        self.uuids_made += 1
        return self.uuids_made.to_bytes(16, "big")

    def _acknowledge_all(self, framework_id: Any, task_id: Any) -> None:
        task = self.trial.state.tasks.get((framework_id, task_id))
        for status in () if task is None else task.pending:
            self._apply(
                c.AcknowledgeUpdate(
                    framework_id=framework_id, task_id=task_id, uuid=status.uuid
                )
            )

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        state = self.trial.state
        waiting = [
            (framework, status)
            for framework, row in sorted(state.frameworks.items())
            for status in row.orphan_updates
        ]
        waiting += [(k[0], s) for k, t in state.tasks.items() for s in t.pending]
        for framework, status in data.draw(
            st.lists(st.sampled_from(waiting), max_size=4) if waiting else st.just([])
        ):
            self._apply(
                c.AcknowledgeUpdate(
                    framework_id=framework, task_id=status.task_id, uuid=status.uuid
                )
            )

    @rule(data=st.data(), grace=st.sampled_from([None, -1, 5]))
    def kill(self, data: st.DataObject, grace: int | None) -> None:
        keys = [*self.trial.state.tasks, ("c-X1-0", "t1")]
        framework, task_id = data.draw(st.sampled_from(keys))
        self._apply(c.KillTask(framework_id=framework, task_id=task_id, grace_ms=grace))

    def _lose(self, data: st.DataObject) -> None:
        agent = self._pick(data, self.trial.state.agents)
        keys = tuple(self.trial.state.tasks_by_agent.get(agent, ()))
        self._apply(c.LoseTasks(agent_id=agent, tasks=keys))

    @rule(ms=TIMES)
    def pass_time(self, ms: int) -> None:
        self.trial.now_ms += ms
        self._apply(c.PassTime())

    def _fail_over(self, data: st.DataObject) -> None:
        self.trial.term += 1
        self.trial.node = f"n{self.trial.term % 3}"
        self._apply(c.BeginTerm(http_address="h:1"))
        for row in list(self.trial.state.frameworks.values()):
            if data.draw(st.integers(0, 3)):
                self._apply(c.SubscribeFramework(info=row.info, framework_id=row.id))

    @rule(data=st.data())
    def disturb(self, data: st.DataObject) -> None:
        """One rule for all that makes a cluster smaller, lest it be always empty."""
        disturbances = [
            self._fail_over,
            self._disconnect,
            self._tear_down,
            self._change_roles,
            self._mark_unreachable,
            self._lose,
        ]
        data.draw(st.sampled_from(disturbances))(data)

    @invariant()
    def nothing_is_due_that_was_done(self) -> None:
        state = self.trial.state
        assert state.clock_ms <= self.trial.now_ms
        assert state.index == len(self.trial.entries)
