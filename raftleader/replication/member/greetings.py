"""Greetings of a node: what it says of itself, and what it concludes from others'."""

from __future__ import annotations

import msgspec

from raftleader.replication.journal import Journal
from raftleader.replication.member.formation import REPEAT_S, Formation
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.member.instances import NOT_GREETED, Instances
from raftleader.replication.member.opening import (
    AS_OF_NOTE,
    FORMATION_NOTE,
    INSTANCES_NOTE,
    Opened,
)
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.core import RaftCore
from raftleader.replication.raft.membership import LearnInstance

OTHER_CLUSTER = "other cluster"


class Greetings:
    """Formation and instances of a node, and the greetings that wait to be sent.

    Attributes:
        is_formed: The node may take part once the journal is synced.
    """

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        opened: Opened,
        repeat_s: float,
        now_s: float,
    ) -> None:
        """``repeat_s``: who does not greet first is asked to after this time."""
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._instance = opened.journal.instance
        self._instances = Instances(opened.instances)
        self._as_of = self._noted_as_of = opened.as_of
        snapshot = opened.start.snapshot
        if snapshot is not None:  # it may be a leader's, and newer than any note
            self.members_changed(snapshot.configuration, snapshot.index)
        self._formation = Formation(
            node_id=node_id,
            instance=self._instance,
            voters=opened.members.configuration.voters,
            note=opened.formation,
            is_joined=opened.members.is_joined,
        )
        self._others = tuple(
            one for one in opened.members.configuration.voters if one != node_id
        )
        self._repeat_s = repeat_s
        self._asked_at_s: dict[str, float] = {}
        self._greet_at_s = now_s
        self._is_news = True
        self._outgoing: dict[str, bool] = {}

    @property
    def is_formed(self) -> bool:
        return self._formation.is_formed

    @property
    def waits_for(self) -> str:
        """While the group is not formed, in words."""
        return self._formation.waits_for

    @property
    def strangers(self) -> tuple[str, ...]:
        """Names under which another directory came than the one that counts."""
        return self._instances.strangers

    @property
    def wake_at(self) -> float:
        """When greetings are due again; only while not formed."""
        return float("-inf") if self._is_news or self._outgoing else self._greet_at_s

    def hear(
        self,
        peer: str,
        greeting: Greeting,
        committed: Configuration,
        applied_index: int,
        core: RaftCore,
    ) -> str:
        """``peer`` greeted; ``committed`` is in force at ``applied_index``. Returns
        why it is not listened to, or nothing.

        Raises ConfigError if this node cannot take part with its directory."""
        if greeting.cluster_id != self._cluster_id:
            return OTHER_CLUSTER
        if greeting.sender != peer:
            return "other sender"
        self._formation.hear(greeting)
        if not self.is_formed:
            committed = Configuration()  # nobody promised anything: bind nobody yet
        elif greeting.is_formed:
            self._instances.bind(_of_voters(greeting.first or {}, committed))
        self._instances.greeted(
            peer,
            greeting.instance,
            committed,
            as_of=greeting.as_of,
            applied_index=applied_index,
        )
        self._look_at_log(core)
        if self._instances.came_anew(peer):
            core.came_anew(peer)
        self._is_news = True
        if not greeting.is_answer:
            self._outgoing[peer] = True
        return ""

    def greet(self, peer: str) -> None:
        """A link to ``peer`` is up."""
        self._outgoing[peer] = False

    def forget(self, peer: str) -> None:
        """Its link ended; what comes next begins with a greeting again."""
        self._instances.forget_greeting(peer)
        self._asked_at_s.pop(peer, None)

    def refusal(self, peer: str, core: RaftCore, now_s: float) -> str:
        """Why frames of ``peer`` are not taken, or nothing."""
        self._look_at_log(core)
        refusal = self._instances.refusal(peer)
        if refusal == NOT_GREETED and now_s >= self._asked_at_s.get(peer, now_s):
            # It greeted before we started, or its greeting was lost: ask for one.
            self._asked_at_s[peer] = now_s + self._repeat_s
            self._outgoing[peer] = False
        return refusal

    def _look_at_log(self, core: RaftCore) -> None:
        configuration = core.configuration
        if configuration is not self._instances.in_force:
            self._instances.use(configuration, core.configuration_index)

    def members_changed(self, committed: Configuration, index: int) -> bool:
        """``committed`` is in force at ``index``. True: others should be greeted
        again, with news of ourselves."""
        self._instances.committed(committed, index)
        self._is_news = True
        own = committed.peer(self._node_id)
        if own is None or own.instance != self._instance:
            return False
        is_first = self._as_of == 0
        self._as_of = max(self._as_of, index)
        return is_first

    def to_be_learned(self, core: RaftCore) -> LearnInstance | None:
        """As leader: the instance of a learner that the configuration lacks. It has
        acknowledged the entry that added it, so it is the one that was meant."""
        for peer in core.configuration.peers:
            if peer.is_voter or peer.instance:
                continue
            instance = self._instances.greeted_with(peer.node_id)
            is_there = any(
                one.node_id == peer.node_id and one.match >= core.configuration_index
                for one in core.progress()
            )
            if instance is not None and is_there:
                return LearnInstance(peer.node_id, instance)
        return None

    def is_due(self, now_s: float) -> bool:
        """``work`` has something to do."""
        return self._is_news or (not self.is_formed and now_s >= self._greet_at_s)

    def work(self, journal: Journal, now_s: float) -> None:
        """Conclude; what must not be forgotten becomes notes of ``journal``."""
        self._is_news = False
        if self._formation.advance():
            note = self._formation.note
            journal.note(FORMATION_NOTE, msgspec.msgpack.encode(note))
            self._instances.bind(note.first or {})
            self._greet_at_s = now_s
            # A lone member is formed at once; others look again what follows now.
            self._is_news = True
            for peer in self._others:
                self._outgoing[peer] = False
        if self._instances.is_changed:
            journal.note(INSTANCES_NOTE, self._instances.encoded())
        if self._as_of != self._noted_as_of:
            self._noted_as_of = self._as_of
            journal.note(AS_OF_NOTE, b"%d" % self._as_of)
        if not self.is_formed and now_s >= self._greet_at_s:
            self._greet_at_s = now_s + REPEAT_S
            for peer in self._others:
                self._outgoing.setdefault(peer, False)

    @property
    def has_outgoing(self) -> bool:
        return bool(self._outgoing)

    def take(self) -> list[tuple[str, Greeting]]:
        """What may leave now that the journal is synced, in order of peer."""
        outgoing, self._outgoing = self._outgoing, {}
        note = self._formation.note
        return [
            (
                peer,
                Greeting(
                    sender=self._node_id,
                    cluster_id=self._cluster_id,
                    instance=self._instance,
                    first=note.first,
                    is_formed=note.is_formed,
                    is_answer=is_answer,
                    as_of=self._as_of,
                    known=self._instances.bound_to(peer),
                ),
            )
            for peer, is_answer in sorted(outgoing.items())
        ]


def _of_voters(first: dict[str, str], committed: Configuration) -> dict[str, str]:
    """Of the first voters those that still are, with the directory of the formation:
    one that was replaced since then is a member by another, which is named."""
    return {
        peer.node_id: first[peer.node_id]
        for peer in committed.peers
        if peer.is_voter and not peer.instance and peer.node_id in first
    }
