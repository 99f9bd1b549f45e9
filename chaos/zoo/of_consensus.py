"""Mutants of consensus: elections, replication, commits, reads, members."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from chaos.zoo.patch import Patch, Patches
from raftleader.replication.member.formation import Formation
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.member.instances import NOT_GREETED, Instances
from raftleader.replication.member.writing import Writing
from raftleader.replication.raft.following import Following
from raftleader.replication.raft.group import Reign
from raftleader.replication.raft.leading import Leading
from raftleader.replication.raft.messages import Heartbeat
from raftleader.replication.raft.reads import Reads
from raftleader.replication.raft.work import Ballot, ReadDone, Work


def _truncate_always(
    self: Following,
    message: Any,
    after: int,
    entries: tuple[tuple[int, bytes], ...],
) -> bool:
    """Whatever follows the place of an append is cut, conflict or not."""
    log = self._group.log
    if after < log.last_index and after >= log.base_index:
        self._truncate(after + 1)
    return _append(self, message, after, entries)


def _write_no_vote(self: Writing, work: Work) -> None:
    """Of the ballot only the term is written down."""
    if work.ballot is not None:
        work = replace(work, ballot=Ballot(term=work.ballot.term, vote=None))
    _write(self, work)


def _commit_any_term(self: Leading, index: int) -> bool:
    """A majority of copies counts for entries of earlier terms too."""
    return True


def _take_any_term(self: Leading, message: Any) -> bool:
    """An answer to an earlier reign counts in this one."""
    return True


def _tell_commit_index(self: Leading, reign: Reign) -> None:
    """Heartbeats name what is committed, whether their receiver is known to hold it
    or not: so it commits what it has there, which may be something else."""
    group = self._group
    reign.round += 1
    for peer in reign.progress:
        message = Heartbeat(
            sender=group.node_id,
            term=group.term,
            commit_index=group.commit_index,
            round=reign.round,
        )
        group.outbox.append((peer, message))
    if reign.reads:
        self._answer_reads(reign)


def _commit_all_there_is(self: Following, commit_index: int) -> None:
    """The other half of it."""
    self._group.commit(min(commit_index, self._group.log.last_index))


def _done_unproved(
    self: Reads, *, confirmed_round: int, commit_index: int
) -> list[ReadDone]:
    """A leader answers reads as long as it thinks that it leads."""
    return _done(self, confirmed_round=2**62, commit_index=commit_index)


def _judge_no_directory(self: Instances, peer: str) -> str:
    """Whoever greets under the name of a member is that member."""
    return NOT_GREETED if self._greeted.get(peer) is None else ""


def _hear_nothing(self: Formation, greeting: Greeting) -> None:
    """A node with an empty directory is not told what it has lost."""


_append = Following._append
_write = Writing._write
_done = Reads.done

MUTANTS: Patches = {
    "truncate-unconditionally": (Patch(Following, "_append", _truncate_always),),
    "forget-the-vote": (Patch(Writing, "_write", _write_no_vote),),
    "count-old-term-entries": (Patch(Leading, "_may_commit", _commit_any_term),),
    "skip-the-term-check": (Patch(Leading, "_is_of_this_term", _take_any_term),),
    "commit-beyond-match": (
        Patch(Leading, "_begin_round", _tell_commit_index),
        Patch(Following, "_merge_commit_of_heartbeat", _commit_all_there_is),
    ),
    "read-without-barrier": (Patch(Reads, "done", _done_unproved),),
    "take-any-directory": (
        Patch(Instances, "_judge", _judge_no_directory),
        Patch(Formation, "hear", _hear_nothing),
        Patch(Formation, "is_formed", property(lambda self: True)),
    ),
}
