"""The agents' sessions with this node, leading or not.

Each link is served by two tasks, a reader and a writer. On a standby a session is
light: it greets, and answers pings. While this node leads, ``AgentDuties`` of the
term decides what is said on it.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter

import trio

from raftleader import limits
from raftleader.errors import InvalidInputError
from raftleader.leader.agent_duties import AgentDuties
from raftleader.leader.agent_session import AgentSession
from raftleader.protocol.agent_rpc import (
    PROTOCOL_VERSION,
    AgentHello,
    AgentUpdate,
    FromAgent,
    NodeHello,
    Ping,
    Pong,
    Refused,
    StatusUpdates,
    decode_from_agent,
    encode,
)
from raftleader.state.cluster import ClusterState
from transports.interface import Link, Transport, TransportError

HELLO_TIMEOUT_S = 10.0
"""A link that has not introduced itself by then is cut."""
SESSION_UPDATES_MAX = 5_000
"""Updates of one agent that may be on their way into the log; beyond, we stop
reading from it, so that one agent cannot fill the queue of all."""
SESSIONS_PER_TURN = 100
"""Sessions served between two turns of the loop when all are due at once (a new
role, a round of pings): Raft's own traffic must not wait for thousands."""
STANDBY_PING_FACTOR = 3
"""A standby pings so many times less often: it only wants to know who is there."""

_log = logging.getLogger(__name__)


