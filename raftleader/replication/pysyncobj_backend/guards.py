"""PySyncObj with the parts replaced that lose commands; each override says why.

The letters are those of the table of faults in ``docs/pysyncobj.md``. What is kept
of the library: terms and states, the campaign, counting copies, stepping down when
no majority answers, the queue of commands.

All of it runs in the one step task of ``log.py`` and never waits. It sends nothing
itself: messages gather in ``outbox`` and leave once the journal is synced.
"""

from __future__ import annotations

import collections
import math
import queue
import random
from collections.abc import Iterable

import trio

from raftleader.replication.entries import USER, Entry
from raftleader.replication.interface import Applier
from raftleader.replication.invariant import InvariantError as InvariantError
from raftleader.replication.journal import Journal
from raftleader.replication.pysyncobj_backend import library, seams
from raftleader.replication.pysyncobj_backend.ballots import Ballots
from raftleader.replication.pysyncobj_backend.journal import LibraryJournal
from raftleader.replication.pysyncobj_backend.library import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    Member,
)
from raftleader.replication.pysyncobj_backend.progress import Progress
from raftleader.replication.pysyncobj_backend.wire import (
    AppendEntries,
    AppendReply,
    RaftMessage,
    RequestVote,
    VoteReply,
)
from raftleader.replication.settings import RaftSettings

seams.install()


