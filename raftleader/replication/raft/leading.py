"""A leader's half of replication: entries out, answers in, commits (3.5, 3.6).

An entry is committed when a majority of the voters has it on disk and it is of the
leader's own term; whatever is before it then is committed too (section 3.6.2: counting
copies of older terms' entries would lose them). This node's own copy counts like any
other: once it is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

from raftleader.replication.entries import NO_OP, Entry
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.group import Group, Reign
from raftleader.replication.raft.messages import (
    AppendEntries,
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    SnapshotReply,
)
from raftleader.replication.raft.progress import PROBE, SNAPSHOT, Progress
from raftleader.replication.raft.snapshots import next_chunk, send_again, took_chunk

_match_of: Callable[[Progress], int] = attrgetter("match")
_round_of: Callable[[Progress], int] = attrgetter("round")
_heard_at_of: Callable[[Progress], float] = attrgetter("heard_at")

_Value = TypeVar("_Value", int, float)
_Batches = dict[int, tuple[AppendEntries, int, int]]
_Reply = AppendReply | HeartbeatReply | SnapshotReply


class Leading:
    """The part of one node, while it leads. ``on_match`` is told when a member's log
    grew, ``on_commit`` when the commit index did."""

    def __init__(
        self,
        group: Group,
        *,
        on_match: Callable[[Reign, str], None],
        on_commit: Callable[[Reign], None],
    ) -> None:
        self._group = group
        self._on_match = on_match
        self._on_commit = on_commit

    # --- entries in ---------------------------------------------------------------

    def begin(self) -> None:
        """Won: the first entry proves the term, and commits what came before."""
        self._group.begin_reign()
        self.append([NO_OP])

    def append(
        self, data: Sequence[bytes], configuration: Configuration | None = None
    ) -> int:
        """Add entries to the leader's log; the index of the first."""
        group, log = self._group, self._group.log
        first, term = log.last_index + 1, group.term
        entries = [Entry(one, index, term) for index, one in enumerate(data, first)]
        if configuration is None:
            log.append(entries)
        else:
            log.append(entries, [(first, configuration)])
            group.use_configuration()
        if group.reign is not None:
            group.reign.is_sending_due = True
        return first

    # --- messages out -------------------------------------------------------------

    def tick(self, reign: Reign) -> None:
        """A round of heartbeats, if it is due; step down if nobody answers them."""
        group = self._group
        if group.now_s < reign.heartbeat_at:
            return
        reign.heartbeat_at = group.now_s + group.settings.heartbeat_s
        heard_at = self._majority_has(reign, group.now_s, _heard_at_of)
        if group.now_s - heard_at > group.settings.leader_fallback_s:
            group.counts["quorums_lost"] += 1
            group.follow(group.term, None)
            return
        reign.is_round_due = True
        for progress in reign.progress.values():
            if progress.state is SNAPSHOT and send_again(progress, group):
                reign.is_sending_due = True

    def make_messages(self, reign: Reign) -> None:
        """Put what is due into the outbox: heartbeats first, since they are small and
        prove, by their answers, what came of the messages before them."""
        if reign.is_round_due:
            reign.is_round_due = False
            self._begin_round(reign)
        if reign.is_sending_due:
            reign.is_sending_due = False
            batches: _Batches = {}
            for peer, progress in reign.progress.items():
                self._replicate(reign, peer, progress, batches)

    def _begin_round(self, reign: Reign) -> None:
        reign.round += 1
        self._group.outbox.extend(self.heartbeats(reign))
        if reign.reads:
            self._answer_reads(reign)  # alone, we are the majority

    def heartbeats(self, reign: Reign) -> Iterator[tuple[str, Heartbeat]]:
        """Those of the newest round. Sent again, they prove no less: an answer to them
        is an answer that came after the round began."""
        group = self._group
        message: Heartbeat | None = None
        for peer, progress in reign.progress.items():
            commit_index = min(progress.match, group.commit_index)
            if message is None or message.commit_index != commit_index:
                message = Heartbeat(
                    sender=group.node_id,
                    term=group.term,
                    commit_index=commit_index,
                    round=reign.round,
                )
            yield peer, message

    def _replicate(
        self, reign: Reign, peer: str, progress: Progress, batches: _Batches
    ) -> None:
        """Send one member what it is ready for; the same objects to members that are
        equally far."""
        group, log = self._group, self._group.log
        window_bytes_max = group.settings.window_bytes_max
        while not progress.is_waiting:
            first = progress.next
            if first <= log.base_index and progress.state is not SNAPSHOT:
                assert group.snapshot is not None, "compacted without a snapshot"
                progress.send_snapshot(group.snapshot)
                group.counts["snapshots_begun"] += 1
            if progress.state is SNAPSHOT:
                group.snapshots_wanted.append(next_chunk(peer, progress, group))
                return
            if progress.state is not PROBE and (
                first > log.last_index or progress.in_flight_bytes >= window_bytes_max
            ):
                return
            batch = batches.get(first)
            if batch is None:
                batch = batches[first] = self._batch(first)
            message, last, size = batch
            group.outbox.append((peer, message))
            progress.sent(last_index=last, size_bytes=size, in_round=reign.round)

    def _batch(self, first: int) -> tuple[AppendEntries, int, int]:
        """The message with the entries from ``first`` on, its last index, its size."""
        group, log = self._group, self._group.log
        last, size = first - 1, 0
        entries: tuple[tuple[int, bytes], ...] = ()
        if first <= log.last_index:
            last, size = log.batch(first, group.settings.append_bytes_max)
            entries = tuple([(one.term, one.data) for one in log.slice(first, last)])
        message = AppendEntries(
            sender=group.node_id,
            term=group.term,
            prev_index=first - 1,
            prev_term=log.term_at(first - 1),
            commit_index=group.commit_index,
            entries=entries,
        )
        return message, last, size

    # --- answers in ---------------------------------------------------------------

    def _answering(self, message: _Reply) -> tuple[Reign, Progress] | None:
        """The reign, and the progress of the sender, if the answer counts in it."""
        group = self._group
        if not group.is_member(message.sender):
            group.refuse("not a member")
            return None
        if message.term > group.term:
            group.follow(message.term, None)
            return None
        reign = group.reign
        if reign is None or not self._is_of_this_term(message):
            group.refuse("answer to an earlier reign")
            return None
        progress = reign.progress.get(message.sender)
        if progress is None:
            group.refuse("from ourselves")
            return None
        progress.heard_at = group.now_s
        return reign, progress

    def _is_of_this_term(self, message: _Reply) -> bool:
        """What a member held in another term says nothing about now."""
        return message.term == self._group.term

    def on_append_reply(self, message: AppendReply) -> None:
        """A member's log matches, or does not."""
        answering = self._answering(message)
        if answering is None:
            return
        reign, progress = answering
        log = self._group.log
        if not message.is_accepted:
            last_possible = log.last_until(message.hint_index, message.hint_term)
            if progress.refused(message.index, last_possible=last_possible):
                reign.is_sending_due = True
        elif message.index > log.last_index:
            self._group.refuse("acknowledges what we do not have")
        else:
            self._accepted(reign, message.sender, progress, message.index)

    def _accepted(
        self, reign: Reign, peer: str, progress: Progress, index: int
    ) -> None:
        log = self._group.log
        is_news = progress.accepted(index)
        if progress.state is SNAPSHOT and progress.match >= log.base_index:
            progress.probe(progress.match + 1)
        if progress.next <= log.last_index:
            reign.is_sending_due = True
        if is_news:
            self.advance_commit(reign)
            if self._group.reign is reign:
                self._on_match(reign, peer)

    def on_heartbeat_reply(self, message: HeartbeatReply) -> None:
        """A member echoes a round."""
        answering = self._answering(message)
        if answering is None:
            return
        reign, progress = answering
        if message.round > reign.round:
            self._group.refuse("echoes a round that was never begun")
            return
        if progress.answered(in_round=message.round, last_index=message.last_index):
            reign.is_sending_due = True
        if reign.reads:
            self._answer_reads(reign)

    def on_snapshot_reply(self, message: SnapshotReply) -> None:
        """A member wants the next piece of a snapshot, or has it all."""
        answering = self._answering(message)
        if answering is None:
            return
        reign, progress = answering
        if message.is_installed:
            if message.index <= self._group.log.last_index:
                self._accepted(reign, message.sender, progress, message.index)
        elif took_chunk(progress, message):
            reign.is_sending_due = True

    # --- what a majority has ------------------------------------------------------

    def advance_commit(self, reign: Reign) -> None:
        """Commit what a majority has, if it is of this term."""
        group = self._group
        index = self._majority_has(reign, group.log.stable_index, _match_of)
        if index > group.commit_index and self._may_commit(index):
            group.commit(index)
            if reign.reads:
                self._answer_reads(reign)
            self._on_commit(reign)

    def _may_commit(self, index: int) -> bool:
        """Copies count only for entries of the leader's own term."""
        return self._group.log.term_at(index) == self._group.term

    def _answer_reads(self, reign: Reign) -> None:
        group = self._group
        confirmed = self._majority_has(reign, reign.round, _round_of)
        group.reads_done += reign.reads.done(
            confirmed_round=confirmed, commit_index=group.commit_index
        )

    def _majority_has(
        self, reign: Reign, ours: _Value, of: Callable[[Progress], _Value]
    ) -> _Value:
        """The highest value that a majority of the voters has reached."""
        group = self._group
        progress = reign.progress
        values = [
            ours if voter == group.node_id else of(progress[voter])
            for voter in group.voters
        ]
        values.sort()
        return values[len(values) - group.quorum]
