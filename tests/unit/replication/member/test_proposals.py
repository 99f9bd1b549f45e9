"""Proposals that wait: settled once, in order, and counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raftleader.errors import NotLeaderError, OutcomeUnknownError, OverloadedError
from raftleader.replication.entries import Entry
from raftleader.replication.member.proposals import Done, Proposals

Told = list[tuple[str, object]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def to(told: Told) -> Callable[[str], Done]:
    def make(name: str) -> Done:
        def done(result: object, error: Exception | None) -> None:
            assert name not in [one for one, _ in told]
            told.append((name, result if error is None else type(error)))

        return done

    return make


def some(count_max: int = 10, bytes_max: int = 100) -> Proposals:
    return Proposals(count_max=count_max, bytes_max=bytes_max)


def submit(proposals: Proposals, first: int, term: int, *dones: Done) -> None:
    for done in dones:
        assert proposals.admit(b"12345", done) is None
    proposals.submitted(first, term)


def test_proposals_are_answered_in_the_order_of_the_log(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some()
    submit(proposals, 5, 2, to("a"), to("b"))
    submit(proposals, 8, 2, to("c"))
    proposals.waits_for(9, 2, 0, to("d"))
    for index in range(1, 12):
        if index == proposals.next_index:
            proposals.settle(Entry(b"12345", index, 2), f"at {index}")
    assert told == [("a", "at 5"), ("b", "at 6"), ("c", "at 8"), ("d", "at 9")]
    assert (proposals.count, proposals.size_bytes) == (0, 0)
    assert not proposals.is_waiting


def test_proposals_have_room_for_so_many_and_so_many_bytes(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some(count_max=2)
    assert proposals.admit(b"1", to("a")) is None
    assert proposals.admit(b"2", to("b")) is None
    assert isinstance(proposals.admit(b"3", to("c")), OverloadedError)
    proposals = some(bytes_max=10)
    assert proposals.admit(b"12345678", to("d")) is None
    assert isinstance(proposals.admit(b"123", to("e")), OverloadedError)
    proposals.submitted(1, 1)
    proposals.settle(Entry(b"12345678", 1, 1), None)
    assert proposals.admit(b"more than all together", to("f")) is None
    assert told == [("d", None)]


def test_proposal_that_was_overwritten_is_refused_for_certain(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some()
    submit(proposals, 5, 2, to("a"), to("b"))
    proposals.settle(Entry(b"another one", 5, 3), "not ours")
    assert told == [("a", NotLeaderError)]
    proposals.settle(Entry(b"12345", 6, 2), "ours")
    assert told[1:] == [("b", "ours")]
    assert (proposals.count, proposals.size_bytes) == (0, 0)


def test_proposals_of_a_lost_term_are_unknown_unless_they_are_committed(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some()
    submit(proposals, 5, 2, to("a"), to("b"), to("c"))
    submit(proposals, 8, 2, to("d"))
    proposals.settle(Entry(b"12345", 5, 2), "first")
    proposals.lost_leadership(0, commit_index=6)
    assert told == [
        ("a", "first"),
        ("c", OutcomeUnknownError),
        ("d", OutcomeUnknownError),
    ]
    assert proposals.next_index == 6
    proposals.settle(Entry(b"12345", 6, 2), "second")
    assert told[3:] == [("b", "second")]
    assert (proposals.count, proposals.size_bytes) == (0, 0)


def test_proposals_of_the_term_that_is_led_are_kept(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some()
    submit(proposals, 5, 2, to("a"))
    submit(proposals, 9, 4, to("b"))
    proposals.lost_leadership(4, commit_index=3)
    assert told == [("a", OutcomeUnknownError)]
    assert (proposals.next_index, proposals.count, proposals.size_bytes) == (9, 1, 5)


def test_proposals_before_a_snapshot_are_unknown(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some()
    submit(proposals, 5, 2, to("a"), to("b"), to("c"))
    proposals.skip_to(6)
    assert told == [("a", OutcomeUnknownError), ("b", OutcomeUnknownError)]
    assert proposals.next_index == 7


def test_proposals_end_definitely_if_they_were_never_in_a_log(
    told: Told, to: Callable[[str], Done]
) -> None:
    proposals = some()
    submit(proposals, 5, 2, to("a"))
    assert proposals.admit(b"x", to("b")) is None
    proposals.end()
    proposals.end()
    assert told == [("b", NotLeaderError), ("a", OutcomeUnknownError)]
