"""What a command sees of the entry it came in: place, time, and what it touched."""

from __future__ import annotations

import hashlib

import attrs

from raftleader.protocol.ids import (
    AgentId,
    FrameworkId,
    NodeId,
    OfferId,
    TaskKey,
)
from raftleader.state.cluster import ExecutorKey, OperationKey
from raftleader.state.happenings import Happening
from raftleader.state.outcomes import Touched


@attrs.define(kw_only=True)
class Context:
    """One entry while it is applied. Lives no longer than that.

    Attributes:
        index, term, node: Where the entry stands in the log, and who wrote it.
        now_ms: Cluster time of the entry; never below that of an earlier one.
        ordinal: Place of the current command in the entry, from 0.
        frameworks ... inverse_offers: Rows touched so far, in that order: effects
            follow it, and a set of strings has another order in each process.
        happened: What no row will tell, for those who count.
    """

    cluster_id: str
    index: int
    term: int
    node: NodeId
    now_ms: int
    ordinal: int = 0
    frameworks: dict[FrameworkId, None] = attrs.field(factory=dict)
    agents: dict[AgentId, None] = attrs.field(factory=dict)
    offers: dict[OfferId, None] = attrs.field(factory=dict)
    tasks: dict[TaskKey, None] = attrs.field(factory=dict)
    executors: dict[ExecutorKey, None] = attrs.field(factory=dict)
    operations: dict[OperationKey, None] = attrs.field(factory=dict)
    inverse_offers: dict[OfferId, None] = attrs.field(factory=dict)
    happened: list[Happening] = attrs.field(factory=list)
    _uuids_made: int = attrs.field(default=0, init=False)

    def make_id(self, letter: str) -> str:
        """An id that no other command of this cluster makes."""
        return f"{self.cluster_id}-{letter}{self.index}-{self.ordinal}"

    def make_uuid(self) -> bytes:
        """16 bytes that name an update of the leader's; equal on every replica."""
        self._uuids_made += 1
        name = f"{self.cluster_id}/{self.index}/{self.ordinal}/{self._uuids_made}"
        return hashlib.blake2b(name.encode(), digest_size=16).digest()

    def touched(self) -> Touched:
        """What was touched, as a value."""
        return Touched(
            frameworks=self.frameworks.keys(),
            agents=self.agents.keys(),
            offers=self.offers.keys(),
            tasks=self.tasks.keys(),
            executors=self.executors.keys(),
            operations=self.operations.keys(),
            inverse_offers=self.inverse_offers.keys(),
        )
