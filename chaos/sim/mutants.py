"""Bugs to be planted, each of the kind that a checker exists for.

Each takes one rule out of the real code, by putting something else in the place of one
small method. A simulation that does not find them would not find the like of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from msgspec.structs import replace

from agent.machine.tasks import TaskTable
from raftleader.errors import ConfigError
from raftleader.protocol.agent_rpc import TaskOrder
from raftleader.replication.member.applying import Applying
from raftleader.replication.member.writing import Writing
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.following import Following
from raftleader.replication.raft.group import Reign
from raftleader.replication.raft.leading import Leading
from raftleader.replication.raft.messages import Heartbeat
from raftleader.replication.raft.work import Ballot, Work
from raftleader.state import apply
from raftleader.state.apply_time import apply_begin_term
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import BeginTerm
from raftleader.state.context import Context
from raftleader.state.outcomes import Outcome
from raftleader.state.tables import drop_offer


def _sync_now_and_then(self: Writing) -> None:
    """Three of four syncs are left to a later step; the messages leave all the same."""
    late = getattr(self, "late", 0)
    self.late = (late + 1) % 4  # type: ignore[attr-defined]
    if late == 3:
        _sync(self)


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


def _restored_one_early(
    self: Applying, index: int, configuration: Configuration
) -> None:
    """After a snapshot the entry before it is applied once more."""
    _restored(self, index, configuration)
    self.index = index - 1


def _begin_term_without_an_offer(
    state: ClusterState, ctx: Context, command: BeginTerm
) -> Outcome:
    """A new leader loses the offer that is outstanding longest."""
    outcome = apply_begin_term(state, ctx, command)
    for offer_id in sorted(state.offers)[:1]:
        drop_offer(state, ctx, state.offers[offer_id])
    return outcome


def _run_again(self: TaskTable, order: TaskOrder) -> None:
    """An agent forgets which tasks it has finished."""
    self.used.clear()
    _run(self, order)


_sync = Writing._sync
_write = Writing._write
_append = Following._append
_restored = Applying.restored
_run = TaskTable.run


@attrs.frozen
class Patch:
    """``put`` takes the place of ``owner.name``."""

    owner: Any
    name: str
    put: Callable[..., Any]


MUTANTS: dict[str, tuple[Patch, ...]] = {
    "acknowledge-before-sync": (Patch(Writing, "_sync", _sync_now_and_then),),
    "truncate-unconditionally": (Patch(Following, "_append", _truncate_always),),
    "forget-the-vote": (Patch(Writing, "_write", _write_no_vote),),
    "count-old-term-entries": (Patch(Leading, "_may_commit", _commit_any_term),),
    "skip-the-term-check": (Patch(Leading, "_is_of_this_term", _take_any_term),),
    "commit-beyond-match": (
        Patch(Leading, "_begin_round", _tell_commit_index),
        Patch(Following, "_merge_commit_of_heartbeat", _commit_all_there_is),
    ),
    "apply-twice": (Patch(Applying, "restored", _restored_one_early),),
    "drop-an-offer": (Patch(apply, "apply_begin_term", _begin_term_without_an_offer),),
    "relaunch-finished-task": (Patch(TaskTable, "run", _run_again),),
}
"""By the name under which ``raftleader chaos sim --mutant`` plants them."""


@contextlib.contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Plant the mutant of this name for a while; None plants nothing.

    Raises ConfigError for a name that is none.
    """
    if name is None:
        yield
        return
    patches = MUTANTS.get(name)
    if patches is None:
        raise ConfigError(
            f"--mutant {name}: there is none of that name; there are"
            f" {', '.join(sorted(MUTANTS))}"
        )
    with contextlib.ExitStack() as stack:
        for patch in patches:
            original = getattr(patch.owner, patch.name)
            setattr(patch.owner, patch.name, patch.put)
            stack.callback(setattr, patch.owner, patch.name, original)
        yield
