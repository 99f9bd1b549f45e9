"""Reading and fencing entries."""

from __future__ import annotations

import pytest

from raftleader.state import commands as c
from raftleader.state.apply import apply_entry
from raftleader.state.outcomes import Accepted, Refusal, Rejected
from raftleader.state.snapshot import encode_snapshot
from raftleader.state.trial import Trial


def _entry(term: int, node: str, *commands: c.Command, now_ms: int = 1_000) -> bytes:
    return c.encode_entry(
        c.Entry(term=term, node=node, now_ms=now_ms, commands=commands)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"not msgpack",
        b"\x80",
        b"\x81\xa1x" + b"\x91" * 100_000,
        b"\x81\xa4node\xa2\xff\xff",
        c.encode_entry(
            c.Entry(version=2, term=1, node="n1", now_ms=0, commands=(c.PassTime(),))
        ),
    ],
)
def test_apply_entry_rejects_once_when_the_bytes_cannot_be_read(
    trial: Trial, data: bytes
) -> None:
    applied = trial.apply_bytes(data)

    (outcome,) = applied.outcomes
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.UNREADABLE_ENTRY
    assert outcome.message.startswith("log entry")
    assert (applied.index, trial.state.index) == (2, 2)


@pytest.mark.parametrize(
    ("log_term", "entry_term", "node"),
    [
        (3, 2, "n1"),  # logged by another leader than the one that made it
        (1, 1, "n1"),  # its term has ended
        (3, 3, "n1"),  # its term has not begun
        (2, 2, "n2"),  # somebody else leads this term
    ],
)
def test_apply_entry_rejects_every_command_when_its_leader_does_not_lead(
    trial: Trial, log_term: int, entry_term: int, node: str
) -> None:
    trial.begin_term(2, "n1")
    before = encode_snapshot(trial.state)
    data = _entry(
        entry_term,
        node,
        c.SetWeights(weights={"web": 2000}),
        c.PassTime(),
        now_ms=99_000,
    )

    applied = apply_entry(trial.state, 3, log_term, data)

    assert [o.refusal for o in applied.outcomes if isinstance(o, Rejected)] == [
        Refusal.STALE_TERM,
        Refusal.STALE_TERM,
    ]
    trial.state.index -= 1
    assert encode_snapshot(trial.state) == before


def test_apply_entry_takes_the_whole_batch_when_it_begins_a_higher_term(
    trial: Trial,
) -> None:
    data = _entry(
        5, "n2", c.BeginTerm(http_address="b:1"), c.SetWeights(weights={"web": 2000})
    )

    applied = apply_entry(trial.state, 2, 5, data)

    assert applied.outcomes == (Accepted(), Accepted())
    state = trial.state
    assert (state.term, state.leader, state.leader_http) == (5, "n2", "b:1")
    assert state.weights == {"web": 2000}


def test_apply_entry_rejects_begin_term_when_it_is_not_the_first_command(
    trial: Trial,
) -> None:
    data = _entry(5, "n2", c.PassTime(), c.BeginTerm(http_address="b:1"))

    applied = apply_entry(trial.state, 2, 5, data)

    assert {type(o) for o in applied.outcomes} == {Rejected}
    assert trial.state.term == 1


def test_apply_entry_takes_a_repeated_begin_term_of_the_same_leader_only(
    trial: Trial,
) -> None:
    again = c.BeginTerm(http_address="n1:5050")

    assert trial.one(again) == Accepted()
    (other,) = apply_entry(trial.state, 3, 1, _entry(1, "n2", again)).outcomes
    assert isinstance(other, Rejected)
    assert trial.state.leader == "n1"


def test_apply_entry_never_turns_the_clock_back(trial: Trial) -> None:
    trial.now_ms = 5_000
    trial.apply(c.PassTime())
    trial.now_ms = 4_000
    trial.apply(c.PassTime())
    assert trial.state.clock_ms == 5_000

    trial.now_ms = 2**64 - 1
    trial.apply(c.PassTime())
    assert trial.state.clock_ms == 2**53


def test_apply_entry_tells_what_a_batch_touched(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")

    applied = trial.apply(
        c.DeclineOffers(framework_id=framework, offer_ids=(offer,)),
        c.SuppressRoles(framework_id=framework),
    )

    assert applied.touched.offers == {offer}
    assert applied.touched.agents == {agent}
    assert applied.touched.frameworks == {framework}
    assert applied.touched.tasks == frozenset()


def test_apply_entry_tells_in_which_order_rows_were_touched(trial: Trial) -> None:
    frameworks = [trial.subscribe(name=f"name {number}") for number in range(12)]
    order = frameworks[::-1]

    applied = trial.apply(*(c.SuppressRoles(framework_id=one) for one in order))

    assert list(applied.touched.frameworks) == order


def test_apply_entry_stops_the_node_when_an_index_comes_twice(trial: Trial) -> None:
    with pytest.raises(AssertionError, match="index 1 after 1"):
        apply_entry(trial.state, 1, 1, b"")
