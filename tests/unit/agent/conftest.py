"""Short ways to say things to a machine."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import attrs
import pytest

from agent.machine import Machine
from agent.machine.effects import Effect, Send, StartTask, Turn
from agent.machine.events import Event, MessageArrived, SessionOpened
from agent.machine.tasks import TaskTable
from agent.records import Identity, ProcessMark, Record
from agent.recovery import fill_table, recover
from raftleader.protocol.agent_rpc import (
    FromAgent,
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


def order(task: str, **more: object) -> TaskOrder:
    info = TaskInfo(
        name=task,
        task_id=TaskId(task),
        agent_id=AgentId("a1"),
        **{"command": CommandInfo(value="true"), **more},  # type: ignore[arg-type]
    )
    return TaskOrder(framework_id=FRAMEWORK, framework_name="f", task=info)


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

    def commit_all(self, effects: list[Effect]) -> None:
        """Commit what was sent, and what follows from that."""
        while updates := self.updates(effects):
            effects = self.commit(*updates)


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
