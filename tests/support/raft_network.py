"""A group of RaftCores under a bad network and crashes, judged at every step.

Everything comes from one generator: which message arrives next, is lost or comes
twice, who works, crashes before its sync, is cut off, joins or leaves. After each
step what must always hold is checked (figure 3.2 of Ongaro's dissertation); at the
end the network is good again and the group has to agree.
"""

from __future__ import annotations

import random
from collections import Counter

import attrs
from support.raft_nodes import DrivenNode

from raftleader.replication.entries import USER
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.core import Role
from raftleader.replication.raft.membership import AddLearner, Promote, Remove
from raftleader.replication.raft.messages import Message
from raftleader.replication.settings import RaftSettings

SETTINGS = attrs.evolve(
    RaftSettings(), append_bytes_max=120, window_bytes_max=400, heartbeat_s=0.05
)


@attrs.define
class _Read:
    node_id: str
    read_id: int
    index_min: int


class Network:
    """See the module. ``counts`` shows what a run went through."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.now_s = 0.0
        self.counts: Counter[str] = Counter()
        names = ["a", "b", "c", "d", "e"][: rng.choice([1, 2, 3, 3, 3, 3, 4, 5])]
        first = Configuration(
            peers=tuple(Peer(node_id=one, address=f"at-{one}") for one in names)
        )
        self.nodes: dict[str, DrivenNode] = {}
        for name in names:
            self._make(name, first)
        for name in ("x", "y"):
            self._make(name, Configuration())
        self.messages: list[tuple[str, str, Message]] = []
        self.cut: set[tuple[str, str]] = set()
        self.loss = rng.choice([0.0, 0.05, 0.2])
        self.repeats = rng.choice([0.0, 0.1])
        self.is_fifo = rng.random() < 0.3
        self._proposed = 0
        self._reads: list[_Read] = []
        self._leaders: dict[int, str] = {}
        self._committed: dict[int, tuple[int, bytes]] = {}
        self._checked_applied: dict[str, int] = {}
        self._ballots: dict[str, tuple[int, str | None]] = {}

    def _make(self, name: str, first: Configuration) -> None:
        self.nodes[name] = DrivenNode(
            name,
            first=first,
            settings=SETTINGS,
            draw=self.rng.random,
            now_s=self.now_s,
        )
        self.nodes[name].chunk_bytes_max = 100

    # --- a run --------------------------------------------------------------------

    def disturb(self, steps: int) -> None:
        """So many steps of anything that can happen."""
        rng = self.rng
        usual = [(40, self._deliver), (20, self._work), (12, self._tick)]
        sometimes = [
            (8, self._propose),
            (2, self._read),
            (1, self._crash),
            (0.7, self._change_members),
            (0.7, self._store_snapshot),
            (1, self._partition),
            (0.7, self._heal),
            (1, self._leave_behind),
            (0.5, self._lose_link),
            (0.3, self._transfer),
            (0.1, self._step_down),
        ]
        # Each run has its own character: much of this, nothing of that.
        drawn = [(one * rng.choice([0.2, 1, 1, 3]), what) for one, what in sometimes]
        actions = [*usual, *drawn]
        weights = [weight for weight, _ in actions]
        pace_s = rng.choice([0.002, 0.005, 0.01, 0.02])
        chosen = rng.choices([action for _, action in actions], weights, k=steps)
        for action in chosen:
            action()
            self.now_s += rng.random() * pace_s

    def settle(self, *, within_s: float) -> None:
        """With nothing lost and nobody dead, until all members agree."""
        self.cut.clear()
        self.messages.clear()
        for node in self.nodes.values():
            if node.unsynced is None:
                self._link_all(node)
        until_s = self.now_s + within_s
        while not self._agrees():
            assert self.now_s < until_s, f"no agreement: {self._describe()}"
            self.now_s += 0.01
            for name, node in self.nodes.items():
                if node.unsynced is None and self.now_s >= node.core.wake_at:
                    node.core.tick(self.now_s)
                self._finish(name)
            arriving, self.messages = self.messages, []
            for sender, recipient, message in arriving:
                self._receive(sender, recipient, message)
        self._check_logs()

    def _agrees(self) -> bool:
        leaders = [one for one in self.nodes.values() if one.core.is_ready]
        if len(leaders) != 1 or not leaders[0].core.configuration.voters:
            return False
        core = leaders[0].core
        if core.commit_index != core.last_index:
            return False
        members = [
            self.nodes[one] for one in core.configuration.node_ids if one in self.nodes
        ]
        return all(
            one.core.leader == leaders[0].node_id
            and one.applied == leaders[0].applied
            and one.core.configuration == core.configuration
            for one in members
        )

    def _describe(self) -> str:
        return "; ".join(
            f"{name}: {node.core.role.value} t{node.core.term} of {node.core.leader} "
            f"commit {node.core.commit_index}/{node.core.last_index}"
            for name, node in self.nodes.items()
        )

    # --- what can happen ----------------------------------------------------------

    def _any_node(self) -> DrivenNode:
        return self.rng.choice(list(self.nodes.values()))

    def _any_leader(self) -> DrivenNode | None:
        leaders = [
            one
            for one in self.nodes.values()
            if one.core.role is Role.LEADER and one.unsynced is None
        ]
        return self.rng.choice(leaders) if leaders else None

    def _deliver(self) -> None:
        for _ in range(min(len(self.messages), self.rng.randrange(1, 8))):
            self._deliver_one()

    def _deliver_one(self) -> None:
        """The oldest, or any: then a message may come terms later."""
        rng = self.rng
        is_late = not self.is_fifo and rng.random() < 0.2
        place = rng.randrange(len(self.messages)) if is_late else 0
        sender, recipient, message = self.messages.pop(place)
        if rng.random() < self.repeats:
            self.messages.append((sender, recipient, message))
        is_lost = rng.random() < self.loss or (sender, recipient) in self.cut
        if not is_lost and self.nodes[recipient].unsynced is None:
            self._receive(sender, recipient, message)
            if rng.random() < 0.7:
                self._finish(recipient)

    def _receive(self, sender: str, recipient: str, message: Message) -> None:
        node = self.nodes[recipient]
        before = node.core.commit_index
        node.core.receive(message, self.now_s)
        assert node.core.commit_index >= before, "the commit index fell"
        self._check(node)

    def _work(self) -> None:
        node = self._any_node()
        if node.unsynced is None and node.core.has_work and self.rng.random() < 0.1:
            node.take()
        else:
            self._finish(node.node_id)

    def _finish(self, name: str) -> None:
        node = self.nodes[name]
        out = node.finish(self.now_s) if node.unsynced is not None else []
        out += node.run(self.now_s)
        node.apply()
        self._check(node)
        self.messages += [(name, recipient, one) for recipient, one in out]

    def _tick(self) -> None:
        node = self._any_node()
        if node.unsynced is None and self.now_s >= node.core.wake_at:
            node.core.tick(self.now_s)
            self._check(node)

    def _propose(self) -> None:
        node = self._any_leader()
        if node is not None:
            count = self.rng.choice([1, 1, 2, 5])
            data = [USER + b"%d" % (self._proposed + one) for one in range(count)]
            if node.core.propose(data, self.now_s) is not None:
                self._proposed += count

    def _read(self) -> None:
        node = self._any_leader()
        if node is not None:
            index_min = max(one.core.commit_index for one in self.nodes.values())
            read_id = node.core.read(self.now_s)
            assert read_id is not None
            self._reads.append(_Read(node.node_id, read_id, index_min))

    def _crash(self) -> None:
        node = self._any_node()
        self.counts["crashes"] += 1
        name = node.node_id
        self._reads = [one for one in self._reads if one.node_id != name]
        self.messages = [one for one in self.messages if self.rng.random() < 0.8]
        node.restart(self.now_s)
        self._checked_applied.pop(name, None)
        self._check(node)
        for other in self.nodes.values():
            if other.unsynced is None:
                other.core.peer_lost(name, self.now_s)
                other.core.link_up(name)

    def _change_members(self) -> None:
        node = self._any_leader()
        if node is None:
            return
        name = self.rng.choice(list(self.nodes))
        peer = node.core.configuration.peer(name)
        if peer is None:
            change: AddLearner | Promote | Remove = AddLearner(
                Peer(node_id=name, address=f"at-{name}")
            )
        elif peer.is_voter or self.rng.random() < 0.2:
            change = Remove(name)
        else:
            change = Promote(name)
        node.core.change(change, self.now_s)

    def _store_snapshot(self) -> None:
        node = self._any_node()
        if node.unsynced is None and node.applied_index > 0:
            newest = node.disk.snapshot
            if newest is None or newest.index < node.applied_index:
                node.store_snapshot(keep=self.rng.choice([0, 3, 20]))

    def _partition(self) -> None:
        names = list(self.nodes)
        self.rng.shuffle(names)
        here = set(names[: self.rng.randrange(1, len(names))])
        one_way = self.rng.random() < 0.3
        self.cut = {
            (one, other)
            for one in names
            for other in names
            if (one in here) != (other in here) and (one in here or not one_way)
        }

    def _leave_behind(self) -> None:
        """A leader appends what nobody gets."""
        node = self._any_leader()
        if node is not None:
            name = node.node_id
            self.cut = {(name, other) for other in self.nodes}
            if self.rng.random() < 0.5:
                self.cut |= {(other, name) for other in self.nodes}
            self._propose()

    def _heal(self) -> None:
        self.cut.clear()

    def _lose_link(self) -> None:
        node, peer = self._any_node(), self.rng.choice(list(self.nodes))
        if node.unsynced is None:
            node.core.link_down(peer)
            if self.rng.random() < 0.5:
                node.core.peer_lost(peer, self.now_s)
            node.core.link_up(peer)

    def _link_all(self, node: DrivenNode) -> None:
        for peer in self.nodes:
            node.core.link_up(peer)

    def _transfer(self) -> None:
        node = self._any_leader()
        if node is not None:
            node.core.transfer(self.rng.choice(list(self.nodes)), self.now_s)

    def _step_down(self) -> None:
        node = self._any_node()
        if node.unsynced is None:
            node.core.step_down(self.now_s)

    # --- what must hold -----------------------------------------------------------

    def _check(self, node: DrivenNode) -> None:
        self._check_ballot(node)
        self._check_leader(node)
        self._check_applied(node)
        self._check_reads(node)

    def _check_ballot(self, node: DrivenNode) -> None:
        """What is on disk: the term never falls, the vote of a term never changes."""
        term, vote = node.disk.ballot.term, node.disk.ballot.vote
        old_term, old_vote = self._ballots.get(node.node_id, (0, None))
        assert term >= old_term
        assert term > old_term or old_vote in (None, vote), "voted twice"
        self._ballots[node.node_id] = (term, vote)

    def _check_leader(self, node: DrivenNode) -> None:
        """Election safety, and leader completeness when a reign begins."""
        core = node.core
        if core.role is not Role.LEADER:
            return
        if core.term in self._leaders:
            assert self._leaders[core.term] == node.node_id, "two leaders in a term"
            return
        self._leaders[core.term] = node.node_id
        self.counts["reigns"] += 1
        for index, (term, _) in self._committed.items():
            if index >= core.first_index:
                assert index <= core.last_index, "a leader without a committed entry"
                assert core.term_at(index) == term, "a leader with another entry"
            else:
                assert core.commit_index >= index

    def _check_applied(self, node: DrivenNode) -> None:
        """State machine safety; and a majority has what is committed, on disk."""
        core = node.core
        assert core.commit_index <= core.last_index
        seen = self._checked_applied.get(node.node_id, 0)
        for index, term, data in node.applied[seen:]:
            known = self._committed.setdefault(index, (term, data))
            if known != (term, data):
                raise AssertionError(f"entry {index} is {known} and {(term, data)}")
        grown = len(node.applied) > seen
        self._checked_applied[node.node_id] = len(node.applied)
        assert node.applied_index == len(node.applied)
        if grown and core.role is Role.LEADER:
            self._check_majority(node)

    def _check_majority(self, leader: DrivenNode) -> None:
        """Of the configuration in force, or of the one before: it may have been
        changed since the commit."""
        index = leader.core.commit_index
        of_now, before = (
            configuration.voters
            for configuration in (
                leader.core.configuration,
                leader.core.configuration_at(index),
            )
        )
        assert self._majority_has(of_now, index) or self._majority_has(before, index)

    def _majority_has(self, voters: tuple[str, ...], index: int) -> bool:
        holders = sum(self._has_on_disk(self.nodes[one], index) for one in voters)
        return holders > len(voters) // 2

    def _has_on_disk(self, node: DrivenNode, index: int) -> bool:
        disk = node.disk
        if disk.base[0] >= index or (
            disk.snapshot is not None and disk.snapshot.index >= index
        ):
            return True
        place = index - disk.base[0] - 1
        term = self._committed[index][0]
        return place < len(disk.entries) and disk.entries[place].term == term

    def _check_reads(self, node: DrivenNode) -> None:
        """An answered read includes what was committed anywhere when it was asked."""
        if not node.reads:
            return
        for read in [one for one in self._reads if one.node_id == node.node_id]:
            done = node.reads.pop(read.read_id, None)
            if done is not None:
                self._reads.remove(read)
                self.counts["reads" if done.index else "reads_lost"] += 1
                assert done.index is None or done.index >= read.index_min

    def _check_logs(self) -> None:
        """Log matching: logs with a common entry are the same up to it."""
        nodes = list(self.nodes.values())
        for one in nodes:
            for other in nodes:
                self._check_log_pair(one, other)
        for node in nodes:
            self.counts["snapshots"] += node.core.counts["snapshots_installed"]
            self.counts["truncations"] += node.core.counts["truncations"]
        self.counts["committed"] += len(self._committed)

    def _check_log_pair(self, one: DrivenNode, other: DrivenNode) -> None:
        first = max(one.core.first_index, other.core.first_index)
        last = min(one.core.last_index, other.core.last_index)
        if first > last:
            return
        mine, theirs = one.core.entries(first, last), other.core.entries(first, last)
        is_same = False
        for left, right in zip(reversed(mine), reversed(theirs), strict=True):
            if left.term == right.term:
                is_same = True
            if is_same:
                assert left == right, "logs differ before an entry they share"
