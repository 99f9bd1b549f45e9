"""One RaftCore that hears anything: well-formed messages, whatever they claim."""

from __future__ import annotations

import random

import attrs
from support.raft_nodes import DrivenNode

from raftleader.replication.entries import USER
from raftleader.replication.invariant import InvariantError
from raftleader.replication.raft.configuration import (
    Configuration,
    Peer,
    configuration_entry,
)
from raftleader.replication.raft.core import RaftCore, Role
from raftleader.replication.raft.membership import (
    AddLearner,
    Change,
    LearnInstance,
    Promote,
    Remove,
)
from raftleader.replication.raft.messages import (
    AppendEntries,
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    Message,
    RequestVote,
    SnapshotChunk,
    SnapshotMeta,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
)
from raftleader.replication.settings import RaftSettings

SETTINGS = attrs.evolve(RaftSettings(), append_bytes_max=120, window_bytes_max=400)
NAMES = ("a", "b", "c", "x")
EXPECTED = {
    Role.FOLLOWER: (0, 0, 0, 6, 8, 9),
    Role.PRE_CANDIDATE: (10,),
    Role.CANDIDATE: (10,),
    Role.LEADER: (4, 4, 5, 7, 8),
}


class FuzzedNode:
    """Node ``a`` of a group of ``a``, ``b`` and ``c``; nobody else is real."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.node = DrivenNode(
            "a",
            first=_configuration("abc"),
            settings=SETTINGS,
            draw=self.rng.random,
            now_s=0.0,
        )
        self.node.chunk_bytes_max = 50
        self.stopped = False
        self.restarted = False

    def run(self, steps: int) -> None:
        """So many messages and other inputs, or until an InvariantError that was
        right: a conflict at or below the commit index was claimed."""
        for _ in range(steps):
            core = self.node.core
            before = (core.term, core.vote, core.commit_index, core.first_index)
            if self.rng.random() < 0.8:
                message = self.message()
                claims = _claims_conflict(core, message)
                try:
                    core.receive(message, self.now_s)
                except InvariantError:
                    assert claims, f"without reason: {message}"
                    self.stopped = True
                    return
            else:
                self._other_input()
            if self.restarted:  # what is committed is found out anew
                before = (*before[:2], 0, 0)
                self.restarted = False
            self._check(before)
            self.now_s += self.rng.random() * 0.05

    def _check(self, before: tuple[int, str | None, int, int]) -> None:
        core = self.node.core
        term, vote, commit_index, first_index = before
        assert core.term >= term
        assert core.term > term or vote in (None, core.vote)
        assert core.commit_index >= commit_index
        assert core.first_index >= first_index
        assert core.commit_index <= core.last_index
        assert len(core.entries(core.first_index, core.last_index)) == (
            core.last_index - core.first_index + 1
        )
        self.node.run(self.now_s)
        assert not core.has_work

    def _other_input(self) -> None:
        rng, node, core = self.rng, self.node, self.node.core
        peer = rng.choice(NAMES)
        what = rng.randrange(10)
        if what <= 2:
            self.now_s = max(self.now_s, min(core.wake_at, self.now_s + 1.0))
            core.tick(self.now_s)
        elif what == 3:
            core.propose([USER + b"p"] * rng.randrange(1, 4), self.now_s)
        elif what == 4:
            core.read(self.now_s)
        elif what == 5:
            core.transfer(peer, self.now_s)
        elif what == 6:
            core.change(self._change(peer), self.now_s)
        elif what == 7:
            core.peer_lost(peer, self.now_s)
            rng.choice([core.link_up, core.link_down])(peer)
        elif what == 8 and core.commit_index > 0:
            node.apply()
            node.store_snapshot(keep=rng.randrange(3))
        elif what == 9 and rng.random() < 0.1:
            node.restart(self.now_s)
            self.restarted = True

    def _change(self, name: str) -> Change:
        changes: list[Change] = [
            AddLearner(Peer(node_id=name, address=f"at-{name}")),
            Promote(name),
            Remove(name),
            LearnInstance(name, "1"),
        ]
        return self.rng.choice(changes)

    def message(self) -> Message:
        """Near what the node knows, so that it often means something."""
        rng, core = self.rng, self.node.core
        sender = rng.choice(NAMES)
        if core.leader not in (None, "a") and rng.random() < 0.7:
            sender = core.leader
        term = max(1, core.term + rng.choice([0] * 20 + [-1, 1]))
        index = max(0, rng.choice([core.commit_index, core.last_index]) + self._near())
        held = core.first_index - 1 <= index <= core.last_index
        right_term = core.term_at(index) if held else max(0, term - 1)
        index_term = right_term if rng.random() < 0.97 else max(0, term + self._near())
        commit_index = max(0, core.commit_index + self._near())
        kind = rng.randrange(12)
        if rng.random() < 0.7:  # what a node in this role waits for
            kind = rng.choice(EXPECTED[core.role])
        if kind <= 3:
            return AppendEntries(
                sender=sender,
                term=term,
                prev_index=index,
                prev_term=index_term,
                commit_index=commit_index,
                entries=self._entries(index_term, term),
            )
        if kind <= 5:
            return AppendReply(
                sender=sender,
                term=term,
                is_accepted=rng.random() < 0.6,
                index=index,
                hint_index=max(0, index + self._near()),
                hint_term=index_term,
            )
        if kind == 6:
            return Heartbeat(
                sender=sender,
                term=term,
                commit_index=commit_index,
                round=rng.randrange(9),
            )
        if kind == 7:
            return HeartbeatReply(
                sender=sender, term=term, round=rng.randrange(9), last_index=index
            )
        if kind == 8:
            return self._snapshot_message(sender, term, index, index_term)
        if kind == 9:
            return RequestVote(
                sender=sender,
                term=term,
                last_index=index,
                last_term=index_term,
                is_probe=rng.random() < 0.5,
                is_transfer=rng.random() < 0.3,
            )
        if kind == 10:
            is_probe = core.role is Role.PRE_CANDIDATE or rng.random() < 0.1
            return VoteReply(
                sender=sender,
                term=term + 1 if is_probe else term,
                is_probe=is_probe,
                is_granted=rng.random() < 0.8,
            )
        return TimeoutNow(sender=sender, term=term)

    def _near(self) -> int:
        return self.rng.choice([-3, -1, 0, 0, 0, 1, 2])

    def _entries(
        self, first_term: int, last_term: int
    ) -> tuple[tuple[int, bytes], ...]:
        rng = self.rng
        entries: list[tuple[int, bytes]] = []
        for _ in range(rng.randrange(6)):
            lowest = min(first_term, last_term)
            term = rng.choice([lowest, max(first_term, last_term), last_term])
            data = rng.choice(
                [
                    b"",
                    b"\x01",
                    USER + b"fuzz",
                    USER,
                    rng.choice([USER, USER, b"\x02not a configuration"]),
                    configuration_entry(_configuration(rng.choice(["ab", "abx", ""]))),
                ]
            )
            entries.append((term, data))
        return tuple(entries)

    def _snapshot_message(
        self, sender: str, term: int, index: int, index_term: int
    ) -> Message:
        rng = self.rng
        if rng.random() < 0.5:
            return SnapshotReply(
                sender=sender,
                term=term,
                index=index,
                next_offset=rng.randrange(200),
                is_installed=rng.random() < 0.3,
            )
        meta = SnapshotMeta(
            index=max(index, 1),
            term=index_term,
            configuration=_configuration("abc"),
            size_bytes=rng.randrange(1, 100),
            checksum=b"no",
        )
        return SnapshotChunk(
            sender=sender,
            term=term,
            meta=meta,
            offset=rng.choice([0, 0, 20]),
            data=bytes(20),
        )


def _claims_conflict(core: RaftCore, message: Message) -> bool:
    """Whether a leader's message has another term than we at a committed place."""
    if not isinstance(message, AppendEntries) or message.term < core.term:
        return False
    terms = [message.prev_term, *(term for term, _ in message.entries)]
    return any(
        core.first_index - 1 <= index <= core.commit_index
        and core.term_at(index) != term
        for index, term in enumerate(terms, start=message.prev_index)
    )


def _configuration(names: str) -> Configuration:
    return Configuration(
        peers=tuple(Peer(node_id=one, address=f"at-{one}") for one in names)
    )
