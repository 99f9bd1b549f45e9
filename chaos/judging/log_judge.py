"""The checkers of what stands in the log and in the states, fed entry by entry.

An entry is judged once, at the first node that applies it; other nodes, and later
lives, are compared with that.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.checkers.accepts_once import AcceptsOnce
from chaos.checkers.committed_stay import CommittedStay
from chaos.checkers.deadlines_durable import DeadlinesDurable
from chaos.checkers.deposed_harmless import DeposedHarmless
from chaos.checkers.equal_digests import EqualDigests
from chaos.checkers.launches_once import LaunchesOnce
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.offers_accounted import OffersAccounted
from chaos.checkers.one_leader import OneLeader
from chaos.checkers.quota_kept import QuotaKept
from chaos.checkers.updates_delivered import UpdatesDelivered
from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import FrameworkId, TaskKey
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import Entry, decode_entry
from raftleader.state.outcomes import Applied, Refusal, Rejected
from raftleader.state.snapshot import digest

DIGEST_EVERY = 16
EVERYTHING_EVERY = 32
"""A digest, and a look at all rows, cost time in proportion to the state."""

Problem = tuple[str, str]
"""Name of a checker, and what it has found."""


class LogJudge:
    """See the module. Whatever is told is answered with what is wrong about it."""

    def __init__(self) -> None:
        self.one_leader = OneLeader()
        self.committed = CommittedStay()
        self.digests = EqualDigests()
        self.offers = OffersAccounted()
        self.accepts = AcceptsOnce()
        self.resources = NoResourceTwice()
        self.launches = LaunchesOnce()
        self.updates = UpdatesDelivered()
        self.deadlines = DeadlinesDurable()
        self.deposed = DeposedHarmless()
        self.quota = QuotaKept()

    def leads(self, node: str, term: int) -> list[Problem]:
        """A node says that it leads this term."""
        return _named(OneLeader.name, self.one_leader.leads(node, term))

    def applied(
        self,
        node: str,
        term: int,
        data: bytes,
        state: ClusterState,
        applied: Applied,
        now_s: float,
    ) -> Iterator[Problem]:
        """A node applied an entry."""
        index, committed = applied.index, self.committed
        is_new = index > committed.last_index
        for text in committed.applied(node, index, term, data):
            yield CommittedStay.name, text
        if index % DIGEST_EVERY == 0:
            yield from self.observed(node, state)
        if is_new:
            yield from self.entry(_decoded(data), term, state, applied, now_s)
            if index % EVERYTHING_EVERY == 0:
                yield from self.everything(state)

    def observed(self, node: str, state: ClusterState) -> list[Problem]:
        """The state of a node as it is now."""
        problems = self.digests.observed(node, state.index, digest(state))
        return _named(EqualDigests.name, problems)

    def started(self, agent: str, key: TaskKey, now_s: float) -> list[Problem]:
        """An agent starts a task."""
        problems = self.launches.started(agent, key, now_s, self.accepts.launched)
        return _named(LaunchesOnce.name, problems)

    def heard(self, framework_id: FrameworkId, status: TaskStatus) -> list[Problem]:
        """A framework hears an update."""
        problems = self.updates.heard(framework_id, status)
        return _named(UpdatesDelivered.name, problems)

    def entry(
        self,
        entry: Entry | None,
        term: int,
        state: ClusterState,
        applied: Applied,
        now_s: float,
    ) -> Iterator[Problem]:
        """The next entry, whoever applied it, and the state after it. None is one that
        cannot be read."""
        for text in self.deposed.applied(entry, term, applied):
            yield DeposedHarmless.name, text
        if entry is not None and _is_fenced(applied):
            entry = None
        touched = applied.touched
        for text in self.offers.applied(entry, state):
            yield OffersAccounted.name, text
        for text in self.accepts.applied(entry, state):
            yield AcceptsOnce.name, text
        for text in self.resources.applied(touched.agents, state):
            yield NoResourceTwice.name, text
        self.updates.applied(touched.tasks, touched.frameworks, state)
        for text in self.deadlines.applied(entry, state, now_s):
            yield DeadlinesDurable.name, text
        for text in self.quota.applied(entry, touched.offers, state):
            yield QuotaKept.name, text

    def everything(self, state: ClusterState) -> list[Problem]:
        """Whatever the state says that cannot be. Looks at every row."""
        return _named(NoResourceTwice.name, self.resources.everything(state))


def _is_fenced(applied: Applied) -> bool:
    """Whether it came from a leader of another term, and nothing of it was done."""
    return any(
        isinstance(one, Rejected) and one.refusal is Refusal.STALE_TERM
        for one in applied.outcomes
    )


def _decoded(data: bytes) -> Entry | None:
    try:
        return decode_entry(data)
    except InvalidInputError:
        return None


def _named(name: str, problems: list[str]) -> list[Problem]:
    return [(name, text) for text in problems]
