"""Executors under any order of events, losses and restarts: each run is begun once,
each task ends once, and an executor's end comes after those of its tasks."""

from __future__ import annotations

import itertools
from collections import defaultdict

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from agent.machine import Machine
from agent.machine.effects import (
    CancelStart,
    CloseStream,
    Send,
    SendEvent,
    SetAlarm,
    StartExecutor,
    StartTask,
)
from agent.machine.events import (
    Event,
    ExecutorCalled,
    ExecutorSubscribed,
    GraceOver,
    MessageArrived,
    ProcessExit,
    ProcessExited,
    ProcessStarted,
    SessionLost,
    SessionOpened,
    StartCancelled,
    StartFailed,
    StreamLost,
    Tick,
)
from agent.machine.tasks import TaskTable
from agent.records import (
    ExecutorRun,
    Identity,
    ProcessKey,
    ProcessMark,
    Record,
    decode_records,
    encode_records,
)
from agent.recovery import compacted, fill_table, recover, recovered_of
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import (
    AgentUpdate,
    ExecutorOrder,
    ExecutorReport,
    ExecutorReports,
    FromNode,
    KillOrder,
    KillTasks,
    NodeHello,
    Registered,
    RunTasks,
    ShutdownExecutors,
    StatusUpdates,
    TaskOrder,
    UpdatesCommitted,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId, TaskKey
from raftleader.protocol.tasks import (
    CommandInfo,
    ExecutorInfo,
    ExecutorType,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

FRAMEWORK = FrameworkId("fw")
COMMAND = CommandInfo(value="true")
EXECUTORS = {
    "own": ExecutorInfo(executor_id="own", command=COMMAND),
    "default": ExecutorInfo(executor_id="default", type=ExecutorType.DEFAULT),
}
IDS = st.sampled_from(sorted(EXECUTORS))
STATES = st.sampled_from(
    [TaskState.RUNNING, TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED]
)


class ExecutorMachine(RuleBasedStateMachine):
    """One agent, executors that follow their orders more or less, a leader that may
    lose frames, and a disk."""

    def __init__(self) -> None:
        super().__init__()
        self.uuids, self.numbers = itertools.count(1), itertools.count(1)
        self.disk: list[Record] = []
        self.started: set[ProcessKey] = set()
        self.log: dict[TaskKey, list[TaskStatus]] = defaultdict(list)
        self.tasks_of: dict[str, list[TaskKey]] = defaultdict(list)
        self.reports: list[ExecutorReport] = []
        self.arrived: list[StatusUpdates | ExecutorReports] = []
        self.session = self.term = 0
        self.is_joined = False

    @initialize()
    def begin(self) -> None:
        self.boot()

    def boot(self) -> None:
        self.queue: list[ProcessKey] = []
        self.running: list[ProcessKey] = []
        self.alarms: list[Event] = []
        self.streams: dict[int, ExecutorRun] = {}
        self.handed: dict[ExecutorRun, list[TaskId]] = defaultdict(list)
        self.arrived.clear()
        self.is_joined = False
        table = TaskTable(lambda: next(self.uuids).to_bytes(16, "big"))
        self.agent = Machine(
            Identity(key="k", agent_id=AgentId("a1"), cluster_id="c"),
            AgentInfo(hostname="h", ip="", port=0),
            table,
        )
        self.turn(fill_table(table, recover(self.disk)))

    def turn(self, *events: Event) -> None:
        turn = self.agent.turn(events, 0)
        self.disk += turn.records
        for effect in turn.effects:
            match effect:
                case StartTask(order):
                    self.queue.append((order.framework_id, order.task.task_id))
                case StartExecutor(run):
                    self.queue.append(run)
                case CancelStart(key) if key in self.queue:
                    self.queue.remove(key)
                    self.turn(StartCancelled(key))
                case SetAlarm(event):
                    self.alarms.append(event)
                case SendEvent(stream, event):
                    self.take_event(stream, event)
                case CloseStream(stream):
                    self.streams.pop(stream, None)
                case Send(_, StatusUpdates() | ExecutorReports() as message):
                    self.arrived.append(message)

    def take_event(self, stream: int, event: executor_api.Event) -> None:
        run = self.streams.get(stream)
        if run is None:
            return
        tasks: tuple[TaskInfo, ...] = ()
        if isinstance(event, executor_api.LaunchTask):
            tasks = (event.task,)
        elif isinstance(event, executor_api.LaunchTaskGroup):
            tasks = event.tasks
        for task in tasks:
            assert task.task_id not in self.handed[run], "handed over twice"
            self.handed[run].append(task.task_id)

    def hear(self, message: FromNode) -> None:
        self.turn(MessageArrived(self.session, message))

    @rule()
    def a_leader_registers_us(self) -> None:
        self.turn(SessionLost(self.session))
        self.arrived.clear()
        self.session, self.term = self.session + 1, self.term + 1
        self.turn(SessionOpened(self.session))
        self.hear(NodeHello(cluster_id="c", node_id="n", term=self.term, leading=True))
        self.hear(Registered(term=self.term, agent_id=AgentId("a1")))
        self.is_joined = True

    @precondition(lambda self: self.is_joined)
    @rule(executor_id=IDS, count=st.integers(1, 3), is_group=st.booleans())
    def run(self, executor_id: str, count: int, is_group: bool) -> None:
        ids = tuple(TaskId(f"t{next(self.numbers)}") for _ in range(count))
        orders = tuple(
            TaskOrder(
                framework_id=FRAMEWORK,
                framework_name="f",
                framework=FrameworkInfo(user="u", name="f"),
                group=ids if is_group else (),
                task=TaskInfo(
                    name="t",
                    task_id=task_id,
                    agent_id=AgentId("a1"),
                    executor=EXECUTORS[executor_id],
                    command=COMMAND,
                ),
            )
            for task_id in ids
        )
        self.tasks_of[executor_id] += [(FRAMEWORK, task_id) for task_id in ids]
        self.hear(RunTasks(term=self.term, orders=orders))
        self.hear(RunTasks(term=self.term, orders=orders))  # and once more

    @precondition(lambda self: self.is_joined and self.tasks_of)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        keys = [key for keys in self.tasks_of.values() for key in keys]
        key = data.draw(st.sampled_from(keys))
        order = KillOrder(framework_id=key[0], task_id=key[1])
        self.hear(KillTasks(term=self.term, orders=(order,)))

    @precondition(lambda self: self.is_joined)
    @rule(executor_id=IDS)
    def shut_down(self, executor_id: str) -> None:
        order = ExecutorOrder(framework_id=FRAMEWORK, executor_id=executor_id)
        self.hear(ShutdownExecutors(term=self.term, orders=(order,)))

    @precondition(lambda self: self.queue)
    @rule(works=st.booleans())
    def next_start(self, works: bool) -> None:
        key = self.queue.pop(0)
        assert key not in self.started, "started twice"
        self.started.add(key)
        if works:
            self.running.append(key)
            mark = ProcessMark(pid=1, start_ticks=1, boot_id="b")
            self.turn(ProcessStarted(key, mark))
        else:
            self.turn(StartFailed(key, "no"))

    @precondition(lambda self: self.running)
    @rule(code=st.sampled_from([0, 1, None]), data=st.data())
    def process_ends(self, code: int | None, data: st.DataObject) -> None:
        self.end_process(data.draw(st.integers(0, len(self.running) - 1)), code)

    def end_process(self, index: int, code: int | None) -> None:
        key = self.running.pop(index)
        for stream, run in list(self.streams.items()):
            if run == key:
                del self.streams[stream]
                self.turn(StreamLost(run, stream))
        exit_ = ProcessExit(code=code, signal="SIGKILL" if code is None else None)
        self.turn(ProcessExited(key, exit_))

    @precondition(lambda self: any(isinstance(k, ExecutorRun) for k in self.running))
    @rule(knows=st.booleans())
    def executor_subscribes(self, knows: bool) -> None:
        """It knows what it was handed; or it lost that with its last connection."""
        run = next(k for k in self.running if isinstance(k, ExecutorRun))
        if not knows:
            held = self.agent.tasks.held
            self.handed[run] = [
                task
                for task in self.handed[run]
                if (FRAMEWORK, task) not in held
                or held[FRAMEWORK, task].state is not TaskState.STAGING
            ]
        stream = next(self.numbers)
        self.streams[stream] = run
        known = tuple(
            TaskInfo(name="t", task_id=task, agent_id=AgentId("a1"))
            for task in self.handed[run]
        )
        call = executor_api.Subscribe(
            executor_id=run.executor_id,
            framework_id=FRAMEWORK,
            unacknowledged_tasks=known,
        )
        self.turn(ExecutorSubscribed(run, stream, call))

    @precondition(lambda self: self.streams)
    @rule()
    def stream_breaks(self) -> None:
        stream, run = self.streams.popitem()
        self.turn(StreamLost(run, stream))

    @precondition(lambda self: any(self.handed.values()))
    @rule(state=STATES, data=st.data())
    def executor_says(self, state: TaskState, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from([r for r, t in self.handed.items() if t]))
        task = data.draw(st.sampled_from(self.handed[run]))
        status = TaskStatus(
            task_id=task,
            state=state,
            source=Source.EXECUTOR,
            uuid=next(self.uuids).to_bytes(16, "big"),
        )
        call = executor_api.Update(
            executor_id=run.executor_id, framework_id=FRAMEWORK, status=status
        )
        self.turn(ExecutorCalled(run, call))

    @precondition(lambda self: self.running or self.alarms)
    @rule()
    def times_are_over(self) -> None:
        alarms, self.alarms = self.alarms, []
        graces = (GraceOver(key) for key in self.running)
        self.turn(*alarms, *graces)

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
        uuids: list[bytes] = []
        for message in arrived:
            if isinstance(message, StatusUpdates):
                uuids += [self.take_update(update) for update in message.updates]
            else:
                uuids += [self.take_report(report) for report in message.reports]
        self.hear(UpdatesCommitted(term=self.term, uuids=tuple(uuids)))

    def take_update(self, update: AgentUpdate) -> bytes:
        status = update.status
        assert status.uuid is not None
        log = self.log[update.framework_id, status.task_id]
        if status.uuid not in [s.uuid for s in log]:
            is_over = bool(log) and log[-1].state.is_terminal
            assert not is_over or status.state is TaskState.DROPPED, (log, status)
            log += [] if is_over else [status]
        return status.uuid

    def take_report(self, report: ExecutorReport) -> bytes:
        if report not in self.reports:
            row = self.agent.executors.rows[FRAMEWORK, report.executor_id]
            assert row.report == report
            assert not row.tasks, "an executor's end came before those of its tasks"
            self.reports.append(report)
        return report.uuid

    @rule()
    def agent_dies_and_returns(self) -> None:
        self.disk = decode_records(encode_records(self.disk))
        self.boot()

    @rule()
    def agent_compacts(self) -> None:
        self.disk = [r for p in compacted(recovered_of(self.agent)) for r in p]

    def teardown(self) -> None:
        """When all is well again, all has ended, and nothing is held any more."""
        if not self.is_joined:
            return
        for executor_id in EXECUTORS:
            self.shut_down(executor_id)
        for _ in range(8):
            while self.queue:
                self.next_start(True)
            self.times_are_over()
            while self.running:
                self.end_process(0, None)
            self.a_leader_registers_us()
            while self.arrived:
                self.leader_commits_what_arrived()
        for keys in self.tasks_of.values():
            for key in keys:
                ended = bool(self.log[key]) and self.log[key][-1].state.is_terminal
                assert ended, (key, self.log[key])
        assert not self.agent.tasks.held
        assert not self.agent.executors.rows
        assert not self.agent.is_waiting


TestExecutorMachine = ExecutorMachine.TestCase
TestExecutorMachine.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
