"""The core of a node and what works beside it, made for each other.

They are made twice in the life of a group's first members: at the start, and when the
group is formed, so that the core's timers begin then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import attrs

from raftleader.replication.interface import StateMachine
from raftleader.replication.member.applying import Applying
from raftleader.replication.member.installing import Installing
from raftleader.replication.member.opening import Opened
from raftleader.replication.member.proposals import Proposals
from raftleader.replication.member.snapshotting import Snapshotting
from raftleader.replication.raft.core import RaftCore
from raftleader.replication.settings import RaftSettings


@attrs.frozen(kw_only=True)
class Parts:
    """See the module."""

    core: RaftCore
    applying: Applying
    snapshotting: Snapshotting
    installing: Installing

    @classmethod
    def make(
        cls,
        *,
        node_id: str,
        opened: Opened,
        settings: RaftSettings,
        draw: Callable[[], float],
        now_s: float,
        machine: StateMachine,
        proposals: Proposals,
        snapshot_entries: int,
        snapshot_bytes: int,
        keep_entries: int,
        at_point: Callable[[str], None],
    ) -> Self:
        """All at the point where the directory was opened; ``machine`` is empty."""
        start = opened.start
        core = RaftCore(
            node_id=node_id, settings=settings, draw=draw, start=start, now_s=now_s
        )
        applying = Applying(
            machine,
            proposals,
            index=0 if start.snapshot is None else start.snapshot.index,
            configuration=start.configuration,
        )
        snapshotting = Snapshotting(
            core=core,
            journal=opened.journal,
            store=opened.store,
            machine=machine,
            applying=applying,
            entries_max=snapshot_entries,
            bytes_max=snapshot_bytes,
            keep_entries=keep_entries,
            at_point=at_point,
        )
        installing = Installing(
            core=core,
            journal=opened.journal,
            store=opened.store,
            machine=machine,
            applying=applying,
            snapshotting=snapshotting,
            at_point=at_point,
        )
        if start.snapshot is not None:
            installing.start_from(start.snapshot)
        return cls(
            core=core,
            applying=applying,
            snapshotting=snapshotting,
            installing=installing,
        )

    @property
    def has_to_apply(self) -> bool:
        """Committed entries wait for the machine."""
        applying = self.applying
        return applying.index < self.core.commit_index and not applying.is_paused

    def background_is_due(self, now_s: float) -> bool:
        """A snapshot is being read or written, or should be."""
        return (
            self.installing.is_active
            or self.snapshotting.is_active
            or self.snapshotting.is_due(now_s)
        )
