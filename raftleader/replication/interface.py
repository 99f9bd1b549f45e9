"""The log behind a small seam: bytes in, one order on every node.

An engine (``raft_log``, ``single_node``, ``pysyncobj_backend``) is given a state
machine, or its *applier* alone, and calls it once for each committed entry, in log
order, on every node, from one task. The rest of the house proposes bytes and watches
leadership; it never sees the engine.

Promises of every engine:

* **Durable.** When ``propose`` returns, the entry is on disk (fdatasync) on a
  majority, this node included, and will be applied by every node.
* **One order.** All nodes apply the same bytes at the same index, each index once
  in the life of a process; after a restart from 1 again, or from where the newest
  snapshot stands, which takes the place of all before it.
* **Definite or unknown.** ``propose`` raises NotLeaderError or OverloadedError
  only when the entry will never be applied, OutcomeUnknownError otherwise.
* **Bounded.** No call waits for ever: every wait has a deadline.
* **Bugs are loud.** An exception in the applier stops the node: ``run`` raises it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs
import trio

if TYPE_CHECKING:
    from raftleader.replication.raft.configuration import Configuration
    from raftleader.replication.raft.membership import Change

Applier = Callable[[int, int, bytes], object]
"""``applier(index, term, data)``: apply one committed entry, return its result.

The result of an entry that this node proposed is what its ``propose`` returns.
Must be total: it never raises on data it does not like.
"""


class Restoration(Protocol):
    """A state being read from a snapshot, beside the one in use."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes, cut anywhere, 64 KiB at most: that takes milliseconds.

        Raises InvalidInputError for what is no snapshot of this cluster."""

    def finish(self) -> None:
        """All bytes were fed: from now on this is the state. Takes milliseconds.

        Raises InvalidInputError, with the old state still in use."""


class StateMachine(Protocol):
    """What the log feeds on one node."""

    def apply(self, index: int, term: int, data: bytes) -> object:
        """See ``Applier``."""

    def capture(self) -> Iterator[bytes]:
        """The state as it is now, in pieces of any size.

        The call itself and each step take milliseconds, never more than 20; entries
        may be applied between two steps and are not part of it."""

    def restore(self) -> Restoration:
        """Begin to read a snapshot. The old state is in use until it is finished."""


@attrs.frozen(kw_only=True)
class Leadership:
    """Who leads, as far as this node knows.

    Attributes:
        term: Raft's numbered reign; never goes down.
        leader: Node id of the leader of ``term``, or None while there is none.
        leading: This node leads ``term`` and has applied every entry of earlier
            terms, so that its state is complete.
    """

    term: int
    leader: str | None
    leading: bool


@attrs.frozen(kw_only=True)
class LogStatistics:
    """An engine's counters right now, for status pages and metrics.

    ``details``: what only this engine has to tell, ready to be written as JSON.
    """

    engine: str
    term: int
    last_index: int
    commit_index: int
    applied_index: int
    journal_bytes: int
    peers_connected: tuple[str, ...]
    details: Mapping[str, object] = attrs.field(factory=dict)


class ReplicatedLog(Protocol):
    """One node's end of the replicated log."""

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Take part until cancelled.

        ``started`` is called once the journal is read and peers can reach us.
        Raises JournalDamagedError before that, and whatever the applier raised.
        On the way out the journal is synced and closed.
        """

    async def propose(self, data: bytes, *, timeout_s: float) -> object:
        """Commit ``data`` and return what the local applier answered.

        Several proposals may be in flight; they are ordered as submitted.
        Raises NotLeaderError, OverloadedError (both definite) or
        OutcomeUnknownError (timeout, lost leadership). If cancelled, the entry
        may still be committed.
        """

    async def barrier(self, *, timeout_s: float) -> int:
        """Prove leadership, by a majority that answered meanwhile; return an index.

        Afterwards the local state includes all up to that index, and with it
        everything answered before the call, by whomever.
        Raises like ``propose``, but is always safe to repeat.
        """

    @property
    def leadership(self) -> Leadership:
        """The latest view; may be stale the moment it is read."""

    async def wait_leadership_changed(self, seen: Leadership) -> Leadership:
        """Return as soon as ``leadership`` differs from ``seen``. Cancel-safe."""

    def statistics(self) -> LogStatistics:
        """Counters right now; never blocks."""


@runtime_checkable
class Reconfigurable(Protocol):
    """What an engine offers beside, whose members may change while it runs."""

    @property
    def configuration(self) -> Configuration:
        """The members, as far as this node knows."""

    async def change_members(self, change: Change, *, timeout_s: float) -> int:
        """Add, promote or remove one member; the index of the committed entry.

        Raises InvalidInputError with the reason if that cannot be done now, else
        like ``ReplicatedLog.propose``."""

    async def transfer_leadership(self, target: str, *, timeout_s: float) -> None:
        """Returns when ``target`` leads. Raises like ``change_members``."""
