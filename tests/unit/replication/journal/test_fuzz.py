"""Whatever bytes are in the segments: a refusal, or a log that makes sense."""

from __future__ import annotations

import tracemalloc

import hypothesis.strategies as st
from hypothesis import given, settings
from support.journals import (
    DIRECTORY,
    disk_with,
    make_disk,
    open_journal,
    open_or_refuse,
)

from chaos.sim.disk import SimDisk
from raftleader.replication.entries import Entry
from raftleader.replication.journal.format import (
    Names,
    Opening,
    encode_batch,
    encode_header,
    encode_records,
)
from raftleader.replication.journal.reading import segment_name

LITTLE_BYTES = 8 * 1024 * 1024


def open_in_little_memory(disk: SimDisk) -> None:
    """Whether it is refused or not, it takes no more than the files explain."""
    tracemalloc.start()
    try:
        open_or_refuse(disk)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < LITTLE_BYTES


@settings(deadline=None, max_examples=150)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_random_bytes_are_refused_or_read(segments: list[bytes]) -> None:
    open_in_little_memory(disk_with(*segments))


scalars = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**64 - 1),
    st.text(max_size=4),
    st.binary(max_size=9),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner),
    max_leaves=8,
)
small = st.integers(-1, 5)
record_likes = st.one_of(
    st.tuples(st.just("opening"), *[small] * 2, st.none(), *[small] * 2, st.just({})),
    st.tuples(st.just("entries"), small, small, st.lists(st.binary(max_size=5))),
    st.tuples(st.just("truncate"), small, small),
    st.tuples(st.just("ballot"), small, st.none() | st.text(max_size=3)),
    st.tuples(st.just("reset"), small, small),
    st.tuples(st.just("note"), st.text(max_size=3), st.binary(max_size=3)),
    values,
)
first_record = st.one_of(
    st.just(("opening", 0, 0, None, 0, 0, {})), st.just(None), record_likes
)


@settings(deadline=None, max_examples=300)
@given(first_record, st.lists(st.lists(record_likes, max_size=4), max_size=4))
def test_batches_of_any_content_with_right_checksums_are_refused_or_read(
    first: object, batches: list[list[object]]
) -> None:
    header, seed = encode_header(Names(1, "raft", "c1", "n1", "i1"))
    content = header
    for number, records in enumerate([[], *batches]):
        body = [first, *records] if number == 0 and first is not None else records
        encoded = encode_records(body)  # type: ignore[arg-type]
        content += encode_batch(seed, len(content), encoded)
    open_in_little_memory(disk_with(content))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_journal_with_any_damage_is_refused_or_read(data: st.DataObject) -> None:
    disk = make_disk()
    journal = open_journal(disk, segment_bytes=500)
    for index in range(1, 10):
        journal.append([Entry(bytes(index * 20), index, index // 4)])
        journal.sync()
    journal.close()
    image = dict(disk.save())
    paths = sorted(image)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(paths))
        content = bytearray(image[path])
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 40))] = data.draw(
            st.binary(max_size=40)
        )
        image[path] = bytes(content)
    open_in_little_memory(disk_with(*[image[path] for path in paths]))


def test_a_file_of_enormous_size_takes_little_memory() -> None:
    header, seed = encode_header(Names(1, "raft", "c1", "n1", "i1"))
    opening = encode_records(
        [
            Opening(
                previous_end=0,
                term=0,
                vote=None,
                last_index=0,
                last_term=0,
                notes={},
            )
        ]
    )
    content = header + encode_batch(seed, len(header), opening)
    torn = bytearray(encode_batch(seed, len(content), bytes(100)))
    torn[4:8] = (200 * 1024 * 1024).to_bytes(4, "little")
    for ending in (b"", bytes(torn)):
        disk = disk_with(content + ending)
        path = f"{DIRECTORY}/{segment_name(1)}"
        disk.open(path).truncate(300 * 1024 * 1024)
        open_in_little_memory(disk)
