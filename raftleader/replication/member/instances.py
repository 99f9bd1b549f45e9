"""Which data directory each member has, and who was heard with it.

A member is bound to the first instance that was seen under its name, durably, until
its removal from the group is committed. Frames of a peer are taken once it greeted,
and only if it greeted with that instance.
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

    def greeted(self, peer: str, instance: str, committed: Configuration) -> None:
        """``peer`` says who it is. ``committed``: bind members only."""
        self._greeted[peer] = instance
        self._verdicts.clear()
        if committed.peer(peer) is not None:
            self.bind({peer: instance})

    def forget_greeting(self, peer: str) -> None:
        """Its link ended: it must greet again."""
        self._greeted.pop(peer, None)
        self._verdicts.clear()

    def committed(self, configuration: Configuration) -> None:
        """A membership change was committed: release who is gone, bind who is new."""
        members = set(configuration.node_ids)
        for name in sorted(self._bound.keys() - members):
            del self._bound[name]
            self.is_changed = True
        self.bind({p: i for p, i in self._greeted.items() if p in members})

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
