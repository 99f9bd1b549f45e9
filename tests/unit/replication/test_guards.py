"""The faults of PySyncObj that lose commands, one message at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from chaos.sim.disk import SimDisk
from raftleader.replication.journal import Journal
from raftleader.replication.pysyncobj_backend import library
from raftleader.replication.pysyncobj_backend.guards import (
    GuardedSyncObj,
    InvariantError,
)
from raftleader.replication.pysyncobj_backend.wire import (
    AppendEntries,
    AppendReply,
    RequestVote,
    VoteReply,
)
from raftleader.replication.settings import RaftSettings

PEERS = ("n2", "n3", "n4", "n5")
OLD, NEW = b"\x00old", b"\x00new"


class Node:
    """One engine of five, without any network."""

    def __init__(self, journal: Journal, applier: Callable[..., object]) -> None:
        self.journal = journal
        self.engine = GuardedSyncObj(
            node_id="n1",
            peers=PEERS,
            journal=journal,
            applier=applier,
            rng=random.Random(1),
            settings=RaftSettings(),
        )
        for peer in PEERS:
            self.engine.link_up(peer)

    def step(self) -> list[tuple[str, object]]:
        self.engine.watch_deadline()
        self.engine._checkCommandsToApply()
        self.engine.doTick(0.0)
        self.engine.replicate()
        return self.sent()

    def sent(self) -> list[tuple[str, object]]:
        outbox, self.engine.outbox = self.engine.outbox, []
        return list(outbox)

    def append(
        self,
        *terms: int,
        after: tuple[int, int],
        term: int,
        commit: int = 1,
        data: bytes = OLD,
        leader: str = "n2",
    ) -> AppendReply:
        """Take entries of these terms from a leader; return the answer."""
        message = AppendEntries(
            sender=leader,
            term=term,
            prev_index=after[0],
            prev_term=after[1],
            commit_index=commit,
            entries=[(entry_term, data) for entry_term in terms],
        )
        self.engine.receive(leader, message)
        ((peer, reply),) = self.sent()
        assert peer == leader
        assert isinstance(reply, AppendReply)
        return reply

    def ask(self, candidate: str, *, term: int, last: tuple[int, int]) -> VoteReply:
        """Ask for a vote with a log that ends at ``last``; return the answer."""
        message = RequestVote(
            sender=candidate,
            term=term,
            last_index=last[0],
            last_term=last[1],
            is_probe=False,
        )
        self.engine.receive(candidate, message)
        ((peer, reply),) = self.sent()
        assert peer == candidate
        assert isinstance(reply, VoteReply)
        return reply

    def vote(self, voter: str, *, is_probe: bool, term: int) -> None:
        reply = VoteReply(sender=voter, term=term, is_probe=is_probe, is_granted=True)
        self.engine.receive(voter, reply)

    def ack(self, peer: str, *, index: int, term: int) -> None:
        reply = AppendReply(
            sender=peer, term=term, is_accepted=True, index=index, hint=index
        )
        self.engine.receive(peer, reply)

    async def become_leader(self) -> int:
        """Win an election; return the term."""
        await trio.sleep(1.0)
        self.step()
        for voter in ("n2", "n3"):
            self.vote(voter, is_probe=True, term=self.engine.term + 1)
        self.step()
        for voter in ("n2", "n3"):
            self.vote(voter, is_probe=False, term=self.engine.term)
        self.step()
        assert self.engine.state == library.LEADER
        return self.engine.term

    def ballot(self) -> tuple[int, str | None]:
        """Term and vote, as they are written."""
        log = self.engine._SyncObj__raftLog
        return log.getCurrentTerm(), log.getVotedForNodeId()

    def terms(self) -> list[int]:
        return [entry.term for entry in self.engine._entries]


@pytest.fixture
def make_node() -> Callable[..., Node]:
    """Makes the node, or makes it again after a crash, on the same journal."""
    disk = SimDisk(random.Random(1))
    journals: list[Journal] = []

    def make(applier: Callable[..., object] = lambda *_: None) -> Node:
        for journal in journals:
            journal.close()
        journal = Journal.open(
            "n1", cluster_id="c", node_id="n1", engine="pysyncobj", disk=disk
        )
        journals.append(journal)
        return Node(journal, applier)

    return make


async def test_append_that_repeats_old_entries_drops_none(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """P: the library drops all after ``prev_index``, though it acknowledged them."""
    node = make_node()
    assert node.append(1, 1, 1, after=(1, 0), term=1).index == 4
    reply = node.append(1, after=(1, 0), term=1)
    assert (reply.is_accepted, reply.index) == (True, 2)
    assert node.terms() == [0, 1, 1, 1]
    node.append(after=(2, 1), term=1)
    assert node.terms() == [0, 1, 1, 1]


async def test_append_drops_from_the_first_conflict_on(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    node.append(1, 1, 1, after=(1, 0), term=1, commit=2)
    reply = node.append(1, 2, after=(1, 0), term=2, data=NEW, leader="n3")
    assert reply.index == 3
    assert node.terms() == [0, 1, 2]
    assert [entry.data for entry in node.engine._entries[1:]] == [OLD, NEW]


async def test_commit_index_never_passes_what_was_shown_to_match(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """A: a divergent tail of ours must not be committed by the leader's index."""
    node = make_node()
    node.append(1, 1, 1, after=(1, 0), term=1)
    node.append(after=(1, 0), term=2, commit=4, leader="n3")
    assert node.engine.commit_index == 1
    node.append(1, after=(1, 0), term=2, commit=4, leader="n3")
    assert node.engine.commit_index == 2


