"""Short ways to say things to a machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import attrs
import pytest

from agent.machine import Machine
from agent.machine.effects import Effect, Send, SendEvent, StartTask, Turn
from agent.machine.events import (
    Event,
    ExecutorCalled,
    ExecutorSubscribed,
    MessageArrived,
    ProcessStarted,
    SessionOpened,
)
from agent.machine.held import Held
from agent.machine.tasks import TaskTable
from agent.records import Ended, ExecutorRun, Identity, ProcessMark, Record
from agent.recovery import fill_table, recover
from raftleader.protocol import executor_api
from raftleader.protocol.agent_rpc import (
    ExecutorOrder,
    ExecutorReport,
    ExecutorReports,
    FromAgent,
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
CUSTOM = ExecutorInfo(
    executor_id="e", type=ExecutorType.CUSTOM, command=CommandInfo(value="run")
)


def order(task: str, *, group: tuple[str, ...] = (), **more: object) -> TaskOrder:
    info = TaskInfo(
        name=task,
        task_id=TaskId(task),
        agent_id=AgentId("a1"),
        **{"command": CommandInfo(value="true"), **more},  # type: ignore[arg-type]
    )
    return TaskOrder(
        framework_id=FRAMEWORK,
        framework_name="f",
        framework=FrameworkInfo(user="u", name="f", checkpoint=True),
        role="dev",
        group=tuple(map(TaskId, group)),
        task=info,
    )


@attrs.define
class Driver:
    """A machine, and everything it ever wrote."""

    machine: Machine
    records: list[Record] = attrs.field(factory=list)
    turns: list[Turn] = attrs.field(factory=list)

    def key(self, task: str) -> TaskKey:
        return (FRAMEWORK, TaskId(task))

    def mark(self, pid: int = 7) -> ProcessMark:
        return ProcessMark(pid=pid, start_ticks=pid * 10, boot_id="boot")

    def do(self, *events: Event) -> list[Effect]:
        turn = self.machine.turn(events, 1_000)
        self.records += turn.records
        self.turns.append(turn)
        return turn.effects

    def hear(self, *messages: FromNode, session: int = 1) -> list[Effect]:
        return self.do(*(MessageArrived(session, m) for m in messages))

    def join(self, *, session: int = 1, term: int = 1) -> list[Effect]:
        """Open a session with a leader that registers us at once."""
        self.do(SessionOpened(session))
        hello = NodeHello(
            cluster_id="c", node_id=f"n{session}", term=term, leading=True
        )
        registered = Registered(term=term, agent_id=AgentId("a1"))
        return self.hear(hello, registered, session=session)

    def run(self, *tasks: str, term: int = 1, **more: object) -> list[Effect]:
        orders = tuple(order(task, **more) for task in tasks)
        return self.hear(RunTasks(term=term, orders=orders))

    def run_for(
        self,
        *tasks: str,
        executor: ExecutorInfo = CUSTOM,
        is_group: bool = False,
        **more: object,
    ) -> list[Effect]:
        """Tasks for an executor; for the framework's own program if none is named."""
        if executor.type is not ExecutorType.DEFAULT and not is_group:
            more.setdefault("command", None)
        group = tasks if is_group else ()
        orders = tuple(
            order(task, group=group, executor=executor, **more) for task in tasks
        )
        return self.hear(RunTasks(term=1, orders=orders))

    def run_of(self, executor_id: str = "e") -> ExecutorRun:
        return self.machine.executors.rows[FRAMEWORK, executor_id].run

    def begin(self, executor_id: str = "e") -> ExecutorRun:
        """Its process runs."""
        run = self.run_of(executor_id)
        self.do(ProcessStarted(run, self.mark(70)))
        return run

    def subscribe(
        self,
        run: ExecutorRun,
        stream: int = 1,
        *,
        tasks: tuple[str, ...] = (),
        updates: tuple[TaskStatus, ...] = (),
    ) -> list[Effect]:
        call = executor_api.Subscribe(
            executor_id=run.executor_id,
            framework_id=FRAMEWORK,
            unacknowledged_tasks=tuple(order(task).task for task in tasks),
            unacknowledged_updates=updates,
        )
        return self.do(ExecutorSubscribed(run, stream, call))

    def say(self, run: ExecutorRun, status: TaskStatus) -> list[Effect]:
        """An update of an executor."""
        call = executor_api.Update(
            executor_id=run.executor_id, framework_id=FRAMEWORK, status=status
        )
        return self.do(ExecutorCalled(run, call))

    def status(
        self, task: str, state: TaskState, uuid: int = 100, **more: object
    ) -> TaskStatus:
        """An update as an executor makes it."""
        return TaskStatus(
            task_id=TaskId(task),
            state=state,
            source=Source.EXECUTOR,
            uuid=uuid.to_bytes(16, "big"),
            **more,  # type: ignore[arg-type]
        )

    def events(self, effects: list[Effect]) -> list[executor_api.Event]:
        return [e.event for e in effects if isinstance(e, SendEvent)]

    def reports(self, effects: list[Effect]) -> list[ExecutorReport]:
        return [
            report
            for message in self.sent(effects)
            if isinstance(message, ExecutorReports)
            for report in message.reports
        ]

    def commit_reports(self, *reports: ExecutorReport) -> list[Effect]:
        uuids = tuple(report.uuid for report in reports)
        return self.hear(UpdatesCommitted(term=1, uuids=uuids))

    def shut_down(self, executor_id: str = "e") -> list[Effect]:
        one = ExecutorOrder(framework_id=FRAMEWORK, executor_id=executor_id)
        return self.hear(ShutdownExecutors(term=1, orders=(one,)))

    def held(self, task: str) -> Held:
        return self.machine.tasks.held[self.key(task)]

    def ends(self) -> dict[str, TaskStatus]:
        """Ends on the disk, by task."""
        found = [r for r in self.records if isinstance(r, Ended)]
        return {record.task_id: record.status for record in found}

    def kill(
        self, task: str, *, grace_ms: int | None = None, term: int = 1
    ) -> list[Effect]:
        kill = KillOrder(
            framework_id=FRAMEWORK, task_id=TaskId(task), grace_ms=grace_ms
        )
        return self.hear(KillTasks(term=term, orders=(kill,)))

    def commit(self, *updates: TaskStatus, term: int = 1) -> list[Effect]:
        uuids = tuple(u.uuid for u in updates if u.uuid)
        return self.hear(UpdatesCommitted(term=term, uuids=uuids))

    def updates(self, effects: list[Effect]) -> list[TaskStatus]:
        return [
            update.status
            for message in self.sent(effects)
            if isinstance(message, StatusUpdates)
            for update in message.updates
        ]

    def states(self, effects: list[Effect]) -> list[tuple[str, TaskState]]:
        return [(u.task_id, u.state) for u in self.updates(effects)]

    def sent(self, effects: list[Effect]) -> list[FromAgent]:
        return [e.message for e in effects if isinstance(e, Send)]

    def starts(self, effects: list[Effect]) -> list[str]:
        return [e.order.task.task_id for e in effects if isinstance(e, StartTask)]

    def commit_all(self, effects: list[Effect]) -> list[Effect]:
        """Commit what was sent, and what follows from that; the last effects."""
        while updates := self.updates(effects):
            effects = self.commit(*updates)
        return effects


@pytest.fixture
def make_driver() -> Callable[..., Driver]:
    uuids = itertools.count(1)

    def make(records: list[Record] | None = None) -> Driver:
        table = TaskTable(lambda: next(uuids).to_bytes(16, "big"))
        identity = Identity(key="k", agent_id=AgentId("a1"), cluster_id="c")
        machine = Machine(identity, AgentInfo(hostname="h", ip="i", port=1), table)
        driver = Driver(machine)
        if records is not None:
            driver.records = list(records)
            driver.do(fill_table(table, recover(records)))
        return driver

    return make


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    """An agent that a leader of term 1 has registered in session 1."""
    driver = make_driver()
    driver.join()
    return driver
