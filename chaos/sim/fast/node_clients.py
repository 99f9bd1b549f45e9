"""What agents and frameworks see of a simulated node, leading or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos.sim.fast.calls import Asked, Unserved
from chaos.sim.fast.leader_agents import Session
from chaos.sim.fast.network import Connection
from raftleader.protocol.scheduler_api import Subscribe

if TYPE_CHECKING:
    from chaos.sim.fast.node_life import NodeLife

AGENT, STREAM = "agent", "stream"
"""Kinds of connections."""


class Clients:
    """The connections of all clients.

    Attributes:
        sessions: The agents' connections.
    """

    def __init__(self, life: NodeLife) -> None:
        self.sessions: dict[Connection, Session] = {}
        self._life = life

    def opened(self, connection: Connection) -> None:
        """Somebody has dialled us."""
        if connection.kind == AGENT:
            self.sessions[connection] = Session(self._life, connection)

    def received(self, connection: Connection, message: Any) -> None:
        """A message of an agent, or a call of a framework."""
        leader = self._life.leader
        if connection.kind == AGENT:
            session = self.sessions.get(connection)
            if session is not None:
                session.received(message)
        elif leader is None or not leader.is_active:
            self.answer(connection, Unserved(503, "not leading"))
            self._life.network.close(connection, 1)
        elif isinstance(message, Subscribe):
            leader.streams.subscribe(connection, message)
        elif isinstance(message, Asked):
            leader.streams.ask(connection, message)

    def answer(self, connection: Connection, message: Any) -> None:
        """Tell a framework. Lost if its connection is over."""
        self._life.network.send(connection, 1, message)

    def closed(self, connection: Connection) -> None:
        """A client is gone."""
        leader = self._life.leader
        if connection.kind == AGENT:
            session = self.sessions.pop(connection, None)
            if session is not None and leader is not None:
                leader.agents.closed(session)
        elif connection.kind == STREAM and leader is not None:
            leader.streams.closed(connection)

    def cut(self, session: Session) -> None:
        """End an agent's session; it will dial again."""
        self._life.network.close(session.connection, 1)
        self.closed(session.connection)

    def probed(self) -> tuple[int, str | None]:
        """The answer to a GET, by which frameworks look for the leader."""
        life = self._life
        if life.leader is not None and life.leader.is_active:
            return (405, None)
        known = life.member.leadership.leader
        if known is None or known == life.name or known != life.machine.state.leader:
            return (503, None)
        return (307, known)