class AgentSessions:
    """See the module docstring.

    Attributes:
        counts: Sessions opened, refused, and cut for which reason.
    """

    def __init__(
        self,
        state: ClusterState,
        *,
        node_id: str,
        agent_timeout_s: float = limits.AGENT_TIMEOUT_S,
        ping_interval_s: float = limits.AGENT_PING_INTERVAL_S,
        sessions_max: int = limits.AGENT_LINKS_MAX,
        counts: Counter[str] | None = None,
    ) -> None:
        self.counts: Counter[str] = counts if counts is not None else Counter()
        self._state = state
        self._node_id = node_id
        self._agent_timeout_s = agent_timeout_s
        self._ping_interval_s = min(ping_interval_s, agent_timeout_s / 4)
        self._sessions_max = sessions_max
        self._sessions: dict[str, AgentSession] = {}
        self._duties: AgentDuties | None = None
        self._role_changed = trio.Event()

    def begin_term(self, duties: AgentDuties) -> None:
        """From now on this node leads, with these duties. Sessions are told from
        ``run``, a few in each turn."""
        self._duties = duties
        self._role_changed.set()

    def end_term(self) -> None:
        """From now on this node does not lead. Idempotent."""
        if self._duties is not None:
            self._duties.end()
            self._duties = None
            for session in self._sessions.values():
                session.forget_term()
            self._role_changed.set()

    async def run(
        self,
        transport: Transport,
        address: str,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve agents at ``address`` until cancelled.

        ``started`` is given the address really bound. Raises what
        ``Transport.serve`` raises.
        """
        async with trio.open_nursery() as nursery:
            bound: str = await nursery.start(transport.serve, address, self.serve_link)
            nursery.start_soon(self._announce_roles)
            nursery.start_soon(self._ping)
            task_status.started(bound)

    async def serve_link(self, link: Link) -> None:
        """Serve one agent until either side ends it. Never raises for its sake."""
        session = await self._open(link)
        if session is None:
            return
        try:
            with session.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, session)
                    nursery.start_soon(self._read, session)
        finally:
            self._close(session)

    async def _open(self, link: Link) -> AgentSession | None:
        hello: FromAgent | None = None
        try:
            with trio.move_on_after(HELLO_TIMEOUT_S):
                hello = decode_from_agent(await link.receive())
        except (TransportError, InvalidInputError):
            self.counts["agents_cut_garbage"] += 1
            return None
        if not isinstance(hello, AgentHello):
            self.counts["agents_cut_no_hello"] += 1
            return None
        problem = self._problem_of(hello)
        if problem is not None:
            self.counts["agents_refused"] += 1
            _log.warning("agent refused", extra={"peer": link.peer, "why": problem})
            await self._refuse(link, problem)
            return None
        session = AgentSession(hello, link)
        older = self._sessions.get(hello.key)
        if older is not None:
            older.cut("replaced")
            self._forget(older)
        self._sessions[hello.key] = session
        self.counts["agents_accepted"] += 1
        if self._duties is not None:
            self.counts["hellos_known" if hello.agent_id else "hellos_new"] += 1
        self._tell_role(session)
        return session

    def _problem_of(self, hello: AgentHello) -> str | None:
        ours = self._state.cluster_id
        if hello.cluster_id not in ("", ours):
            return f"this is cluster {ours!r}, not {hello.cluster_id!r}"
        if hello.protocol != PROTOCOL_VERSION:
            return f"protocol {hello.protocol} is not {PROTOCOL_VERSION}"
        if not hello.key:
            return "the key must not be empty"
        if hello.key not in self._sessions and len(self._sessions) >= (
            self._sessions_max
        ):
            return f"{self._sessions_max} agents are connected already"
        return None

    async def _refuse(self, link: Link, problem: str) -> None:
        with trio.move_on_after(HELLO_TIMEOUT_S):
            try:
                await link.send(encode(Refused(problem=problem)))
            except TransportError:
                return

    def _close(self, session: AgentSession) -> None:
        reason = session.cut_reason or "gone"
        self.counts[f"agents_cut_{reason}"] += 1
        _log.info(
            "agent session over", extra={"peer": session.link.peer, "why": reason}
        )
        self._forget(session)

    def _forget(self, session: AgentSession) -> None:
        """Take it out of the tables; a newer session of the agent stays."""
        if self._sessions.get(session.hello.key) is session:
            del self._sessions[session.hello.key]
        if self._duties is not None:
            self._duties.forget(session)

    async def _write(self, session: AgentSession) -> None:
        try:
            while True:
                await session.wait_due()
                term = self._duties.term if self._duties is not None else 0
                frames = session.take_frames(self._state, term)
                if frames:
                    await session.link.send_many(frames)
                if session.has_said_all:
                    session.cut("refused")
        except TransportError:
            session.cut("gone")

    async def _read(self, session: AgentSession) -> None:
        try:
            while True:
                frames = await session.link.receive_many()
                session.last_heard_s = trio.current_time()
                updates: list[AgentUpdate] = []
                for frame in frames:
                    message = decode_from_agent(frame)
                    if isinstance(message, StatusUpdates):
                        updates.extend(message.updates)
                        continue
                    # What came first is taken first.
                    self._take_all(session, updates)
                    updates = []
                    self._take(session, message)
                self._take_all(session, updates)
                await session.wait_room(SESSION_UPDATES_MAX)
        except TransportError:
            session.cut("gone")
        except InvalidInputError:
            session.cut("garbage")

    def _take_all(self, session: AgentSession, updates: list[AgentUpdate]) -> None:
        if updates and self._duties is not None:
            self._duties.take_updates(session, updates)

    def _take(self, session: AgentSession, message: FromAgent) -> None:
        if isinstance(message, Pong | StatusUpdates):
            return
        if not isinstance(message, AgentHello):
            if self._duties is not None:
                self._duties.take(session, message)
            return
        if message.key != session.hello.key or self._problem_of(message) is not None:
            raise InvalidInputError("hello", "another agent on the same link")
        session.hello = message
        if self._duties is not None:
            self._duties.register(session)

    def _tell_role(self, session: AgentSession) -> None:
        duties = self._duties
        term = duties.term if duties is not None else 0
        if session.told_term == term:
            return
        session.told_term = term
        session.forget_term()
        session.send(
            NodeHello(
                cluster_id=self._state.cluster_id,
                node_id=self._node_id,
                # A standby names the newest term that has begun, never one it only
                # stands for: agents ignore who speaks from a lower term.
                term=term or self._state.term,
                leading=duties is not None,
            )
        )
        if duties is not None:
            duties.register(session)

    async def _announce_roles(self) -> None:
        while True:
            await self._role_changed.wait()
            self._role_changed = trio.Event()
            for sessions in self._in_turns():
                for session in sessions:
                    self._tell_role(session)
                await trio.lowlevel.checkpoint()

    async def _ping(self) -> None:
        for number in itertools.count():
            factor = 1 if self._duties is not None else STANDBY_PING_FACTOR
            await trio.sleep(self._ping_interval_s * factor)
            frame = encode(Ping(number=number))
            earliest_s = trio.current_time() - self._agent_timeout_s * factor
            for sessions in self._in_turns():
                for session in sessions:
                    if session.last_heard_s < earliest_s:
                        session.cut("silent")
                    else:
                        session.send_frame(frame)
                await trio.lowlevel.checkpoint()

    def _in_turns(self) -> list[list[AgentSession]]:
        sessions = list(self._sessions.values())
        return [
            sessions[first : first + SESSIONS_PER_TURN]
            for first in range(0, len(sessions), SESSIONS_PER_TURN)
        ]