@pytest.mark.parametrize(
    ("after", "terms"), [((1, 0), (2,)), ((2, 2), ()), ((3, 2), (2,))]
)
async def test_conflict_below_the_commit_index_stops_the_node(
    make_node: Callable[..., Node],
    autojump_clock: MockClock,
    after: tuple[int, int],
    terms: tuple[int, ...],
) -> None:
    node = make_node()
    node.append(1, 1, after=(1, 0), term=1, commit=3)
    with pytest.raises(InvariantError, match="committed up to 3"):
        node.append(*terms, after=after, term=2, leader="n3")
    assert node.terms() == [0, 1, 1]


async def test_refusal_names_the_place_before_the_conflicting_term(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    node.append(1, 1, 2, 2, 2, after=(1, 0), term=2, commit=2)
    reply = node.append(3, after=(6, 3), term=3, leader="n3")
    assert (reply.is_accepted, reply.index, reply.hint) == (False, 6, 3)
    reply = node.append(3, after=(60, 3), term=3, leader="n3")
    assert (reply.is_accepted, reply.index, reply.hint) == (False, 60, 6)


async def test_stale_leader_is_told_the_new_term(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    node.append(after=(1, 0), term=5)
    reply = node.append(4, after=(1, 0), term=4, leader="n3")
    assert (reply.is_accepted, reply.term) == (False, 5)
    assert node.terms() == [0]


async def test_leader_steps_down_when_told_of_a_higher_term(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    term = await node.become_leader()
    answers: list[tuple[object, int]] = []
    node.engine._applyCommand(NEW, lambda result, reason: answers.append((0, reason)))
    node.step()
    assert answers == []
    reply = AppendReply(sender="n4", term=term + 1, is_accepted=False, index=0, hint=0)
    node.engine.receive("n4", reply)
    assert node.engine.state == library.FOLLOWER
    assert answers == [(0, library.LEADER_CHANGED)]
    assert node.ballot() == (term + 1, None)


async def test_acknowledgements_of_another_term_do_not_count(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """R: the library's carry no term."""
    node = make_node()
    term = await node.become_leader()
    last = node.journal.last_index
    for peer in PEERS:
        node.ack(peer, index=last, term=term - 1)
    node.step()
    assert node.engine.commit_index == 1
    node.ack("n2", index=last, term=term)
    node.ack("n2", index=last, term=term)
    node.step()
    assert node.engine.commit_index == 1
    node.ack("n3", index=last, term=term)
    node.step()
    assert node.engine.commit_index == last
    assert node.engine.is_leading


async def test_acknowledgement_of_what_was_never_sent_stops_the_node(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    term = await node.become_leader()
    with pytest.raises(InvariantError, match="n2 has entry 99"):
        node.ack("n2", index=99, term=term)


async def test_second_leader_in_a_term_stops_the_node(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    term = await node.become_leader()
    with pytest.raises(InvariantError, match=f"n2 leads term {term}"):
        node.append(after=(1, 0), term=term)


async def test_votes_are_counted_by_voter(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """H: one voter whose reply comes twice elects nobody."""
    node = make_node()
    await trio.sleep(1.0)
    node.step()
    for _ in range(4):
        node.vote("n2", is_probe=True, term=1)
    node.step()
    assert node.engine.term == 0
    node.vote("n3", is_probe=True, term=1)
    node.step()
    assert (node.engine.term, node.engine.state) == (1, library.CANDIDATE)
    for _ in range(4):
        node.vote("n2", is_probe=False, term=1)
    assert node.engine.state == library.CANDIDATE
    node.vote("n3", is_probe=False, term=1)
    assert node.engine.state == library.LEADER


async def test_vote_is_given_once_a_term_and_again_to_the_same_candidate(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """The library never repeats a vote whose reply was lost."""
    node = make_node()
    assert node.ask("n2", term=3, last=(1, 0)).is_granted
    assert node.ask("n2", term=3, last=(1, 0)).is_granted
    refused = node.ask("n3", term=3, last=(9, 2))
    assert (refused.is_granted, refused.term) == (False, 3)
    node = make_node()  # after a restart
    assert not node.ask("n3", term=3, last=(9, 2)).is_granted
    assert node.ask("n2", term=3, last=(1, 0)).is_granted
    assert node.ask("n3", term=4, last=(9, 2)).is_granted
    assert not node.ask("n2", term=3, last=(1, 0)).is_granted


async def test_vote_needs_a_log_that_is_no_shorter(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    node.append(1, 2, after=(1, 0), term=2)
    assert not node.ask("n3", term=3, last=(2, 2)).is_granted
    assert not node.ask("n3", term=4, last=(9, 1)).is_granted
    assert node.ask("n3", term=5, last=(3, 2)).is_granted
    assert not node.ask("n4", term=5, last=(3, 2)).is_granted


async def test_probe_is_refused_while_a_leader_is_heard_and_changes_nothing(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node()
    node.append(after=(1, 0), term=2)
    probe = RequestVote(sender="n3", term=9, last_index=1, last_term=0, is_probe=True)

    def answer() -> object:
        node.engine.receive("n3", probe)
        return node.sent()[0][1]

    refusal = VoteReply(sender="n1", term=2, is_probe=True, is_granted=False)
    assert answer() == refusal
    await trio.sleep(RaftSettings().election_timeout_min_s)
    granted = VoteReply(sender="n1", term=9, is_probe=True, is_granted=True)
    assert answer() == granted
    assert answer() == granted
    assert node.ballot() == (2, None)
    node.append(after=(1, 0), term=2)
    assert answer() == refusal
    node.engine.peer_lost("n2")
    assert answer() == granted


async def test_applier_that_raises_is_called_once(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """F: the library applies the entry again at every tick."""

    def applier(index: int, term: int, data: bytes) -> object:
        raise ValueError(f"{index} {term} {data!r}")

    node = make_node(applier)
    node.append(1, after=(1, 0), term=1, commit=2)
    with pytest.raises(ValueError, match="2 1 b'old'"):
        node.step()


async def test_commands_of_a_deposed_leader_are_not_forwarded(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    """O: the library sends them on, and the caller may never hear of it."""
    node = make_node()
    node.append(after=(1, 0), term=2)
    reasons: list[int] = []
    node.engine._applyCommand(NEW, lambda result, reason: reasons.append(reason))
    assert node.step() == []
    assert reasons == [library.NOT_LEADER]
    assert node.terms() == [0]


async def test_command_whose_place_was_taken_is_discarded(
    make_node: Callable[..., Node], autojump_clock: MockClock
) -> None:
    node = make_node(lambda index, term, data: "another's result")
    answers: list[tuple[object, int]] = []
    node.engine._waiting[2].append((1, lambda *answer: answers.append(answer)))
    node.append(2, after=(1, 0), term=2, commit=2)
    node.step()
    assert answers == [(None, library.DISCARDED)]


async def test_long_replay_yields_to_the_loop(
    make_node: Callable[..., Node],
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An applier that takes long must not silence heartbeats."""
    applied: list[int] = []
    node = make_node(lambda index, term, data: applied.append(index))
    node.append(*[1] * 100, after=(1, 0), term=1, commit=101)
    now = [trio.current_time()]
    monkeypatch.setattr(trio, "current_time", lambda: now[0])

    def slow(index: int, term: int, data: bytes) -> None:
        now[0] += 0.01
        applied.append(index)

    node.engine._applier = slow
    node.engine._SyncObj__applyLogEntries()
    assert 1 <= len(applied) <= 4
    assert node.engine.wake_at < now[0]
