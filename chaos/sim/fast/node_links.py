"""The links of a simulated node to the others: as ``raftleader.replication.mesh``.

It dials every member, and sends on what it dialled; what others dialled it receives on.
A guest is dialled back: it may know more of the group than we do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.sim.fast.network import Connection

if TYPE_CHECKING:
    from chaos.sim.fast.node_life import NodeLife

RAFT = "raft"
"""Kind of a connection."""
REDIAL_S, REDIAL_S_MAX = 0.02, 1.0
"""First and longest pause before a dial is repeated; doubled each time."""


class Links:
    """See the module.

    Attributes:
        outgoing: By peer, None while there is none. A peer is dialled once at a time.
    """

    def __init__(self, life: NodeLife) -> None:
        self.outgoing: dict[str, Connection | None] = {}
        self._life = life
        self._redial_s: dict[str, float] = {}
        self._incoming: dict[str, Connection] = {}

    def dial_members(self) -> None:
        """Whoever is in the configuration, and not dialled yet."""
        life = self._life
        for peer in life.member.configuration.node_ids:
            if peer != life.name and peer not in self.outgoing:
                self._dial(peer)

    def opened(self, connection: Connection) -> None:
        """A peer has dialled us; its newest connection counts."""
        peer = connection.dialler.name
        self._incoming[peer] = connection
        if peer not in self.outgoing:
            self._dial(peer)

    def is_taken(self, connection: Connection) -> bool:
        """Whether messages on it count. On an older connection of a process that lives
        on they do: they were on their way. Not those of a disk that is no more."""
        dialler = connection.dialler
        newest = self._incoming.get(dialler.name)
        return newest is not None and (
            newest is connection
            or getattr(newest.dialler, "instance", 0) == getattr(dialler, "instance", 0)
        )

    def closed(self, connection: Connection) -> None:
        """One of ours is over, in either direction."""
        life = self._life
        if connection.dialler is life:
            peer = connection.sides[1].name
            if self.outgoing.get(peer) is connection:
                self.outgoing[peer] = None
                life.member.link_down(peer)
                self._redial(peer)
            return
        peer = connection.dialler.name
        if self._incoming.get(peer) is connection:
            del self._incoming[peer]
            life.member.peer_lost(peer, life.node.local_s())
            if life.agenda.now_s >= life.busy_until_s:
                life.turn()

    def _dial(self, peer: str) -> None:
        life = self._life
        self.outgoing.setdefault(peer, None)

        def done(connection: Connection | None) -> None:
            if connection is None:
                self._redial(peer)
                return
            self.outgoing[peer] = connection
            self._redial_s.pop(peer, None)
            life.member.link_up(peer, life.node.local_s())
            life.turn()

        life.network.dial(life, peer, RAFT, done=done, is_reliable=False)

    def _redial(self, peer: str) -> None:
        life = self._life
        is_member = life.member.configuration.peer(peer) is not None
        if is_member or peer in self._incoming:
            longest_s = self._redial_s.get(peer, REDIAL_S)
            self._redial_s[peer] = min(2 * longest_s, REDIAL_S_MAX)
            delay_s = life.node.rng.uniform(0.5, 1.0) * longest_s
            life.after(delay_s, self._dial, peer)
        else:
            self.outgoing.pop(peer, None)
