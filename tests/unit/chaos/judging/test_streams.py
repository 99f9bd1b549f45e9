from collections.abc import Iterable
from pathlib import Path

from chaos.judging.streams import Stream, join_streams, read_stream, wrong_order
from chaos.observation.format import (
    AppliedEntry,
    AppliedRecord,
    Begin,
    Digested,
    Restored,
    RoleChange,
    encode_record,
)


def begin(at_ns: int = 0) -> Begin:
    return Begin(node="n", pid=1, at_ns=at_ns, wall_ms=0)


def entry(
    index: int, *, term: int = 1, at_ns: int = 0, data: bytes = b""
) -> AppliedEntry:
    data = data or f"{index}".encode()
    return AppliedEntry(index=index, term=term, at_ns=at_ns or index, data=data)


def restored(index: int) -> Restored:
    return Restored(index=index, at_ns=99, digest=b"d")


def stream(*lives: tuple[str, Iterable[AppliedRecord]]) -> Stream:
    counts: dict[str, int] = {}
    files = []
    for node, records in lives:
        counts[node] = counts.get(node, 0) + 1
        files.append((node, counts[node], [begin(), *records]))
    return join_streams(files)


def texts(found: Stream) -> list[str]:
    return [problem.text for problem in wrong_order(found)]


def test_streams_are_one_log_with_the_earliest_times() -> None:
    found = stream(
        ("a", [entry(1, at_ns=10), entry(3, at_ns=30)]),
        ("b", [entry(1, at_ns=5), entry(3, at_ns=40), entry(4, at_ns=50)]),
    )

    assert [(one.index, one.at_ns, one.node) for one in found.entries] == [
        (1, 5, "b"),
        (3, 30, "a"),
        (4, 50, "b"),
    ]
    assert found.compared == 2
    assert not found.differences
    assert texts(found) == []


def test_node_that_was_restarted_applies_again_what_it_had() -> None:
    found = stream(
        ("a", [entry(1), entry(2), entry(3)]),
        ("a", [entry(1), entry(2)]),
        ("b", [entry(1), entry(2), restored(3), entry(4)]),
        ("a", [restored(3), entry(4)]),
    )

    assert texts(found) == []
    assert not found.differences


def test_entry_with_another_term_is_a_difference() -> None:
    found = stream(("a", [entry(1)]), ("b", [entry(1, term=2)]))

    (problem,) = found.differences
    assert problem.node == "b"
    assert problem.index == 1
    assert "of term 2" in problem.text


def test_node_that_skips_an_entry_is_found() -> None:
    found = stream(("a", [entry(1), entry(2), entry(3)]), ("b", [entry(1), entry(3)]))

    assert texts(found) == ["b (life 1) applies entry 3 where 2 is next"]


def test_life_that_begins_in_the_middle_without_a_state_is_found() -> None:
    found = stream(("a", [entry(1), entry(2)]), ("b", [entry(2)]))

    assert texts(found) == ["b (life 1) applies entry 2 where 1 is next"]


def test_entry_that_is_applied_twice_is_found() -> None:
    found = stream(("a", [entry(1), entry(2), entry(2)]))

    assert texts(found) == ["a (life 1) applies entry 2 after 2"]


def test_state_that_goes_back_is_found() -> None:
    found = stream(("a", [entry(1), entry(2), restored(1), entry(2)]))

    assert texts(found) == ["a (life 1) takes a state of 1 after 2"]


def test_state_of_an_entry_that_nobody_applied_is_found() -> None:
    found = stream(("a", [entry(1), entry(2)]), ("b", [restored(7)]))

    assert texts(found) == ["b (life 1) takes a state of entry 7, which nobody applied"]


def test_states_that_follow_each_other_are_all_judged() -> None:
    found = stream(
        ("a", [entry(1), entry(2), entry(3)]), ("b", [restored(2), restored(1)])
    )

    assert texts(found) == ["b (life 1) takes a state of 1 after 2"]


def test_term_that_goes_down_along_the_log_is_found() -> None:
    found = stream(("a", [entry(1, term=2), entry(2, term=1)]))

    assert texts(found) == ["entry 2 is of term 1, entry 1 before it of term 2"]


def test_stream_is_read_from_a_folder_whose_last_record_is_torn(tmp_path: Path) -> None:
    records: list[AppliedRecord] = [
        begin(7),
        RoleChange(term=1, leading=True, leader="n", at_ns=8),
        entry(1, at_ns=9),
        Digested(index=1, digest=b"d"),
    ]
    folder = tmp_path / "nodes" / "leader-1"
    folder.mkdir(parents=True)
    data = b"".join(encode_record(record) for record in [*records, entry(2)])
    (folder / "applied-1.rec").write_bytes(data[:-1])

    found = read_stream(tmp_path)

    (life,) = found.lives
    assert life.node == "leader-1"
    assert life.indexes == [1]
    assert life.digests == [(1, b"d")]
    assert [role.leading for role in life.roles] == [True]
    assert (life.began_ns, life.ended_ns) == (7, 9)
    assert [one.index for one in found.entries] == [1]
