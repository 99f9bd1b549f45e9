"""A follower's half: entries, heartbeats and snapshots of the leader (section 3.5).

The log is cut only where an entry of the leader conflicts with it, never because a
message is short, old or repeated: what was acknowledged stays. A conflict at or below
the commit index cannot be, and stops the node.
"""

from __future__ import annotations

import msgspec

from raftleader.replication.entries import Entry
from raftleader.replication.invariant import InvariantError
from raftleader.replication.raft.group import Group, Role
from raftleader.replication.raft.log import find_configurations
from raftleader.replication.raft.messages import (
    AppendEntries,
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    SnapshotChunk,
    SnapshotMeta,
    SnapshotReply,
)


class Following:
    """The part of one node."""

    def __init__(self, group: Group) -> None:
        self._group = group

    # --- who leads ----------------------------------------------------------------

    def _is_of_leader(self, message: AppendEntries | Heartbeat | SnapshotChunk) -> bool:
        """Follow the sender if it leads our term or a later one.

        It need not be a member as far as we know: we may be behind, and its log says
        who is (section 4.1). A leader of an older term is told ours.
        """
        group = self._group
        if (
            message.term == group.term
            and message.sender == group.leader
            and group.role is Role.FOLLOWER
        ):
            group.heard_at = group.now_s
            group.deadline = group.now_s + group.timeout_s
            return True
        if message.term < group.term:
            group.refuse("old term")
            self._tell_term(message)
            return False
        if message.term == group.term and (
            group.leader is not None or group.role is Role.LEADER
        ):
            group.refuse("another leader of our term")
            return False
        group.follow(message.term, message.sender)
        group.heard_at = group.now_s
        group.deadline = group.now_s + group.timeout_s
        return True

    def _tell_term(self, message: AppendEntries | Heartbeat | SnapshotChunk) -> None:
        if isinstance(message, Heartbeat):
            self._answer_heartbeat(message)
        else:
            place = message.prev_index if isinstance(message, AppendEntries) else 0
            self._refuse_at(message.sender, place, hint_index=0)

    # --- heartbeats ---------------------------------------------------------------

    def on_heartbeat(self, message: Heartbeat) -> None:
        """The leader lives; more may be committed."""
        if self._is_of_leader(message):
            self._merge_commit_of_heartbeat(message.commit_index)
            self._answer_heartbeat(message)

    def _merge_commit_of_heartbeat(self, commit_index: int) -> None:
        """The leader names only what it knows to be in our log, and on our disk."""
        if commit_index <= self._group.log.last_index:
            self._group.commit(commit_index)
        else:
            self._group.refuse("commit index beyond our log")

    def _answer_heartbeat(self, message: Heartbeat) -> None:
        group = self._group
        reply = HeartbeatReply(
            sender=group.node_id,
            term=group.term,
            round=message.round,
            last_index=group.log.last_index,
        )
        group.send(message.sender, reply)

    # --- entries ------------------------------------------------------------------

    def on_append(self, message: AppendEntries) -> None:
        """Append what is new of the entries, if our log matches where they begin."""
        if not self._is_of_leader(message):
            return
        log = self._group.log
        after, term = message.prev_index, message.prev_term
        entries = message.entries
        if after < log.base_index:
            # What is forgotten here is committed, and the same everywhere.
            known = log.base_index - after
            if len(entries) < known:
                self._accept(after + len(entries))
                return
            after, term = log.base_index, entries[known - 1][0]
            entries = entries[known:]
        if after > log.last_index:
            self._refuse_at(message.sender, after, hint_index=log.last_index)
            return
        if log.term_at(after) != term:
            self._require_uncommitted(after, message)
            hint_index = log.last_until(after - 1, term)
            self._refuse_at(message.sender, after, hint_index=hint_index)
            return
        if self._append(message, after, entries):
            matched = after + len(entries)
            self._merge_commit(message.commit_index, matched)
            self._accept(matched)

    def _append(
        self,
        message: AppendEntries,
        after: int,
        entries: tuple[tuple[int, bytes], ...],
    ) -> bool:
        """Make the log agree with ``entries``; False if one cannot be read."""
        log = self._group.log
        first = log.first_conflict(after, entries)
        if first is not None:
            self._require_uncommitted(first, message)
            entries = entries[first - after - 1 :]
        else:
            entries = entries[log.last_index - after :]
            first = log.last_index + 1
        if not entries:
            return True
        fresh = [
            Entry(data, index, term)
            for index, (term, data) in enumerate(entries, start=first)
        ]
        try:
            configurations = find_configurations(fresh)
        except msgspec.DecodeError:
            self._group.refuse("a configuration that cannot be read")
            return False
        before = log.configuration_index
        if first <= log.last_index:
            self._truncate(first)
        log.append(fresh, configurations)
        if configurations or log.configuration_index != before:
            self._group.use_configuration()
        return True

    def _truncate(self, first: int) -> None:
        """Our entries from ``first`` on conflict with the leader's: they were never
        committed, and go."""
        self._group.log.truncate(first)
        self._group.counts["truncations"] += 1

    def _require_uncommitted(self, index: int, message: AppendEntries) -> None:
        group = self._group
        if index <= group.commit_index:
            raise InvariantError(
                f"{message.sender}, leader of term {message.term}, has another entry "
                f"{index}, though ours is committed up to {group.commit_index}"
            )

    def _merge_commit(self, commit_index: int, matched: int) -> None:
        """Never beyond what this message showed to match."""
        self._group.commit(min(commit_index, matched))

    def _accept(self, index: int) -> None:
        """One answer for all that a step accepts; it leaves when all is on disk."""
        group = self._group
        if group.accepted_index is None or index > group.accepted_index:
            group.accepted_index = index

    def _refuse_at(self, leader: str, index: int, *, hint_index: int) -> None:
        """The logs do not match at ``index``, and at nothing after ``hint_index``."""
        group, log = self._group, self._group.log
        hint_index = max(hint_index, 0)
        reply = AppendReply(
            sender=group.node_id,
            term=group.term,
            is_accepted=False,
            index=index,
            hint_index=hint_index,
            hint_term=log.term_at(hint_index) if log.holds(hint_index) else 0,
        )
        group.send(leader, reply)

    # --- snapshots ----------------------------------------------------------------

    def on_chunk(self, message: SnapshotChunk) -> None:
        """Have the piece stored, unless our log got there by itself."""
        if not self._is_of_leader(message):
            return
        if self.is_wanted(message.meta):
            self._group.chunk = message
        else:
            self._group.commit(message.meta.index)
            self.report(message.meta, message.meta.size_bytes, is_installed=True)

    def is_wanted(self, meta: SnapshotMeta) -> bool:
        """Whether the log lacks what the snapshot has."""
        group = self._group
        is_past = group.commit_index >= meta.index
        return not is_past and not group.log.matches(meta.index, meta.term)

    def install(self, meta: SnapshotMeta) -> None:
        """The snapshot is stored and in use: the log begins after it."""
        group = self._group
        if group.commit_index < meta.index:
            group.log.begin_after(meta)
            group.commit(meta.index)
            group.accepted_index = None
            group.counts["snapshots_installed"] += 1
            group.use_configuration()
        if group.snapshot is None or group.snapshot.index < meta.index:
            group.snapshot = meta
        self.report(meta, meta.size_bytes, is_installed=True)

    def report(
        self, meta: SnapshotMeta, next_offset: int, *, is_installed: bool = False
    ) -> None:
        """Tell whoever leads how much of the snapshot is here."""
        group = self._group
        if group.leader is None or group.role is not Role.FOLLOWER:
            return
        reply = SnapshotReply(
            sender=group.node_id,
            term=group.term,
            index=meta.index,
            next_offset=next_offset,
            is_installed=is_installed,
        )
        group.send(group.leader, reply)
