"""A made-up cluster of leader nodes: one state, one log, and what each node would have
written down of it. Time is a number; nothing runs."""

from __future__ import annotations

import random
from pathlib import Path

import attrs

from chaos.observation.format import (
    DIGEST_EVERY,
    AppliedEntry,
    AppliedRecord,
    Begin,
    Digested,
    Restored,
    RoleChange,
    encode_record,
    life_file,
)
from chaos.observation.reading import NAME
from raftleader.protocol.ids import NodeId
from raftleader.state import commands as c
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied
from raftleader.state.snapshot import digest

MS = 1_000_000
CLUSTER = "synthetic"
SNAPSHOT_ENTRIES = 200
KEEP_ENTRIES = 60
BEGAN_MS = 1_700_000_000_000


@attrs.define(eq=False)
class Node:
    """A leader node, through its lives.

    Attributes:
        lives: The records of each life.
        applied: Newest index that it has.
        term: Highest that it has heard of.
    """

    name: str
    lives: list[list[AppliedRecord]] = attrs.field(factory=list)
    is_up: bool = False
    is_cut: bool = False
    applied: int = 0
    stretch: int = 0
    last_ns: int = 0
    term: int = 0

    @property
    def is_there(self) -> bool:
        return self.is_up and not self.is_cut

    def write(self, record: AppliedRecord) -> None:
        self.lives[-1].append(record)


