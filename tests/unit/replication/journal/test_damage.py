"""Damage to what was promised is refused by file and offset; a torn end is cut."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest
from support.journals import (
    DIRECTORY,
    State,
    make_disk,
    open_journal,
    recover,
    state_of,
)

from chaos.sim.disk import SimDisk
from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.entries import Entry
from raftleader.replication.journal.format import (
    BallotCast,
    Entries,
    Names,
    Opening,
    Truncate,
    encode_batch,
    encode_header,
    encode_records,
)

SEGMENT_BYTES = 500


@attrs.frozen
class Written:
    """A journal, and after each sync: the segment, where it ended, and the state."""

    image: Mapping[str, bytes]
    synced: list[tuple[str, int, State]]

    def disk_with(self, changes: Mapping[str, bytes | None]) -> SimDisk:
        image = {**self.image, **changes}
        disk = make_disk()
        disk.restore({path: data for path, data in image.items() if data is not None})
        disk.make_directory(DIRECTORY)
        return disk

    @property
    def paths(self) -> list[str]:
        return sorted(self.image)

    def batches_of(self, path: str) -> list[int]:
        """Where the batches of a segment end."""
        return [end for one, end, _ in self.synced if one == path]


@pytest.fixture(scope="module")
def written() -> Written:
    """Eight batches in three segments; the last segment has three."""
    disk = make_disk()
    journal = open_journal(disk, segment_bytes=SEGMENT_BYTES)
    synced: list[tuple[str, int, State]] = []
    log: list[Entry] = []
    ballot: tuple[int, str | None] = (0, None)

    def sync() -> None:
        journal.sync()
        segment = journal._files.segments[-1]
        state = State(*ballot, (0, 0), tuple(log))
        synced.append((segment.path, segment.end, state))

    def append(term: int, *sizes: int) -> None:
        first = len(log) + 1
        new = [Entry(b"d" * n, first + at, term) for at, n in enumerate(sizes)]
        journal.append(new)
        log.extend(new)

    synced.append(
        (journal._files.segments[-1].path, journal._files.segments[-1].end, State())
    )
    append(1, 20, 20)
    sync()
    journal.set_ballot(2, "n1")
    ballot = (2, "n1")
    append(2, 150)
    sync()
    append(2, 200)  # begins the second segment
    sync()
    journal.truncate(4)
    del log[3:]
    append(3, 10)
    sync()
    append(3, 200)  # begins the third
    sync()
    append(3, 10, 0, 10)
    sync()
    append(3, 5)
    sync()
    journal.close()
    image = disk.save()
    assert len(image) == 3
    return Written(image, synced)


def test_journal_cut_at_any_byte_keeps_what_was_synced_before_or_refuses(
    written: Written,
) -> None:
    last = written.paths[-1]
    ends = written.batches_of(last)
    for path in written.paths:
        used = max(written.batches_of(path))
        for size in range(used + 3):
            disk = written.disk_with({path: written.image[path][:size]})
            if (path != last and size < used) or size < ends[0]:
                with pytest.raises(JournalDamagedError) as damage:
                    open_journal(disk)
                assert damage.value.path.startswith(DIRECTORY)
                continue
            journal = open_journal(disk)
            state = state_of(journal.recovered)
            expected = [
                one
                for at, end, one in written.synced
                if at < last or (at == path and end <= size) or path != last
            ]
            assert state == expected[-1], (path, size)
            journal.append([Entry(b"usable", journal.last_index + 1, 9)])
            journal.close()
            assert recover(disk).entries[-1].data == b"usable"


def test_journal_with_any_bit_flipped_is_refused_or_loses_the_last_batch_only(
    written: Written,
) -> None:
    last = written.paths[-1]
    for path in written.paths:
        ends = written.batches_of(path)
        content = written.image[path]
        for position in range(max(ends)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << position % 8
            disk = written.disk_with({path: bytes(damaged)})
            if path == last and position >= ends[-2]:
                assert state_of(recover(disk)) == written.synced[-2][2], position
                continue
            with pytest.raises(JournalDamagedError) as damage:
                open_journal(disk)
            header_size = len(encode_header(Names(1, "raft", "c1", "n1", "i1"))[0])
            begins = [0, header_size, *ends]
            assert damage.value.path == path
            assert damage.value.offset == max(at for at in begins if at <= position)
            assert disk.save()[path] == damaged


def test_journal_with_any_bit_flipped_behind_its_end_is_the_same(
    written: Written,
) -> None:
    path = written.paths[-1]
    end = max(written.batches_of(path))
    for position in range(end, SEGMENT_BYTES, 7):
        damaged = bytearray(written.image[path].ljust(SEGMENT_BYTES, b"\0"))
        damaged[position] ^= 0x10
        disk = written.disk_with({path: bytes(damaged)})
        assert state_of(recover(disk)) == written.synced[-1][2]


def test_journal_without_a_segment_in_the_middle_is_refused(written: Written) -> None:
    disk = written.disk_with({written.paths[1]: None})
    with pytest.raises(JournalDamagedError, match="is not there") as damage:
        open_journal(disk)
    assert damage.value.path == written.paths[1]


def test_journal_without_its_first_segment_begins_later(written: Written) -> None:
    """As after a drop; whoever has no snapshot of so much must refuse it."""
    recovered = recover(written.disk_with({written.paths[0]: None}))
    assert (recovered.base_index, recovered.base_term) == (3, 2)
    assert recovered.entries == list(written.synced[-1][2].entries[3:])


def test_journal_whose_segments_changed_places_is_refused(written: Written) -> None:
    _, second, third = written.paths
    swapped = {second: written.image[third], third: written.image[second]}
    with pytest.raises(JournalDamagedError, match="is segment 3 by its header"):
        open_journal(written.disk_with(swapped))


def test_journal_with_a_segment_of_another_is_refused(written: Written) -> None:
    disk = make_disk()
    journal = open_journal(disk, segment_bytes=SEGMENT_BYTES, instance="i2")
    for index in range(1, 9):
        journal.append([Entry(bytes(150), index, 1)])
        journal.sync()
    journal.close()
    second = written.paths[1]
    with pytest.raises(JournalDamagedError, match="is a segment of another journal"):
        open_journal(written.disk_with({second: disk.save()[second]}))


def test_journal_with_an_older_copy_of_a_segment_is_refused(written: Written) -> None:
    """The middle one as it was before its last batch, every checksum right."""
    path = written.paths[1]
    ends = written.batches_of(path)
    older = written.image[path][: ends[-2]].ljust(SEGMENT_BYTES, b"\0")
    with pytest.raises(JournalDamagedError, match="does not go on where") as damage:
        open_journal(written.disk_with({path: older}))
    assert damage.value.path == written.paths[2]


@pytest.mark.parametrize("content", [b"", b"\n", b"PNG" * 20, bytes(100)])
def test_journal_that_is_none_is_refused(written: Written, content: bytes) -> None:
    path = written.paths[0]
    disk = written.disk_with({path: content, written.paths[1]: None})
    with pytest.raises(JournalDamagedError) as damage:
        open_journal(disk)
    assert (damage.value.path, damage.value.offset) == (path, 0)
    assert disk.save()[path] == content


def test_journal_takes_no_copy_of_itself_for_a_part_of_itself(
    written: Written,
) -> None:
    disk = make_disk()
    journal = open_journal(disk, segment_bytes=100_000)
    journal.append([Entry(b"first", 1, 1)])
    journal.sync()
    path, end = journal._files.segments[-1].path, journal._files.segments[-1].end
    copy = disk.save()[path][:end]
    journal.append([Entry(copy + b"".join(written.image.values()), 2, 1)])
    journal.sync()
    torn_at = journal.size_bytes - 3
    journal.abandon()
    disk.open(path).truncate(torn_at)
    assert [entry.data for entry in recover(disk).entries] == [b"first"]


def opening(**changes: object) -> Opening:
    fields: dict[str, object] = {
        "previous_end": 0,
        "term": 0,
        "vote": None,
        "last_index": 0,
        "last_term": 0,
        "notes": {},
    }
    return Opening(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"\x91\x91\xa4what", "a batch makes no sense"),
        (encode_records([]), "begins without an opening"),
        (encode_records([BallotCast(1, None)]), "begins without an opening"),
        (encode_records([opening(), opening()]), "an opening in the middle"),
        (encode_records([opening(), Entries(2, 1, [b""])]), "entry 2 after entry 0"),
        (encode_records([opening(), Truncate(1, 0)]), "no entry 1 to truncate"),
        (encode_records([opening(term=2), BallotCast(1, None)]), "term 1 after term 2"),
    ],
)
def test_journal_whose_batch_is_nonsense_is_refused(body: bytes, problem: str) -> None:
    header, seed = encode_header(Names(1, "raft", "c1", "n1", "i1"))
    content = header + encode_batch(seed, len(header), body)
    disk = make_disk()
    disk.make_directory(DIRECTORY)
    disk.open(f"{DIRECTORY}/segment-0000000000000001", create=True).write(0, content)
    with pytest.raises(JournalDamagedError, match=problem) as damage:
        open_journal(disk)
    assert damage.value.offset == len(header)


def test_journal_in_a_directory_that_was_emptied_begins_anew(written: Written) -> None:
    disk = written.disk_with(dict.fromkeys(written.paths))
    journal = open_journal(disk, instance="new")
    assert state_of(journal.recovered) == State()
    assert journal.instance == "new"


def test_header_with_names_that_are_none_is_refused(written: Written) -> None:
    header, _ = encode_header(Names(1, "raft", "c1", "n1", "i1"))
    path = written.paths[0]
    disk = written.disk_with({path: header, **dict.fromkeys(written.paths[1:])})
    with pytest.raises(JournalDamagedError, match="its first batch is damaged"):
        open_journal(disk)
    with pytest.raises(ConfigError, match="is of cluster 'c1'"):
        open_journal(disk, cluster_id="c9")