class GuardedSyncObj(library.OpenSyncObj):
    """One node's Raft. Drive it as ``log.py`` does; nothing else may call in.

    Attributes:
        outbox: Messages to send, oldest first, as (node id, message). Whoever
            drives us empties it, after a sync.
        connected: Members with a link that we can send on.
    """

    def __init__(
        self,
        *,
        node_id: str,
        peers: Iterable[str],
        journal: Journal,
        applier: Applier,
        rng: random.Random,
        settings: RaftSettings,
    ) -> None:
        self.outbox: list[tuple[str, RaftMessage]] = []
        self._id = node_id
        self._peers = {peer: Member(peer) for peer in sorted(peers)}
        log = LibraryJournal(journal)
        self._entries = log.entries
        self._applier = applier
        self._rng = rng
        self._settings = settings
        self._progress: dict[str, Progress] = {}
        self._heard_at = -math.inf
        self._ballots = Ballots(node_id, quorum=(len(self._peers) + 1) // 2 + 1)
        super().__init__(
            Member(node_id),
            list(self._peers.values()),
            conf=library.settings_for(
                settings,
                journal=log,
                on_state_changed=self._on_state_changed,
            ),
            nodeClass=Member,
            transport=library.VoteRequests(self.ask_for_vote),
        )
        # A node that comes back lets a healthy leader find it before it campaigns.
        self._deadline = trio.current_time() + 2 * self._election_timeout_s()

    # --- what the driver calls, in this order, in every step ---------------------

    def receive(self, peer: str, message: RaftMessage) -> None:
        """Take one message of a member, identified by its link.

        Replaces the library's whole handler (A, B, H, P, R): terms are checked on
        every message, and each kind has the rule that the Raft paper gives it.
        """
        node = self._peers[peer]
        if isinstance(message, AppendEntries):
            self._on_append(node, message)
        elif isinstance(message, AppendReply):
            self._on_append_reply(node, message)
        elif isinstance(message, RequestVote):
            self._on_request_vote(node, message)
        else:
            self._on_vote_reply(node, message)

    def link_up(self, peer: str) -> None:
        """We can send to ``peer``; what was sent before may be lost."""
        self.connected.add(self._peers[peer])
        if peer in self._progress:
            self._progress[peer].link_changed()

    def link_down(self, peer: str) -> None:
        """We cannot send to ``peer``."""
        self.connected.discard(self._peers[peer])
        if peer in self._progress:
            self._progress[peer].link_changed()

    def peer_lost(self, peer: str) -> None:
        """The peer's own link to us ended: it died, or will dial again at once.

        If it leads, ask early whether the others lost it too. They say no while
        they hear it, so a broken link costs nothing and a death is noticed at once.
        """
        if self.leader == self._peers[peer] and self.state == FOLLOWER:
            self._heard_at = -math.inf
            patience_s = self._settings.election_timeout_min_s * self._rng.random()
            self._deadline = min(self._deadline, trio.current_time() + patience_s)

    def watch_deadline(self) -> None:
        """When the leader is silent, ask for a probe vote before a campaign.

        Without it a node that was cut off comes back with a high term and deposes
        a healthy leader. The library's own campaign follows in ``doTick``.
        """
        now = trio.current_time()
        if self.state == LEADER or self._deadline >= now:
            return
        if self._deadline == -math.inf and (self.connected or not self._peers):
            return  # granted: the library campaigns in this step's tick
        self._deadline = now + self._election_timeout_s()
        self.leader = None
        for peer in self._peers.values():
            self.ask_for_vote(peer, term=self.term + 1, is_probe=True)
        if self._ballots.open_probe():
            self._deadline = -math.inf

    def replicate(self) -> None:
        """Send new entries to every follower that is ready for them."""
        if self.state != LEADER:
            return
        batches: dict[int, tuple[AppendEntries, int]] = {}
        for peer, progress in self._progress.items():
            if self._peers[peer] not in self.connected:
                continue
            while progress.next <= len(self._entries) and progress.may_send(
                window_bytes_max=self._settings.window_bytes_max
            ):
                if progress.next not in batches:
                    batches[progress.next] = self._batch(progress.next)
                message, size = batches[progress.next]
                self.outbox.append((peer, message))
                last = message.prev_index + len(message.entries)
                progress.sent(last_index=last, size_bytes=size)

    @property
    def wake_at(self) -> float:
        """When the next step is due if nothing happens before."""
        if self.applied_index < self.commit_index:
            return -math.inf
        due = self._heartbeat_at if self.state == LEADER else self._deadline
        return due + 0.001  # the library's timers are due when they are in the past

    @property
    def is_leading(self) -> bool:
        """We lead, and have applied all entries of earlier terms."""
        return self.state == LEADER and self.applied_index >= self.no_op_index

    # --- overrides: commands and applying ----------------------------------------

    def _checkCommandsToApply(self) -> None:
        """Never forward a command (O): only a leader's own callers hear the outcome."""
        if self.state == LEADER:
            super()._checkCommandsToApply()
            return
        while True:
            try:
                _, answer = self._commands.get_nowait()
            except queue.Empty:
                return
            answer(None, library.NOT_LEADER)

    def _SyncObj__applyLogEntries(self) -> bool:
        """Apply each entry once (F, G), and yield to heartbeats in a long replay.

        The applier gets index and term. What it raises goes up and ends the node;
        the library would apply the same entry again at the next tick.
        """
        stop_at = trio.current_time() + self._settings.heartbeat_s / 2
        while self.applied_index < self.commit_index:
            entry = self._entry(self.applied_index + 1)
            result: object = entry.index
            if entry.data[:1] == USER:
                result = self._applier(entry.index, entry.term, entry.data[1:])
            self.applied_index = entry.index
            for asked_term, answer in self._waiting.pop(entry.index, ()):
                if asked_term == entry.term:
                    answer(result, library.SUCCESS)
                else:
                    answer(None, library.DISCARDED)
            if trio.current_time() > stop_at:
                break
        return False

    def _SyncObj__tryLogCompaction(self) -> None:
        """There is no compaction (A, C, D, E): it loses entries in several ways."""

    def _SyncObj__onMessageReceived(self, node: Member, message: object) -> None:
        raise AssertionError("messages come through receive()")

    # --- overrides: elections ----------------------------------------------------

    def _SyncObj__generateRaftTimeout(self) -> float:
        """From this node's own generator, so that a seed repeats a run."""
        return self._election_timeout_s()

    def _election_timeout_s(self) -> float:
        settings = self._settings
        return self._rng.uniform(
            settings.election_timeout_min_s, settings.election_timeout_max_s
        )

    def _on_state_changed(self, old: int, new: int) -> None:
        """Answer all callers when we lose leadership; start anew when we win it.

        The library leaves callers of a deposed leader waiting, and would let it
        campaign at once with a deadline from before its reign.
        """
        if old == LEADER:
            self._deadline = trio.current_time() + self._election_timeout_s()
            waiting, self._waiting = self._waiting, collections.defaultdict(list)
            for index in sorted(waiting):
                for _, answer in waiting[index]:
                    answer(None, library.LEADER_CHANGED)
        if new == LEADER:
            self._ballots.close_probe()
            after = len(self._entries) + 1
            self._progress = {peer: Progress(next=after) for peer in self._peers}

    def ask_for_vote(self, peer: Member, *, term: int, is_probe: bool) -> None:
        """Ask one member for its vote in ``term``."""
        last = self._entries[-1]
        message = RequestVote(
            sender=self._id,
            term=term,
            last_index=last.index,
            last_term=last.term,
            is_probe=is_probe,
        )
        self.outbox.append((peer.id, message))

    def _on_request_vote(self, node: Member, message: RequestVote) -> None:
        """One vote a term, and the same one again if it is asked again (H).

        The library never repeats a vote whose reply was lost, and stays silent to
        a candidate of an old term.
        """
        if message.term > self.term and not message.is_probe:
            self._adopt_term(message.term)
        last = self._entries[-1]
        theirs = (message.last_term, message.last_index)
        is_granted = theirs >= (last.term, last.index)
        if message.is_probe:
            is_granted &= message.term > self.term and not self._hears_leader()
        else:
            is_granted &= (
                message.term == self.term
                and self.state == FOLLOWER
                and self._vote in (None, node.id)
            )
            if is_granted:
                self._SyncObj__setCurrentTerm(self.term, node.id)
                self._deadline = trio.current_time() + self._election_timeout_s()
        reply = VoteReply(
            sender=self._id,
            term=message.term if is_granted else self.term,
            is_probe=message.is_probe,
            is_granted=is_granted,
        )
        self.outbox.append((node.id, reply))

    def _hears_leader(self) -> bool:
        if self.state == LEADER:
            return True
        silence_s = trio.current_time() - self._heard_at
        is_recent = silence_s < self._settings.election_timeout_min_s
        return self.leader is not None and is_recent

    def _on_vote_reply(self, node: Member, message: VoteReply) -> None:
        """Votes are counted by voter (H); the library counts messages."""
        if message.is_granted and message.is_probe:
            if message.term == self.term + 1 and self._ballots.grant_probe(node.id):
                self._deadline = -math.inf
        elif message.term > self.term:
            self._adopt_term(message.term)
        elif message.is_granted and message.term == self.term:
            has_won = self._ballots.grant_vote(node.id, term=self.term)
            if self.state == CANDIDATE and has_won:
                self._SyncObj__onBecomeLeader()

    def _adopt_term(self, term: int) -> None:
        """Someone is further than we are: follow, and wait to learn whom."""
        self._SyncObj__setCurrentTerm(term, None)
        self.leader = None
        self._ballots.close_probe()
        self._SyncObj__setState(FOLLOWER)

    # --- overrides: replication --------------------------------------------------

    def _SyncObj__sendAppendEntries(self) -> None:
        """Send heartbeats only; entries follow in ``replicate`` (B, P).

        The library sends the whole rest of the log again for every refusal.
        """
        self._heartbeat_at = trio.current_time() + self._settings.heartbeat_s
        for peer, progress in self._progress.items():
            is_idle = progress.is_probing and not progress.is_probe_sent
            if is_idle and progress.next <= len(self._entries):
                continue  # a probe with entries leaves in this same step
            if self._peers[peer] in self.connected:
                self.outbox.append((peer, self._append(progress.next, [])))

    def _batch(self, first: int) -> tuple[AppendEntries, int]:
        """The message with the entries from ``first`` on, and its size in bytes."""
        chosen: list[tuple[int, bytes]] = []
        size = 0
        for index in range(first, len(self._entries) + 1):
            entry = self._entry(index)
            size += len(entry.data) + 16
            if chosen and size > self._settings.append_bytes_max:
                break
            chosen.append((entry.term, entry.data))
        return self._append(first, chosen), size

    def _append(self, first: int, entries: list[tuple[int, bytes]]) -> AppendEntries:
        return AppendEntries(
            sender=self._id,
            term=self.term,
            prev_index=first - 1,
            prev_term=self._entry(first - 1).term,
            commit_index=self.commit_index,
            entries=entries,
        )

    def _on_append(self, node: Member, message: AppendEntries) -> None:
        """Append what a leader sends; drop only what conflicts with it (P).

        The library drops everything after ``prev_index``, also entries that it has
        acknowledged. A stale leader is told the new term; the library says nothing.
        """
        if message.term < self.term:
            self._reply(node, is_accepted=False, index=0, hint=0)
            return
        if self.state == LEADER and message.term == self.term:
            raise InvariantError(f"{node.id} leads term {self.term}, and so do we")
        if message.term > self.term:
            self._adopt_term(message.term)
        self.leader = node
        self._ballots.close_probe()
        self._SyncObj__setState(FOLLOWER)
        self._heard_at = trio.current_time()
        self._deadline = self._heard_at + self._election_timeout_s()

        place = message.prev_index
        last_index = len(self._entries)
        if place > last_index:
            self._reply(node, is_accepted=False, index=place, hint=last_index)
            return
        if self._entry(place).term != message.prev_term:
            hint = self._before_term_of(place)
            self._reply(node, is_accepted=False, index=place, hint=hint)
            return
        self._take(message.entries, after=place)
        matched = place + len(message.entries)
        # Never beyond what this message showed to match (A, J).
        self.commit_index = max(self.commit_index, min(message.commit_index, matched))
        self._reply(node, is_accepted=True, index=matched, hint=matched)

    def _take(self, entries: list[tuple[int, bytes]], *, after: int) -> None:
        for index, (term, data) in enumerate(entries, start=after + 1):
            if index <= len(self._entries):
                if self._entry(index).term == term:
                    continue
                self._require_uncommitted(index)
                self._SyncObj__deleteEntriesFrom(index)
            self._SyncObj__raftLog.add(data, index, term)

    def _before_term_of(self, index: int) -> int:
        """The last index before the run of entries that has the term of ``index``."""
        self._require_uncommitted(index)
        term = self._entry(index).term
        while index > self.commit_index and self._entry(index).term == term:
            index -= 1
        return index

    def _require_uncommitted(self, index: int) -> None:
        """The library logs this and goes on, with a state that has diverged."""
        if index <= self.commit_index:
            raise InvariantError(
                f"the leader of term {self.term} has another entry {index}, "
                f"though ours is committed up to {self.commit_index}"
            )

    def _on_append_reply(self, node: Member, message: AppendReply) -> None:
        """Acknowledgements count in the term they carry only (R)."""
        if message.term > self.term:
            self._adopt_term(message.term)
        if message.term != self.term or self.state != LEADER:
            return
        self._answered_at[node] = trio.current_time()
        progress = self._progress[node.id]
        if not message.is_accepted:
            progress.refused(message.index, hint=message.hint)
            return
        if message.index > len(self._entries):
            raise InvariantError(f"{node.id} has entry {message.index}; we do not")
        progress.accepted(message.index)
        self._match_index[node] = progress.match

    def _reply(self, node: Member, *, is_accepted: bool, index: int, hint: int) -> None:
        reply = AppendReply(
            sender=self._id,
            term=self.term,
            is_accepted=is_accepted,
            index=index,
            hint=hint,
        )
        self.outbox.append((node.id, reply))

    def _entry(self, index: int) -> Entry:
        return self._entries[index - 1]
