"""What the scripted leader owes its agents' executors, as ``leader.executor_duties``.

Their ends go into the log and are confirmed, orders to end are repeated, messages are
passed on once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raftleader.errors import RaftLeaderError
from raftleader.leader.agent_frames import shutdown_is_due
from raftleader.leader.agent_sync import compare_executors
from raftleader.leader.executor_duties import UNTAKEN_PAUSE_S
from raftleader.protocol.agent_rpc import (
    ExecutorOrder,
    ExecutorReport,
    ExecutorReports,
    FromExecutor,
    ShutdownExecutors,
    TaskList,
    TaskListWanted,
    ToExecutor,
    UpdatesCommitted,
)
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.scheduler_api import Message, SendMessage
from raftleader.state.cluster import ExecutorKey, Task
from raftleader.state.commands import LoseExecutors, ReportExecutors
from raftleader.state.outcomes import Outcome
from raftleader.state.queries import shutdown_wanted

if TYPE_CHECKING:
    from chaos.sim.fast.leader import LeaderTerm
    from chaos.sim.fast.leader_agents import Session

ExecutorName = tuple[FrameworkId, str]


class ExecutorDuties:
    """Those of one term."""

    def __init__(self, leader: LeaderTerm) -> None:
        self._leader = leader
        self._node = leader.node
        self._state = leader.state
        self._term = leader.term

    def registered(self, session: Session, agent_id: AgentId) -> None:
        """Order what the log wants of this agent."""
        for executor in shutdown_wanted(self._state, agent_id):
            self.look_at(session, executor.key)

    def look_at(self, session: Session, key: ExecutorKey) -> None:
        """Its row was touched, or its order has become old."""
        if not shutdown_is_due(self._state.executors.get(key)):
            session.shutdowns.pop(key, None)
        elif key not in session.shutdowns:
            session.shutdowns[key] = self._node.agenda.now_s
            self._end(session, ((key[0], key[2]),))

    def look_for_orphan(self, session: Session, task: Task) -> None:
        """All tasks of an executor may have ended before any reached the agent."""
        executor = task.info.executor
        if executor is None or not task.state.is_terminal:
            return
        key = (task.framework_id, task.info.agent_id, executor.executor_id)
        row = self._state.executors.get(key)
        if row is not None and not row.is_confirmed:
            session.send(TaskListWanted(term=self._term))

    def send(self, session: Session | None, call: SendMessage) -> None:
        """A scheduler's message."""
        if session is not None:
            session.send(
                ToExecutor(
                    term=self._term,
                    framework_id=call.framework_id,
                    executor_id=call.executor_id,
                    data=call.data,
                )
            )

    def pass_on(self, agent_id: AgentId, message: FromExecutor) -> None:
        """A message for a scheduler."""
        event = Message(
            agent_id=agent_id, executor_id=message.executor_id, data=message.data
        )
        self._leader.streams.tell(message.framework_id, event)

    def take_reports(
        self, session: Session, agent_id: AgentId, message: ExecutorReports
    ) -> None:
        """Put ends into the log; confirm what is there."""
        if self._node.agenda.now_s < session.untaken_s + UNTAKEN_PAUSE_S:
            return
        agent = self._state.agents.get(agent_id)
        taken = agent.executor_reports if agent is not None else ()
        fresh: list[ExecutorReport] = []
        for report in message.reports:
            if report.uuid in taken:
                session.send(UpdatesCommitted(term=self._term, uuids=(report.uuid,)))
            elif report.uuid not in session.in_flight:
                fresh.append(report)
        if not fresh:
            return
        uuids = tuple(report.uuid for report in fresh)
        session.in_flight.update(uuids)

        def told(result: Outcome | RaftLeaderError, index: int) -> None:
            if self._leader.is_over:
                return
            session.in_flight.difference_update(uuids)
            if not isinstance(result, RaftLeaderError):
                session.send(UpdatesCommitted(term=self._term, uuids=uuids))

        command = ReportExecutors(agent_id=agent_id, reports=tuple(fresh))
        self._leader.submit(command, told)

    def take_list(self, session: Session, agent_id: AgentId, message: TaskList) -> None:
        """Compare what the agent has with what the log says."""
        difference = compare_executors(self._state, agent_id, message.executors)
        if difference.foreign:
            self._end(session, difference.foreign)
        if difference.lost:
            command = LoseExecutors(agent_id=agent_id, executors=difference.lost)
            self._leader.submit(command)

    def _end(self, session: Session, names: Sequence[ExecutorName]) -> None:
        orders = tuple(
            ExecutorOrder(framework_id=framework_id, executor_id=executor_id)
            for framework_id, executor_id in names
        )
        session.send(ShutdownExecutors(term=self._term, orders=orders))
