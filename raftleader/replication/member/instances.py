"""Which data directory each member has, and who was heard with it.

From the formation of the group on, a member is bound to an instance, durably, until its
removal from the group is committed. Which one, the configuration says
(``Peer.instance``); where it does not, a voter is bound to the first that was seen
under its name, and a learner to none: it promised nothing yet, and a node that learns
of a removal and a new beginning at once (from a snapshot, say) must not hold the old
directory against it. So no learner becomes a voter before its instance is in the
configuration: its leader puts it there as soon as the learner has acknowledged the
entry that added it. And whoever is so far behind that it does not know of the new
beginning is told by the member's greeting, from which entry on its instance is in the
configuration (``Greeting.as_of``).

Frames of a peer are taken once it greeted, and only if it greeted with the instance
that it is bound to.
"""

from __future__ import annotations

import msgspec

from raftleader.replication.raft.configuration import Configuration

NOT_GREETED = "not greeted"
OTHER_INSTANCE = "other instance"

_decoder = msgspec.msgpack.Decoder(dict[str, str])


class Instances:
    """Bound instances (a note in the journal) and the greetings since the start.

    Attributes:
        is_changed: ``encoded`` should be written down.
    """

    def __init__(self, note: bytes | None) -> None:
        self._bound: dict[str, str] = _decoder.decode(note) if note else {}
        self._greeted: dict[str, str] = {}
        self._verdicts: dict[str, str] = {}
        self.is_changed = False

    def bind(self, instances: dict[str, str]) -> None:
        """Bind those that are not bound."""
        for name, instance in instances.items():
            if name not in self._bound:
                self._bound[name] = instance
                self.is_changed = True
        self._verdicts.clear()

    def greeted(
        self, peer: str, instance: str, committed: Configuration, *, is_news: bool
    ) -> None:
        """``peer`` says who it is. ``committed``: bind members only. ``is_news``: a
        configuration that is newer than that names it so."""
        self._greeted[peer] = instance
        self._verdicts.clear()
        member = committed.peer(peer)
        if is_news and self._bound.get(peer) != instance:
            self._bound[peer] = instance
            self.is_changed = True
        elif member is not None and member.is_voter:
            self.bind({peer: instance})

    def forget_greeting(self, peer: str) -> None:
        """Its link ended: it must greet again."""
        self._greeted.pop(peer, None)
        self._verdicts.clear()

    def committed(self, configuration: Configuration) -> None:
        """A membership change was committed: release who is gone, bind who is new.

        Also after a gap: then we do not know who was gone meanwhile."""
        bound: dict[str, str] = {}
        for peer in configuration.peers:
            name = peer.node_id
            known = peer.instance
            if not known and peer.is_voter:
                known = self._bound.get(name, "") or self._greeted.get(name, "")
            if known:
                bound[name] = known
        if bound != self._bound:
            self._bound = bound
            self.is_changed = True
        self._verdicts.clear()

    def greeted_with(self, peer: str) -> str | None:
        """The instance of the link that ``peer`` sends on."""
        return self._greeted.get(peer)

    def bound_to(self, peer: str) -> str | None:
        """The instance that counts under this name, or None if any would."""
        return self._bound.get(peer)

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
        bound = self._bound.get(peer)
        return "" if bound is None or bound == instance else OTHER_INSTANCE