@attrs.define(eq=False)
class SyntheticCluster:
    """See the module.

    Attributes:
        now_ns: Time; whoever uses this moves it.
        entries: (index, term, data) of all that is committed.
        leader: Who leads; None while nobody can.
    """

    rng: random.Random
    names: tuple[str, ...]
    now_ns: int
    state: ClusterState = attrs.field(
        factory=lambda: ClusterState(cluster_id=CLUSTER), init=False
    )
    entries: list[tuple[int, int, bytes]] = attrs.field(factory=list, init=False)
    nodes: dict[str, Node] = attrs.field(factory=dict, init=False)
    leader: Node | None = attrs.field(default=None, init=False)
    term: int = attrs.field(default=0, init=False)
    _index: int = attrs.field(default=0, init=False)
    _digests: dict[int, bytes] = attrs.field(factory=dict, init=False)
    _snapshot: int = attrs.field(default=0, init=False)
    _began_ns: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._began_ns = self.now_ns
        for name in self.names:
            self.nodes[name] = Node(name)
            self.start(name)

    @property
    def cluster_ms(self) -> int:
        return BEGAN_MS + (self.now_ns - self._began_ns) // MS

    @property
    def can_commit(self) -> bool:
        there = sum(node.is_there for node in self.nodes.values())
        return self.leader is not None and 2 * there > len(self.nodes)

    def propose(self, *commands: c.Command) -> Applied:
        """One entry is committed, and applied by all nodes that are there."""
        assert self.leader is not None
        self._index += 1
        entry = c.Entry(
            term=self.term,
            node=NodeId(self.leader.name),
            now_ms=self.cluster_ms,
            commands=commands,
        )
        data = c.encode_entry(entry)
        applied = apply_entry(self.state, self._index, self.term, data)
        previous = self.entries[-1][0] if self.entries else 0
        self.entries.append((self._index, self.term, data))
        if self._index // DIGEST_EVERY > previous // DIGEST_EVERY:
            self._digests[self._index] = digest(self.state)
        if self._index - self._snapshot >= SNAPSHOT_ENTRIES:
            self._snapshot = self._index
            self._digests[self._index] = digest(self.state)
        for node in self.nodes.values():
            if node.is_there:
                late = self.rng.randrange(50, 3000) * 1000
                at_ns = self.now_ns if node is self.leader else self.now_ns + late
                self._give(node, self.entries[-1], at_ns)
        return applied

    def elect(self) -> str:
        """Somebody who is there begins to lead."""
        there = [
            node
            for node in self.nodes.values()
            if node.is_there and node is not self.leader
        ]
        self.leader = self.rng.choice(there)
        self.term += 1
        self._index += 1  # the log's own entry
        for node in self.nodes.values():
            if node.is_there:
                self._catch_up(node)
                node.term = self.term
                node.write(
                    RoleChange(
                        term=self.term,
                        leading=node is self.leader,
                        leader=self.leader.name,
                        at_ns=self.now_ns,
                    )
                )
        self.propose(c.BeginTerm(http_address=f"{self.leader.name}:5050"))
        return self.leader.name

    def start(self, name: str) -> None:
        """A node begins a life with what is on its disk."""
        node = self.nodes[name]
        node.is_up = True
        node.lives.append([])
        wall_ms = self.cluster_ms
        node.write(
            Begin(
                node=name,
                pid=1000 + 10 * len(node.lives),
                at_ns=self.now_ns,
                wall_ms=wall_ms,
            )
        )
        node.write(RoleChange(term=0, leading=False, leader=None, at_ns=self.now_ns))
        known, node.applied, node.stretch = node.applied, 0, 0
        if 0 < self._snapshot <= known:
            self._restore(node)
        if not node.is_cut and self.leader is not None:
            self._follow(node)

    def kill(self, name: str) -> None:
        """A node dies."""
        node = self.nodes[name]
        node.is_up = False
        if node is self.leader:
            self.leader = None

    def cut(self, name: str) -> None:
        """A node hears nothing any more; if it leads, it steps down."""
        node = self.nodes[name]
        node.is_cut = True
        if node is self.leader:
            self.leader = None
            node.write(
                RoleChange(
                    term=self.term, leading=False, leader=None, at_ns=self.now_ns
                )
            )

    def heal(self, name: str) -> None:
        """It hears the others again."""
        node = self.nodes[name]
        node.is_cut = False
        if node.is_up and self.leader is not None:
            self._follow(node)

    def save(self, folder: Path) -> None:
        """The files of all nodes, below a run's folder."""
        for node in self.nodes.values():
            prefix = folder / "nodes" / node.name / NAME
            prefix.parent.mkdir(parents=True, exist_ok=True)
            (prefix.parent / "log").write_text(f"INFO {node.name}: started\n")
            for number, records in enumerate(node.lives, start=1):
                data = b"".join(encode_record(record) for record in records)
                life_file(prefix, number).write_bytes(data)

    def _follow(self, node: Node) -> None:
        assert self.leader is not None
        node.term = self.term
        node.write(
            RoleChange(
                term=self.term,
                leading=False,
                leader=self.leader.name,
                at_ns=self.now_ns,
            )
        )
        self._catch_up(node)

    def _catch_up(self, node: Node) -> None:
        if self._index - node.applied > KEEP_ENTRIES and self._snapshot > node.applied:
            self._restore(node)
        for entry in self._after(node.applied):
            self._give(node, entry, self.now_ns)

    def _after(self, index: int) -> list[tuple[int, int, bytes]]:
        found: list[tuple[int, int, bytes]] = []
        for entry in reversed(self.entries):
            if entry[0] <= index:
                break
            found.append(entry)
        return found[::-1]

    def _restore(self, node: Node) -> None:
        node.applied = self._snapshot
        node.stretch = self._snapshot // DIGEST_EVERY
        node.write(
            Restored(
                index=self._snapshot,
                at_ns=self.now_ns,
                digest=self._digests[self._snapshot],
            )
        )

    def _give(self, node: Node, entry: tuple[int, int, bytes], at_ns: int) -> None:
        index, term, data = entry
        at_ns = node.last_ns = max(at_ns, node.last_ns)
        node.write(AppliedEntry(index=index, term=term, at_ns=at_ns, data=data))
        node.applied = index
        if index // DIGEST_EVERY > node.stretch:
            node.stretch = index // DIGEST_EVERY
            node.write(Digested(index=index, digest=self._digests[index]))
