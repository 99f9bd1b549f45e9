"""Which data directory each member has, and who was heard with it.

From the formation of the group on, a member is bound to an instance, durably, until its
removal from the group is committed. Which one, the configuration says
(``Peer.instance``); where it does not, a voter is bound as the group was formed, which
first members tell, or to the first that was seen under its name, and a learner to none:
it promised nothing yet, and a node that learns of a removal and a new beginning at once
(from a snapshot, say) must not hold the old directory against it. So no learner becomes
a voter before its instance is in the configuration: its leader puts it there as soon as
the learner has acknowledged the entry that added it. And whoever is so far behind that
it does not know of the new beginning is told by the member's greeting, from which entry
on its instance is in the configuration (``Greeting.as_of``).

What the log says counts from the entry on, as the configuration does, committed or not:
else a node that has the entry which makes a learner a voter, and does not know yet that
it is committed, would take the vote of any directory under that name.

A binding remembers up to which entry of the log it is known to hold. A node that starts
again applies the log from its snapshot on, through configurations older than what it
knew: those must not take a binding back, or a member that lost its directory could
vote once more under its name.

Frames of a peer are taken once it greeted, and only if it greeted with the instance
that it is bound to.
"""

from __future__ import annotations

import msgspec

from raftleader.replication.raft.configuration import Configuration

NOT_GREETED = "not greeted"
OTHER_INSTANCE = "other instance"


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """To ``instance``; so it was at the entry ``as_of`` of the log, or at the formation
    of the group (0)."""

    instance: str
    as_of: int


_decoder = msgspec.msgpack.Decoder(dict[str, Binding])


class Instances:
    """Bound instances (a note in the journal) and the greetings since the start.

    Attributes:
        in_force: The configuration of the log, as ``use`` was told.
        is_changed: ``encoded`` should be written down.
    """

    def __init__(self, note: bytes | None) -> None:
        self._bound: dict[str, Binding] = _decoder.decode(note) if note else {}
        self._greeted: dict[str, str] = {}
        self._heard: dict[str, str] = {}
        self._verdicts: dict[str, str] = {}
        self.in_force: Configuration | None = None
        self._in_force_at = 0
        self.is_changed = False

    def use(self, configuration: Configuration, index: int) -> None:
        """It is in force since the entry ``index``, committed or not."""
        self.in_force, self._in_force_at = configuration, index
        self._verdicts.clear()

    def bind(self, instances: dict[str, str]) -> None:
        """Bind those that are not bound."""
        for name, instance in instances.items():
            if name not in self._bound:
                self._bound[name] = Binding(instance, 0)
                self.is_changed = True
        self._verdicts.clear()

    def greeted(
        self,
        peer: str,
        instance: str,
        committed: Configuration,
        *,
        as_of: int,
        applied_index: int,
    ) -> None:
        """``peer`` says who it is, and that the configuration at the entry ``as_of``
        names it so. ``committed``, at ``applied_index``: bind members only."""
        self._greeted[peer] = instance
        self._verdicts.clear()
        member = committed.peer(peer)
        known = self._bound.get(peer)
        if member is None and known is None:
            return  # a guest, who may have any name
        if as_of > max(applied_index, known.as_of if known is not None else 0):
            self._bound[peer] = Binding(instance, as_of)
            self.is_changed = True
        elif member is not None and member.is_voter:
            self.bind({peer: instance})

    def forget_greeting(self, peer: str) -> None:
        """Its link ended: it must greet again."""
        self._greeted.pop(peer, None)
        if self.in_force is None or self.in_force.peer(peer) is None:
            self._heard.pop(peer, None)  # a guest
        self._verdicts.clear()

    def committed(self, configuration: Configuration, index: int) -> None:
        """At ``index`` this was committed: release who is gone, bind who is new.

        Also after a gap: then we do not know who was gone meanwhile. What is known of
        a later entry stays."""
        bound = {name: one for name, one in self._bound.items() if one.as_of >= index}
        for peer in configuration.peers:
            name = peer.node_id
            before = self._bound.get(name)
            if name in bound:
                continue
            if peer.instance:
                bound[name] = Binding(peer.instance, index)
            elif not peer.is_voter:
                continue
            elif before is not None:
                bound[name] = before
            elif name in self._greeted:
                bound[name] = Binding(self._greeted[name], 0)
        if bound != self._bound:
            self._bound = bound
            self.is_changed = True
        self._verdicts.clear()

    def came_anew(self, peer: str) -> bool:
        """``peer`` greeted, and was taken with another directory before: a learner that
        is bound to none may lose one and come with the next."""
        if self.refusal(peer):
            return False
        instance = self._greeted[peer]
        before, self._heard[peer] = self._heard.get(peer, instance), instance
        return before != instance

    def greeted_with(self, peer: str) -> str | None:
        """The instance of the link that ``peer`` sends on."""
        return self._greeted.get(peer)

    def bound_to(self, peer: str) -> str | None:
        """The instance that counts under this name, or None if any would."""
        bound = self._bound.get(peer)
        return None if bound is None else bound.instance

    @property
    def strangers(self) -> tuple[str, ...]:
        """Names under which another directory came than the one that counts."""
        return tuple(peer for peer in sorted(self._greeted) if self.refusal(peer))

    def refusal(self, peer: str) -> str:
        """Why no frame of ``peer`` is taken, or nothing."""
        verdict = self._verdicts.get(peer)
        if verdict is None:
            verdict = self._verdicts[peer] = self._judge(peer)
        return verdict

    def encoded(self) -> bytes:
        """For the note; what changed is known now."""
        self.is_changed = False
        return msgspec.msgpack.encode(dict(sorted(self._bound.items())))

    def _judge(self, peer: str) -> str:
        instance = self._greeted.get(peer)
        if instance is None:
            return NOT_GREETED
        known = self._known(peer)
        return "" if known in (None, instance) else OTHER_INSTANCE

    def _known(self, peer: str) -> str | None:
        """By the log, or by what is known of a later entry than the log has."""
        bound = self._bound.get(peer)
        as_of = -1 if bound is None else bound.as_of
        member = self.in_force.peer(peer) if self.in_force is not None else None
        if member is not None and member.instance and as_of < self._in_force_at:
            return member.instance
        return None if bound is None else bound.instance
