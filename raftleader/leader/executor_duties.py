"""What a leader owes its agents' executors: their ends, and messages both ways.

The end of an executor is a command in the log, like the end of a task; its framework
is then told by a FAILURE event, once, and not again after a failover (Mesos' own
promise: unreliable). It is told how the tasks ended before (``held_failures.py``).
Messages between schedulers and executors are passed on as long as both sides are
there and read, and are lost otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import trio

from raftleader import limits
from raftleader.errors import RaftLeaderError
from raftleader.leader.agent_session import AgentSession
from raftleader.leader.agent_sync import compare_executors
from raftleader.leader.held_failures import HeldFailures, Tell
from raftleader.leader.submitting import Submit
from raftleader.protocol.agent_rpc import (
    ExecutorReport,
    ExecutorReports,
    FromExecutor,
    TaskList,
    ToExecutor,
)
from raftleader.protocol.ids import AgentId, FrameworkId, TaskKey
from raftleader.protocol.scheduler_api import Failure, Message
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import LoseExecutors, ReportExecutors
from raftleader.state.outcomes import Outcome

UNTAKEN_PAUSE_S = 2 * limits.RESEND_INTERVAL_S
"""While there was no room for updates of an agent, and until it has sent them again,
ends of executors must wait: they would end tasks whose true end is in the updates."""


class ExecutorDuties:
    """See the module docstring. Part of ``AgentDuties``; lives as long."""

    def __init__(
        self,
        state: ClusterState,
        *,
        term: int,
        submit: Submit,
        tell: Tell,
        counts: Counter[str],
    ) -> None:
        self._term = term
        self._state = state
        self._submit = submit
        self._tell = tell
        self._counts = counts
        self._failures = HeldFailures(state, tell)
        self._is_over = False

    def end(self) -> None:
        """The term is over; what is still on its way changes nothing here."""
        self._is_over = True
        self._failures.end()

    def on_applied(self, tasks: Iterable[TaskKey]) -> None:
        """These tasks changed, and what is due of them is on the streams."""
        self._failures.on_applied(tasks)

    def tell_overdue(self) -> None:
        """What was held back for long enough; to be called about every second."""
        self._failures.tell_overdue()

    def send(
        self,
        session: AgentSession | None,
        framework_id: FrameworkId,
        executor_id: str,
        data: bytes,
    ) -> None:
        """See ``LeaderNode.send_to_executor``."""
        is_sent = session is not None and session.send_message(
            ToExecutor(
                term=self._term,
                framework_id=framework_id,
                executor_id=executor_id,
                data=data,
            )
        )
        self._counts["messages_to_executors" if is_sent else "messages_dropped"] += 1

    def pass_on(self, agent_id: AgentId, message: FromExecutor) -> None:
        """An executor's message for its scheduler."""
        framework = self._state.frameworks.get(message.framework_id)
        is_told = framework is not None and framework.connected
        how = "messages_from_executors" if is_told else "messages_for_nobody"
        self._counts[how] += 1
        event = Message(
            agent_id=agent_id, executor_id=message.executor_id, data=message.data
        )
        self._tell(message.framework_id, event)

    def take_reports(
        self, session: AgentSession, agent_id: AgentId, message: ExecutorReports
    ) -> None:
        """Put ends of executors into the log; confirm what is there."""
        if trio.current_time() < session.untaken_s + UNTAKEN_PAUSE_S:
            return
        agent = self._state.agents.get(agent_id)
        taken = frozenset(agent.executor_reports if agent is not None else ())
        fresh: list[ExecutorReport] = []
        for report in message.reports:
            if report.uuid in taken:
                session.confirm([report.uuid])
            elif report.uuid not in session.updates_in_flight:
                session.updates_in_flight.add(report.uuid)
                fresh.append(report)
        if not fresh:
            return
        self._counts["executor_reports"] += len(fresh)
        uuids = [report.uuid for report in fresh]
        # An end that the log did not wait for goes there all the same: repeated, it
        # must not end a later executor of that name.
        awaited = [
            report
            for report in fresh
            if (report.framework_id, agent_id, report.executor_id)
            in self._state.executors
        ]

        def told(result: Outcome | RaftLeaderError) -> None:
            if self._is_over:
                return  # the agent says it again, to the next leader
            session.settle_updates(uuids)
            if isinstance(result, RaftLeaderError):
                return
            session.confirm(uuids)
            for report in awaited:
                self._tell_of_end(agent_id, report)

        try:
            command = ReportExecutors(agent_id=agent_id, reports=tuple(fresh))
            self._submit(command, told)
        except RaftLeaderError:
            session.settle_updates(uuids)
            self._counts["reports_not_taken"] += len(uuids)

    def take_list(
        self, session: AgentSession, agent_id: AgentId, message: TaskList
    ) -> None:
        """What the agent says of its executors. Raises like ``Submit``."""
        difference = compare_executors(self._state, agent_id, message.executors)
        for framework_id, executor_id in difference.foreign:
            session.send_foreign_shutdown(framework_id, executor_id)
        if difference.lost:
            command = LoseExecutors(agent_id=agent_id, executors=difference.lost)
            self._submit(command)

    def _tell_of_end(self, agent_id: AgentId, report: ExecutorReport) -> None:
        self._counts["executors_ended"] += 1
        failure = Failure(
            agent_id=agent_id, executor_id=report.executor_id, status=report.status
        )
        self._failures.tell(report.framework_id, agent_id, failure)
