"""Any order of events, losses and restarts: started once, told in order, none lost."""

from __future__ import annotations

import itertools
from collections import defaultdict

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from agent.machine import Machine
from agent.machine.effects import CancelStart, Send, SignalTask, StartTask
from agent.machine.events import (
    Event,
    GraceOver,
    MessageArrived,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    SessionLost,
    SessionOpened,
    StartCancelled,
    StartFailed,
    Tick,
)
from agent.machine.tasks import TaskTable
from agent.records import (
    Identity,
    ProcessMark,
    Record,
    decode_records,
    encode_records,
)
from agent.recovery import compacted, fill_table, recover, recovered_of
from raftleader.protocol.agent_rpc import (
    FromNode,
    KillOrder,
    KillTasks,
    NodeHello,
    Registered,
    RunTasks,
    StatusUpdates,
    TaskOrder,
    UpdatesCommitted,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import CommandInfo, TaskInfo, TaskState, TaskStatus

FRAMEWORK = FrameworkId("fw")
TASKS = st.sampled_from([TaskId(name) for name in "abcd"])
RANK = {TaskState.STARTING: 1, TaskState.RUNNING: 2, TaskState.KILLING: 3}


def rank(status: TaskStatus) -> int:
    return RANK.get(status.state, 4)


class AgentMachine(RuleBasedStateMachine):
    """One agent, a leader that may lose frames, and a disk that keeps some."""

    def __init__(self) -> None:
        super().__init__()
        self.uuids = itertools.count(1)
        self.disk: list[Record] = []
        self.unsynced: list[Record] = []
        self.starts: list[TaskKey] = []
        self.queue: list[TaskKey] = []
        self.running: set[TaskKey] = set()
        self.log: dict[TaskKey, list[TaskStatus]] = defaultdict(list)
        self.arrived: list[tuple[FrameworkId, TaskStatus]] = []
        self.owed: set[TaskKey] = set()  # the log waits for their end
        self.session = self.term = 0
        self.is_joined = False

    @initialize()
    def begin(self) -> None:
        self.boot()

    def boot(self) -> None:
        table = TaskTable(lambda: next(self.uuids).to_bytes(16, "big"))
        self.agent = Machine(
            Identity(key="k", agent_id=AgentId("a1"), cluster_id="c"),
            AgentInfo(hostname="h", ip="", port=0),
            table,
        )
        self.is_joined = False
        self.turn(fill_table(table, recover(self.disk)))

    def turn(self, *events: Event) -> None:
        turn = self.agent.turn(events, 0)
        self.unsynced += turn.records
        if turn.is_sync_needed:
            self.disk += self.unsynced
            self.unsynced = []
        for effect in turn.effects:
            match effect:
                case StartTask(order):
                    key = (order.framework_id, order.task.task_id)
                    assert key not in self.starts, "started twice"
                    self.starts.append(key)
                    self.queue.append(key)
                case CancelStart(key) if key in self.queue:
                    self.queue.remove(key)
                    self.turn(StartCancelled(key))
                case SignalTask(key) if key in self.running:
                    pass
                case Send(_, StatusUpdates(updates=updates)):
                    self.arrived += [(u.framework_id, u.status) for u in updates]

    def hear(self, message: FromNode) -> None:
        self.turn(MessageArrived(self.session, message))

    @rule()
    def a_leader_registers_us(self) -> None:
        self.turn(SessionLost(self.session))
        self.arrived.clear()
        self.session += 1
        self.term += 1
        self.turn(SessionOpened(self.session))
        self.hear(NodeHello(cluster_id="c", node_id="n", term=self.term, leading=True))
        self.hear(Registered(term=self.term, agent_id=AgentId("a1")))
        self.is_joined = True

    @precondition(lambda self: self.is_joined)
    @rule(task=TASKS)
    def run(self, task: TaskId) -> None:
        self.owed.add((FRAMEWORK, task))
        info = TaskInfo(
            name="t",
            task_id=task,
            agent_id=AgentId("a1"),
            command=CommandInfo(value="true"),
        )
        order = TaskOrder(framework_id=FRAMEWORK, framework_name="f", task=info)
        self.hear(RunTasks(term=self.term, orders=(order,)))

    @precondition(lambda self: self.is_joined)
    @rule(task=TASKS)
    def kill(self, task: TaskId) -> None:
        self.owed.add((FRAMEWORK, task))
        order = KillOrder(framework_id=FRAMEWORK, task_id=task)
        self.hear(KillTasks(term=self.term, orders=(order,)))

    @precondition(lambda self: self.queue)
    @rule(works=st.booleans())
    def next_start(self, works: bool) -> None:
        key = self.queue.pop(0)
        if works:
            self.running.add(key)
            mark = ProcessMark(pid=1, start_ticks=1, boot_id="b")
            self.turn(ProcessStarted(key, mark))
        else:
            self.turn(StartFailed(key, "no"))

    @precondition(lambda self: self.running)
    @rule(code=st.sampled_from([0, 1, None]))
    def process_ends(self, code: int | None) -> None:
        key = min(self.running)
        self.running.remove(key)
        exit_ = ProcessExit(code=code, signal="SIGKILL" if code is None else None)
        self.turn(ProcessExited(key, exit_))

    @precondition(lambda self: self.running)
    @rule()
    def grace_is_over(self) -> None:
        self.turn(GraceOver(min(self.running)))

    @rule()
    def time_passes(self) -> None:
        for _ in range(6):
            self.turn(Tick())

    @precondition(lambda self: self.arrived)
    @rule()
    def frames_are_lost(self) -> None:
        self.arrived.clear()

    @precondition(lambda self: self.arrived)
    @rule()
    def leader_commits_what_arrived(self) -> None:
        arrived, self.arrived = self.arrived, []
        for framework_id, status in arrived:
            log = self.log[framework_id, status.task_id]
            if status.uuid in [s.uuid for s in log]:
                continue
            if log and log[-1].state.is_terminal:
                assert status.state in (TaskState.DROPPED, TaskState.FAILED), status
                continue
            assert not log or rank(log[-1]) < rank(status), "out of order"
            log.append(status)
        uuids = tuple(s.uuid for _, s in arrived if s.uuid)
        self.hear(UpdatesCommitted(term=self.term, uuids=uuids))

    @rule(kept=st.sampled_from([0, 0, 1, 2, 5]), loses_power=st.booleans())
    def agent_dies_and_returns(self, kept: int, loses_power: bool) -> None:
        """Unsynced records stay if only the agent dies; else any prefix of them."""
        self.disk += self.unsynced[:kept] if loses_power else self.unsynced
        self.unsynced.clear()
        self.disk = decode_records(encode_records(self.disk))
        self.queue.clear()
        self.running.clear()
        self.arrived.clear()
        self.boot()

    @rule()
    def agent_compacts(self) -> None:
        self.disk = [r for p in compacted(recovered_of(self.agent)) for r in p]
        self.unsynced.clear()

    @invariant()
    def every_task_is_started_at_most_once(self) -> None:
        assert len(self.starts) == len(set(self.starts))

    def teardown(self) -> None:
        """When all is well again, every task that was ordered has ended."""
        if not self.is_joined:
            return
        for _ in range(8):
            while self.queue:
                self.next_start(True)
            while self.running:
                self.process_ends(0)
            self.a_leader_registers_us()
            while self.arrived:
                self.leader_commits_what_arrived()
        for key in self.owed:
            ended = bool(self.log[key]) and self.log[key][-1].state.is_terminal
            assert ended, (key, self.log[key])
        assert not self.agent.tasks.held


TestAgentMachine = AgentMachine.TestCase
TestAgentMachine.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None
)
