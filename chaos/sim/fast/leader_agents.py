"""What the scripted leader owes its agents: register, launch, kill, confirm.

The same messages in the same order as ``raftleader.leader.agent_duties`` sends, from
the same comparisons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from chaos.sim.fast.leader_executors import ExecutorDuties
from chaos.sim.fast.network import Connection
from raftleader.errors import RaftLeaderError
from raftleader.leader.agent_frames import (
    kill_is_due,
    run_is_due,
    run_messages,
    volumes_message,
)
from raftleader.leader.agent_sync import (
    compare_tasks,
    digest_is_equal,
    is_in_log,
    registered_agent,
)
from raftleader.limits import RESEND_INTERVAL_S
from raftleader.protocol.agent_rpc import (
    AgentHello,
    AgentUpdate,
    Dismissed,
    ExecutorReports,
    FromAgent,
    FromExecutor,
    FromNode,
    HeldTask,
    KillOrder,
    KillTasks,
    NodeHello,
    Refused,
    Registered,
    StatusUpdates,
    TaskDigest,
    TaskList,
    TaskListWanted,
    UpdatesCommitted,
)
from raftleader.protocol.ids import AgentId, TaskKey
from raftleader.protocol.resources import Resources
from raftleader.protocol.tasks import Reason, Source, TaskStatus
from raftleader.state.cluster import Agent, ExecutorKey
from raftleader.state.commands import LoseTasks, RegisterAgent, UpdateTasks
from raftleader.state.outcomes import Outcome, Refusal, Registration, Rejected, Touched
from raftleader.state.queries import unconfirmed_tasks, wanted_kills

if TYPE_CHECKING:
    from chaos.sim.fast.leader import LeaderTerm
    from chaos.sim.fast.node_life import NodeLife


@attrs.define(eq=False)
class Session:
    """An agent's connection to a node, leading or not.

    Attributes:
        agent_id: Its id, once it is registered in the node's present term.
        runs, kills, shutdowns: Orders that are not confirmed, and when they were sent
            last.
        volumes_told: What the volumes it knows are part of; None if it was told none.
        untaken_s: When updates of it could not be taken.
    """

    node: NodeLife
    connection: Connection
    hello: AgentHello | None = None
    told_term: int | None = None
    agent_id: AgentId | None = None
    registered_s: float = 0.0
    is_in_sync: bool = False
    is_registering: bool = False
    runs: dict[TaskKey, float] = attrs.field(factory=dict)
    kills: dict[TaskKey, float] = attrs.field(factory=dict)
    shutdowns: dict[ExecutorKey, float] = attrs.field(factory=dict)
    volumes_told: Resources | None = None
    untaken_s: float = float("-inf")
    in_flight: set[bytes] = attrs.field(factory=set)

    def send(self, message: FromNode) -> None:
        self.node.network.send(self.connection, 1, message)

    def tell_role(self) -> None:
        """Introduce the node, or say that its role is another now."""
        if self.hello is None:
            return
        leader = self.node.leader
        term = leader.term if leader is not None and leader.is_active else 0
        if self.told_term == term:
            return
        self.told_term = term
        self.agent_id = None
        self.is_in_sync = self.is_registering = False
        self.runs.clear()
        self.kills.clear()
        self.shutdowns.clear()
        self.volumes_told = None
        self.in_flight = set()
        state = self.node.machine.state
        self.send(
            NodeHello(
                cluster_id=state.cluster_id,
                node_id=self.node.name,
                term=term or state.term,
                leading=term > 0,
            )
        )
        if leader is not None and term:
            leader.agents.register(self)

    def received(self, message: FromAgent) -> None:
        leader = self.node.leader
        if isinstance(message, AgentHello):
            self.hello = message
            self.tell_role()
        elif leader is not None and leader.is_active:
            leader.agents.take(self, message)


class AgentDuties:
    """One term's dealings with all agents.

    Attributes:
        by_agent: Registered agents with an open session.
        executors: What it owes their executors.
    """

    def __init__(self, leader: LeaderTerm) -> None:
        self.by_agent: dict[AgentId, Session] = {}
        self._leader = leader
        self._node = leader.node
        self._state = leader.state
        self._term = leader.term
        self._lost_s: dict[AgentId, float] = {}
        self.executors = ExecutorDuties(leader)

    def begin(self) -> None:
        """We lead: tell everybody."""
        for session in list(self._node.clients.sessions.values()):
            session.tell_role()

    def end(self) -> None:
        """We do not, any more."""
        self.by_agent.clear()
        for session in list(self._node.clients.sessions.values()):
            session.tell_role()

    def closed(self, session: Session) -> None:
        """The link is gone; a newer session of the agent stays."""
        agent_id = session.agent_id
        if agent_id is not None and self.by_agent.get(agent_id) is session:
            del self.by_agent[agent_id]
            self._lost_s[agent_id] = self._node.agenda.now_s

    def silent(self, began_s: float, timeout_s: float) -> tuple[AgentId, ...]:
        """Agents without a session for too long, in the order of their ids."""
        latest_s = self._node.agenda.now_s - timeout_s
        if began_s > latest_s:
            return ()
        return tuple(
            sorted(
                agent.id
                for agent in self._state.agents.values()
                if agent.unreachable_ms is None
                and agent.id not in self.by_agent
                and max(self._lost_s.get(agent.id, began_s), began_s) <= latest_s
            )
        )

    def applied(self, touched: Touched) -> None:
        """Send what this entry made due; volumes before the tasks that use them."""
        for agent_id in touched.agents:
            session = self.by_agent.get(agent_id)
            if session is not None and agent_id in self._state.agents:
                self._look_at_volumes(session, self._state.agents[agent_id])
        for key in touched.tasks:
            task = self._state.tasks.get(key)
            if task is not None:
                session = self.by_agent.get(task.info.agent_id)
                if session is not None:
                    self._look_at_task(session, key)
                    self.executors.look_for_orphan(session, task)
        for executor in touched.executors:
            session = self.by_agent.get(executor[1])
            if session is not None:
                self.executors.look_at(session, executor)
        for agent_id in touched.agents:
            session = self.by_agent.get(agent_id)
            agent = self._state.agents.get(agent_id)
            if session is not None and (
                agent is None or agent.unreachable_ms is not None
            ):
                # It was given up. It must register again, so it must notice.
                self._node.clients.cut(session)

    def look(self) -> None:
        """Once a second: what was sent long ago is sent again."""
        now_s = self._node.agenda.now_s
        due_s = now_s - RESEND_INTERVAL_S
        for session in list(self._node.clients.sessions.values()):
            if session.told_term != self._term:
                continue
            if session.agent_id is None:
                self.register(session)
            elif not session.is_in_sync and session.registered_s <= due_s:
                self._tell_registered(session, session.agent_id)
            for orders in (session.runs, session.kills):
                for key, sent_s in list(orders.items()):
                    if sent_s <= due_s and orders.get(key) == sent_s:
                        del orders[key]
                        self._look_at_task(session, key)
            for executor, sent_s in list(session.shutdowns.items()):
                if sent_s <= due_s:
                    del session.shutdowns[executor]
                    self.executors.look_at(session, executor)

    def register(self, session: Session) -> None:
        """Register the agent if the log does not know it as it is."""
        hello = session.hello
        if session.is_registering or hello is None:
            return
        agent = registered_agent(self._state, hello)
        if agent is not None:
            self._registered(session, agent.id)
            return

        def told(result: Outcome | RaftLeaderError, index: int) -> None:
            if self._leader.is_over or session.told_term != self._term:
                return
            session.is_registering = False
            if isinstance(result, Rejected):
                problem = result.message or result.refusal.value
                if result.refusal in (Refusal.AGENT_GONE, Refusal.MACHINE_DOWN):
                    session.send(Dismissed(term=self._term, problem=problem))
                else:
                    session.send(Refused(problem=problem))
            elif not isinstance(result, RaftLeaderError):
                assert isinstance(result.value, Registration)
                if result.value.agent_id in self._state.agents:
                    self._registered(session, result.value.agent_id)
                else:  # it came back to be drained, and that was all
                    problem = Refusal.AGENT_GONE.value
                    session.send(Dismissed(term=self._term, problem=problem))

        session.is_registering = True
        self._leader.submit(
            RegisterAgent(key=hello.key, info=hello.info, agent_id=hello.agent_id),
            told,
        )

    def take(self, session: Session, message: FromAgent) -> None:
        """What an agent says of its tasks; nothing before it is registered."""
        agent_id = session.agent_id
        if agent_id is None:
            return
        if isinstance(message, StatusUpdates):
            self._take_updates(session, agent_id, message.updates)
        elif isinstance(message, TaskList):
            session.is_in_sync = True
            self._take_list(session, agent_id, message)
        elif isinstance(message, ExecutorReports):
            self.executors.take_reports(session, agent_id, message)
        elif isinstance(message, FromExecutor):
            self.executors.pass_on(agent_id, message)
        elif isinstance(message, TaskDigest):
            digests = (message.digest, message.executors)
            if digest_is_equal(self._state, agent_id, *digests):
                session.is_in_sync = True
            else:
                session.send(TaskListWanted(term=self._term))

    def _registered(self, session: Session, agent_id: AgentId) -> None:
        if not session.connection.is_open[1]:
            return
        session.agent_id = agent_id
        self.by_agent[agent_id] = session
        self._tell_registered(session, agent_id)
        self._look_at_volumes(session, self._state.agents[agent_id])
        for task in unconfirmed_tasks(self._state, agent_id):
            self._look_at_task(session, task.key)
        for task in wanted_kills(self._state, agent_id):
            self._look_at_task(session, task.key)
        self.executors.registered(session, agent_id)
        self._leader.look_at_all()

    def _tell_registered(self, session: Session, agent_id: AgentId) -> None:
        session.registered_s = self._node.agenda.now_s
        session.send(Registered(term=self._term, agent_id=agent_id))

    def _look_at_volumes(self, session: Session, agent: Agent) -> None:
        """Agents without a disk have none, and need not hear of it."""
        if agent.dynamic is not session.volumes_told and (
            "disk" in agent.info.resources.scalars
        ):
            session.volumes_told = agent.dynamic
            session.send(volumes_message(self._state, agent.id, term=self._term))

    def _look_at_task(self, session: Session, key: TaskKey) -> None:
        task = self._state.tasks.get(key)
        now_s = self._node.agenda.now_s
        if task is None or not kill_is_due(task):
            session.kills.pop(key, None)
        elif key not in session.kills:
            session.kills[key] = now_s
            kill = KillOrder(
                framework_id=key[0], task_id=key[1], grace_ms=task.kill_grace_ms
            )
            session.send(KillTasks(term=self._term, orders=(kill,)))
        if task is None or not run_is_due(task):
            session.runs.pop(key, None)
        elif key not in session.runs and key[0] in self._state.frameworks:
            group = [(key[0], task_id) for task_id in task.group] or [key]
            session.runs.update(dict.fromkeys(group, now_s))
            for message in run_messages(self._state, group, term=self._term):
                session.send(message)

    def _take_updates(
        self, session: Session, agent_id: AgentId, updates: tuple[AgentUpdate, ...]
    ) -> None:
        fresh: list[AgentUpdate] = []
        uuids: list[bytes] = []
        known: list[bytes] = []
        for update in updates:
            uuid = update.status.uuid
            assert uuid is not None, "agents name their updates"
            if uuid in session.in_flight:
                continue
            if is_in_log(self._state, update):
                known.append(uuid)
            else:
                fresh.append(update)
                uuids.append(uuid)
        if known:
            session.send(UpdatesCommitted(term=self._term, uuids=tuple(known)))
        if not fresh:
            return
        session.in_flight.update(uuids)

        def told(result: Outcome | RaftLeaderError, index: int) -> None:
            if self._leader.is_over:
                return  # the agent says it again, to the next leader
            session.in_flight.difference_update(uuids)
            if isinstance(result, RaftLeaderError):
                session.untaken_s = self._node.agenda.now_s
            else:
                session.send(UpdatesCommitted(term=self._term, uuids=tuple(uuids)))

        self._leader.submit(UpdateTasks(agent_id=agent_id, updates=tuple(fresh)), told)

    def _take_list(
        self, session: Session, agent_id: AgentId, message: TaskList
    ) -> None:
        difference = compare_tasks(self._state, agent_id, message.tasks)
        if difference.foreign:
            orders = tuple(
                KillOrder(framework_id=framework_id, task_id=task_id)
                for framework_id, task_id in difference.foreign
            )
            session.send(KillTasks(term=self._term, orders=orders))
        self.executors.take_list(session, agent_id, message)
        if difference.lost:
            self._leader.submit(LoseTasks(agent_id=agent_id, tasks=difference.lost))
        if difference.returned:
            self._leader.submit(
                UpdateTasks(
                    agent_id=agent_id,
                    updates=tuple(
                        _reading_of(agent_id, held) for held in difference.returned
                    ),
                )
            )


def _reading_of(agent_id: AgentId, held: HeldTask) -> AgentUpdate:
    status = TaskStatus(
        task_id=held.task_id,
        state=held.state,
        source=Source.LEADER,
        agent_id=agent_id,
        reason=Reason.AGENT_REREGISTERED,
    )
    return AgentUpdate(framework_id=held.framework_id, status=status)
