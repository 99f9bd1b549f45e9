"""What a leader owes its agents during one term: register, launch, kill, confirm.

Theory of operation. Once an agent is registered (a command only if the log does
not say so already) it is told so, and sent every launch and kill the log has for
it; its digest then shows whether anything else differs. From then on each applied
entry names the rows it touched, and what is not confirmed is sent again every
RESEND_INTERVAL_S: launches, kills, ends of executors, and Registered, without which
an agent sends no updates. Its volumes it is told once, and after each change: the
link loses nothing, and a new one begins with them. Nothing here remembers what to
do: it follows from the state.

Everything sent carries the term, and agents ignore a lower one, so what a deposed
leader sends from its old state does no harm (promise P8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

import trio

from raftleader import limits
from raftleader.errors import InvalidInputError, RaftLeaderError
from raftleader.leader.agent_frames import (
    kill_is_due,
    run_is_due,
    shutdown_is_due,
)
from raftleader.leader.agent_session import AgentSession
from raftleader.leader.agent_sync import (
    compare_tasks,
    digest_is_equal,
    is_in_log,
    registered_agent,
)
from raftleader.leader.executor_duties import ExecutorDuties
from raftleader.leader.held_failures import Tell
from raftleader.leader.submitting import Submit
from raftleader.protocol.agent_rpc import (
    AgentUpdate,
    Dismissed,
    ExecutorReports,
    FromExecutor,
    HeldTask,
    Refused,
    Registered,
    TaskDigest,
    TaskList,
    TaskListWanted,
)
from raftleader.protocol.ids import AgentId, FrameworkId, TaskKey
from raftleader.protocol.tasks import Reason, Source, TaskStatus
from raftleader.state.cluster import ClusterState, ExecutorKey, Task
from raftleader.state.commands import LoseTasks, RegisterAgent, UpdateTasks
from raftleader.state.outcomes import (
    Outcome,
    Refusal,
    Registration,
    Rejected,
    Touched,
)
from raftleader.state.queries import (
    shutdown_wanted,
    unconfirmed_tasks,
    wanted_kills,
)

RETRY_LOOK_S = 1.0
"""Between two looks for registrations and resends that are due."""


class AgentDuties:
    """One term's dealings with all registered agents; see the module docstring.

    Attributes:
        term: The term all messages carry.
    """

    def __init__(
        self,
        state: ClusterState,
        *,
        term: int,
        submit: Submit,
        connected_changed: Callable[[], None],
        tell: Tell,
        counts: Counter[str],
    ) -> None:
        """``connected_changed`` hears of agents that come and go."""
        self.term = term
        self._state = state
        self._submit = submit
        self._connected_changed = connected_changed
        self._counts = counts
        self._executors = ExecutorDuties(
            state, term=term, submit=submit, tell=tell, counts=counts
        )
        self._by_agent: dict[AgentId, AgentSession] = {}
        self._heard_s: dict[AgentId, float] = {}
        # Sessions that owe something, or are owed: a registration, a digest, resends.
        self._restless: dict[AgentSession, None] = {}
        self._is_over = False

    def is_connected(self, agent_id: AgentId) -> bool:
        """Whether the agent is registered in this term, over an open link."""
        return agent_id in self._by_agent

    def connected_ids(self) -> Collection[AgentId]:
        """Agents for which :meth:`is_connected` is true."""
        return self._by_agent.keys()

    def last_heard_s(self, agent_id: AgentId) -> float | None:
        """When the agent gave its last sign in this term, on trio's clock."""
        session = self._by_agent.get(agent_id)
        if session is not None:
            return session.last_heard_s
        return self._heard_s.get(agent_id)

    def send_to_executor(
        self,
        framework_id: FrameworkId,
        agent_id: AgentId,
        executor_id: str,
        data: bytes,
    ) -> None:
        """See ``LeaderNode.send_to_executor``."""
        session = self._by_agent.get(agent_id)
        self._executors.send(session, framework_id, executor_id, data)

    def end(self) -> None:
        """The term is over; what is still on its way changes nothing here."""
        self._is_over = True
        self._executors.end()
        self._by_agent.clear()
        self._restless.clear()

    def on_applied(self, touched: Touched) -> None:
        """Queue what this entry made due for agents; what it made due for frameworks
        is on their streams already. On the hot path."""
        now_s = trio.current_time()
        for key in touched.tasks:
            self._look_at_task(key, now_s)
        for executor in touched.executors:
            self._look_at_executor(executor, now_s)
        self._executors.on_applied(touched.tasks)
        for agent_id in touched.agents:
            session = self._by_agent.get(agent_id)
            if session is None:
                continue
            agent = self._state.agents.get(agent_id)
            if agent is None or agent.unreachable_ms is not None:
                # It was given up. It must register again, so it must notice.
                session.cut("unreachable")
            elif agent.dynamic is not session.volumes_told:
                session.send_volumes(agent.dynamic)

    def forget(self, session: AgentSession) -> None:
        """The link is gone; a newer session of the agent stays."""
        self._restless.pop(session, None)
        agent_id = session.agent_id
        if agent_id is not None and self._by_agent.get(agent_id) is session:
            del self._by_agent[agent_id]
            self._heard_s[agent_id] = session.last_heard_s
            self._connected_changed()

    def take(
        self,
        session: AgentSession,
        message: TaskDigest | TaskList | ExecutorReports | FromExecutor,
    ) -> None:
        """What a registered agent says of its tasks and executors."""
        agent_id = session.agent_id
        if agent_id is None:
            return  # not registered yet: it will say it again
        match message:
            case TaskDigest():
                digests = (message.digest, message.executors)
                if digest_is_equal(self._state, agent_id, *digests):
                    session.is_in_sync = True
                else:
                    session.send(TaskListWanted(term=self.term))
            case TaskList():
                session.is_in_sync = True
                self._take_list(session, agent_id, message)
            case ExecutorReports():
                self._executors.take_reports(session, agent_id, message)
            case FromExecutor():
                self._executors.pass_on(agent_id, message)

    def register(self, session: AgentSession) -> None:
        """Register the agent if the log does not know it as it is."""
        if session.is_registering or session.cut_reason is not None:
            return
        hello = session.hello
        agent = registered_agent(self._state, hello)
        if agent is not None:
            self._counts["agents_reregistered"] += 1
            self._registered(session, agent.id)
            return
        is_new = hello.key not in self._state.agent_ids_by_key

        def told(result: Outcome | RaftLeaderError) -> None:
            if self._is_over or session.cut_reason is not None:
                return
            session.is_registering = False
            if isinstance(result, Rejected):
                problem = result.message or result.refusal.value
                if result.refusal in (Refusal.AGENT_GONE, Refusal.MACHINE_DOWN):
                    session.send_last(Dismissed(term=self.term, problem=problem))
                else:
                    session.send_last(Refused(problem=problem))
            elif not isinstance(result, RaftLeaderError):
                assert isinstance(result.value, Registration)
                if result.value.agent_id in self._state.agents:
                    how = "agents_registered" if is_new else "agents_reregistered"
                    self._counts[how] += 1
                    self._registered(session, result.value.agent_id)
                else:  # it came back to be drained, and that was all
                    problem = Refusal.AGENT_GONE.value
                    session.send_last(Dismissed(term=self.term, problem=problem))

        session.is_registering = True
        self._restless[session] = None
        try:
            self._submit(
                RegisterAgent(key=hello.key, info=hello.info, agent_id=hello.agent_id),
                told,
            )
        except RaftLeaderError:
            session.is_registering = False  # ``run`` tries once more

    def take_updates(self, session: AgentSession, updates: list[AgentUpdate]) -> None:
        """Put news of tasks into the log; confirm what is there.

        Raises InvalidInputError on an update that cannot be named.
        """
        agent_id = session.agent_id
        if not updates or agent_id is None:
            return
        in_flight = session.updates_in_flight
        fresh: list[AgentUpdate] = []
        uuids: list[bytes] = []
        unknown = 0
        for update in updates:
            uuid = update.status.uuid
            if uuid is None:
                raise InvalidInputError("updates.status.uuid", "must be set")
            if uuid in in_flight:
                continue
            if is_in_log(self._state, update):
                session.confirm([uuid])
                continue
            in_flight.add(uuid)
            uuids.append(uuid)
            fresh.append(update)
            key = (update.framework_id, update.status.task_id)
            unknown += key not in self._state.tasks
        self._counts["updates_received"] += len(updates)
        self._counts["updates_unknown"] += unknown
        if not fresh:
            return

        def told(result: Outcome | RaftLeaderError) -> None:
            if self._is_over:
                return  # the agent says it again, to the next leader
            session.settle_updates(uuids)
            if isinstance(result, RaftLeaderError):
                session.untaken_s = trio.current_time()
            else:
                # Rejected too: what the log does not want, it never will.
                session.confirm(uuids)

        try:
            self._submit(UpdateTasks(agent_id=agent_id, updates=tuple(fresh)), told)
        except RaftLeaderError:
            session.settle_updates(uuids)
            session.untaken_s = trio.current_time()
            self._counts["updates_not_taken"] += len(uuids)

    async def run(self) -> None:
        """Register and send again what did not work, until cancelled."""
        while True:
            await trio.sleep(RETRY_LOOK_S)
            self._executors.tell_overdue()
            now_s = trio.current_time()
            due_s = now_s - limits.RESEND_INTERVAL_S
            for session in list(self._restless):
                if session.agent_id is None:
                    self.register(session)
                elif not session.is_in_sync and session.registered_s <= due_s:
                    self._tell_registered(session, session.agent_id)
                for key, sent_s in list(session.runs.items()):
                    if not run_is_due(self._state.tasks.get(key)):
                        del session.runs[key]
                    elif sent_s <= due_s:
                        session.send_run(key, now_s)
                for key, sent_s in list(session.kills.items()):
                    if not kill_is_due(self._state.tasks.get(key)):
                        del session.kills[key]
                    elif sent_s <= due_s:
                        session.send_kill(key, now_s)
                for executor, sent_s in list(session.shutdowns.items()):
                    if not shutdown_is_due(self._state.executors.get(executor)):
                        del session.shutdowns[executor]
                    elif sent_s <= due_s:
                        session.send_shutdown(executor, now_s)
                self._settle_rest(session)

    def _registered(self, session: AgentSession, agent_id: AgentId) -> None:
        session.agent_id = agent_id
        self._by_agent[agent_id] = session
        self._tell_registered(session, agent_id)
        now_s = trio.current_time()
        session.send_volumes(self._state.agents[agent_id].dynamic)
        for task in unconfirmed_tasks(self._state, agent_id):
            session.send_run(task.key, now_s)
        for task in wanted_kills(self._state, agent_id):
            session.send_kill(task.key, now_s)
        for executor in shutdown_wanted(self._state, agent_id):
            session.send_shutdown(executor.key, now_s)
        self._settle_rest(session)
        self._connected_changed()

    def _tell_registered(self, session: AgentSession, agent_id: AgentId) -> None:
        """The agent answers with its digest, and then sends its updates."""
        session.registered_s = trio.current_time()
        session.send(Registered(term=self.term, agent_id=agent_id))

    def _look_at_task(self, key: TaskKey, now_s: float) -> None:
        task = self._state.tasks.get(key)
        if task is None:
            return
        session = self._by_agent.get(task.info.agent_id)
        if session is None:
            return
        if not run_is_due(task):
            session.runs.pop(key, None)
        elif key not in session.runs:
            session.send_run(key, now_s)
            self._restless[session] = None
        if not kill_is_due(task):
            session.kills.pop(key, None)
        elif key not in session.kills:
            session.send_kill(key, now_s)
            self._restless[session] = None
        if task.info.executor is not None and task.state.is_terminal:
            self._look_for_orphan(session, task, task.info.executor.executor_id)

    def _look_at_executor(self, key: ExecutorKey, now_s: float) -> None:
        session = self._by_agent.get(key[1])
        if session is None:
            return
        if not shutdown_is_due(self._state.executors.get(key)):
            session.shutdowns.pop(key, None)
        elif key not in session.shutdowns:
            session.send_shutdown(key, now_s)
            self._restless[session] = None

    def _look_for_orphan(
        self, session: AgentSession, task: Task, executor_id: str
    ) -> None:
        """Ask for the list if all tasks of an executor may have ended before any
        reached the agent: then it has nothing whose end it could report."""
        key = (task.framework_id, task.info.agent_id, executor_id)
        executor = self._state.executors.get(key)
        if executor is not None and not executor.is_confirmed:
            session.send(TaskListWanted(term=self.term))

    def _take_list(
        self, session: AgentSession, agent_id: AgentId, message: TaskList
    ) -> None:
        difference = compare_tasks(self._state, agent_id, message.tasks)
        for framework_id, task_id in difference.foreign:
            session.send_foreign_kill(framework_id, task_id)
        try:
            self._executors.take_list(session, agent_id, message)
            if difference.lost:
                self._submit(LoseTasks(agent_id=agent_id, tasks=difference.lost))
            if difference.returned:
                updates = tuple(
                    _reading_of(agent_id, held) for held in difference.returned
                )
                self._submit(UpdateTasks(agent_id=agent_id, updates=updates))
        except RaftLeaderError:
            # Compare again when there is room: the agent must not wait for that.
            session.cut("overloaded")

    def _settle_rest(self, session: AgentSession) -> None:
        is_done = session.agent_id is not None and session.is_in_sync
        if not is_done or session.runs or session.kills or session.shutdowns:
            self._restless[session] = None
        else:
            self._restless.pop(session, None)


def _reading_of(agent_id: AgentId, held: HeldTask) -> AgentUpdate:
    """The leader's reading of a list; ``apply`` gives it a uuid if it is news."""
    status = TaskStatus(
        task_id=held.task_id,
        state=held.state,
        source=Source.LEADER,
        agent_id=agent_id,
        reason=Reason.AGENT_REREGISTERED,
    )
    return AgentUpdate(framework_id=held.framework_id, status=status)
