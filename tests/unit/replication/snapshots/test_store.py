from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from chaos.sim.disk import SimDisk
from raftleader.errors import (
    ConfigError,
    DiskFullError,
    InvalidInputError,
    JournalDamagedError,
)
from raftleader.replication.os_disk import OsDisk
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots import SnapshotStore
from raftleader.replication.snapshots.blocks import SYNC_BYTES
from raftleader.replication.snapshots.format import BLOCK_BYTES

PEERS = tuple(Peer(node_id=f"n{n}", address=f"h{n}:1", instance="i") for n in range(3))
MEMBERS = Configuration(peers=PEERS)
SIZES = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7]


def _store(disk: SimDisk) -> SnapshotStore:
    return SnapshotStore(disk, "node/snapshots", cluster_id="c")


def _state(index: int, size: int) -> bytes:
    return random.Random(index).randbytes(size)


def _write(store: SnapshotStore, index: int, data: bytes, step: int) -> SnapshotMeta:
    writer = store.begin(index, 2, MEMBERS)
    for at in range(0, len(data), step):
        writer.write(data[at : at + step])
    return writer.finish()


def _content(store: SnapshotStore, meta: SnapshotMeta, size: int = 10_000) -> bytes:
    return b"".join(store.chunks(meta, size))


def _receive(
    store: SnapshotStore, meta: SnapshotMeta, data: bytes, size: int, *, until: int
) -> int:
    offset = store.receive(meta, 0, data[:size])
    while offset < until:
        offset = store.receive(meta, offset, data[offset : offset + size])
    return offset


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1_000, 65_536, 200_000])
def test_store_gives_back_what_was_written_also_after_a_crash(
    disk: SimDisk, size: int, step: int
) -> None:
    data = _state(5, size)
    store = _store(disk)
    assert store.newest() is None
    meta = _write(store, 5, data, step)
    assert (meta.index, meta.term, meta.configuration) == (5, 2, MEMBERS)
    assert (meta.size_bytes, len(meta.checksum)) == (size, 16)
    disk.crash()
    store = _store(disk)
    assert store.newest() == meta
    assert store.problems == ()
    for chunk_bytes in (4_000, BLOCK_BYTES, 10**6):
        assert _content(store, meta, chunk_bytes) == data
    for offset, length in ((0, 10), (size // 2, 100_000), (size - 1, 5), (size, 5)):
        begin = max(offset, 0)
        assert store.read(meta, begin, length) == data[begin : begin + length]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [700, 65_536, 10**6])
def test_store_receives_what_another_sends(
    disk: SimDisk, size: int, piece: int
) -> None:
    data = _state(5, size)
    meta = _write(SnapshotStore(disk, "other", cluster_id="c"), 5, data, 4_096)
    store = _store(disk)
    assert _receive(store, meta, data, piece, until=size) == size
    assert store.newest() is None
    store.complete(meta)
    assert store.newest() == meta
    assert _content(store, meta) == data
    # The same again, as a leader that lost the answer sends it.
    assert store.receive(meta, 0, data[:piece]) == size
    store.complete(meta)
    assert disk.list("node/snapshots") == ["snapshot-5-2"]


def test_receive_wants_what_is_missing_whatever_comes(disk: SimDisk) -> None:
    data = _state(5, 1_000)
    meta = _write(SnapshotStore(disk, "other", cluster_id="c"), 5, data, 4_096)
    store = _store(disk)
    assert store.receive(meta, 500, data[500:]) == 0
    assert store.receive(meta, 0, data[:300]) == 300
    assert store.receive(meta, 400, data[400:500]) == 300
    assert store.receive(meta, 100, data[100:200]) == 300
    assert store.receive(meta, 200, data[200:600]) == 600
    with pytest.raises(InvalidInputError, match="600 of 1000 bytes"):
        store.complete(meta)
    assert store.receive(meta, 0, b"") == 0
    with pytest.raises(InvalidInputError, match="more than the 1000 bytes"):
        store.receive(meta, 0, data + b"x")
    assert disk.list("node/snapshots") == []
    with pytest.raises(InvalidInputError, match="nothing of it"):
        store.complete(meta)


def test_receive_goes_on_after_a_restart_with_what_was_synced(disk: SimDisk) -> None:
    size = 3 * SYNC_BYTES
    data = _state(5, size)
    meta = _write(SnapshotStore(disk, "other", cluster_id="c"), 5, data, SYNC_BYTES)
    store = _store(disk)
    _receive(store, meta, data, 100_000, until=size - 100_000)
    disk.sync_directory("node/snapshots")
    disk.crash()
    store = _store(disk)
    offset = store.receive(meta, 0, b"")
    assert 2 * SYNC_BYTES <= offset <= size
    while offset < size:
        offset = store.receive(meta, offset, data[offset : offset + 100_000])
    store.complete(meta)
    disk.crash()
    assert _content(_store(disk), meta) == data


def test_receive_begins_anew_when_another_snapshot_comes(disk: SimDisk) -> None:
    other = SnapshotStore(disk, "other", cluster_id="c")
    data, newer = _state(5, 90_000), _state(6, 90_000)
    meta = _write(other, 5, data, 10**6)
    newer_meta = _write(other, 6, newer, 10**6)
    store = _store(disk)
    assert store.receive(meta, 0, data[:80_000]) == 80_000
    assert store.receive(newer_meta, 80_000, newer[80_000:]) == 0
    assert store.receive(newer_meta, 0, newer) == 90_000
    assert disk.list("node/snapshots") == ["snapshot-6-2.part"]
    store.complete(newer_meta)
    assert _content(store, newer_meta) == newer


def test_received_bytes_that_are_not_what_was_promised_are_forgotten(
    disk: SimDisk,
) -> None:
    data = _state(5, 90_000)
    meta = _write(SnapshotStore(disk, "other", cluster_id="c"), 5, data, 4_096)
    store = _store(disk)
    store.receive(meta, 0, b"x" + data[1:])
    with pytest.raises(InvalidInputError, match="checksum of the whole"):
        store.complete(meta)
    assert disk.list("node/snapshots") == []
    store.receive(meta, 0, data)
    store.complete(meta)
    assert store.newest() == meta


def test_older_snapshots_go_with_a_newer_one_but_not_while_they_are_sent(
    disk: SimDisk,
) -> None:
    store = _store(disk)
    first = _write(store, 1, b"first", 10)
    store.read(first, 0, 2)
    second = _write(store, 2, b"second", 10)
    assert store.newest() == second
    assert store.read(first, 2, 10) == b"rst"
    third = _write(store, 3, b"third", 10)
    assert store.read(first, 0, 10) == b"first"
    with pytest.raises(FileNotFoundError):
        store.read(second, 0, 10)
    _write(store, 4, b"fourth", 10)
    _write(store, 5, b"fifth", 10)
    with pytest.raises(FileNotFoundError):
        store.read(first, 0, 10)
    with pytest.raises(FileNotFoundError):
        store.chunks(third, 10)
    assert disk.list("node/snapshots") == ["snapshot-5-2"]


def test_drafts_and_older_snapshots_are_removed_at_opening(disk: SimDisk) -> None:
    store = _store(disk)
    old = _write(store, 7, b"old", 10)
    store.read(old, 0, 1)
    new = _write(store, 9, b"new", 10)
    store.begin(11, 2, MEMBERS).write(_state(1, 200_000))
    store.receive(msgspec.structs.replace(old, index=8), 0, b"o")
    disk.open("node/snapshots/notes.txt", create=True)
    assert len(disk.list("node/snapshots")) == 5
    disk.kill()
    assert _store(disk).newest() == new
    assert disk.list("node/snapshots") == ["notes.txt", "snapshot-9-2"]


def test_abandoned_writer_leaves_nothing_and_another_can_begin(disk: SimDisk) -> None:
    store = _store(disk)
    writer = store.begin(3, 1, MEMBERS)
    writer.write(_state(1, 200_000))
    writer.abandon()
    writer.abandon()
    assert disk.list("node/snapshots") == []
    assert store.newest() is None
    meta = _write(store, 3, b"state", 10)
    assert _content(store, meta) == b"state"


def test_close_lets_everything_go_and_keeps_what_was_received(disk: SimDisk) -> None:
    data = _state(5, 200_000)
    meta = _write(SnapshotStore(disk, "other", cluster_id="c"), 5, data, 4_096)
    store = _store(disk)
    store.receive(meta, 0, data[:150_000])
    store.begin(3, 1, MEMBERS)
    store.close()
    assert disk.list("node/snapshots") == ["snapshot-5-2.part"]
    store = _store(disk)
    assert store.receive(meta, 0, b"") == 2 * BLOCK_BYTES


@pytest.mark.parametrize("room", [0, 10, 4_096, 70_000, 149_000])
def test_full_disk_removes_the_draft_and_keeps_what_was_there(
    disk: SimDisk, room: int
) -> None:
    store = _store(disk)
    old = _write(store, 4, b"old", 10)
    data = _state(5, 150_000)
    disk.room_bytes = room
    with pytest.raises(DiskFullError):
        _write(store, 5, data, 30_000)
    assert disk.list("node/snapshots") == ["snapshot-4-2"]
    assert disk.room_bytes >= room
    assert _content(store, old) == b"old"
    disk.room_bytes = None
    meta = _write(store, 5, data, 30_000)
    assert _content(store, meta) == data


@pytest.mark.parametrize("room", [0, 10, 4_096, 70_000, 149_000])
def test_full_disk_while_receiving_begins_anew(disk: SimDisk, room: int) -> None:
    data = _state(5, 150_000)
    meta = _write(SnapshotStore(disk, "other", cluster_id="c"), 5, data, 4_096)
    store = _store(disk)
    disk.room_bytes = room
    with pytest.raises(DiskFullError):
        _receive(store, meta, data, 40_000, until=150_000)
        store.complete(meta)
    assert disk.list("node/snapshots") == []
    assert disk.room_bytes >= room
    disk.room_bytes = None
    _receive(store, meta, data, 40_000, until=150_000)
    store.complete(meta)
    assert _content(store, meta) == data


def test_other_errors_of_the_disk_go_up_and_the_old_snapshot_stays(
    disk: SimDisk,
) -> None:
    store = _store(disk)
    old = _write(store, 4, b"old", 10)
    disk.fail_next_sync()
    with pytest.raises(OSError, match="Input/output"):
        _write(store, 5, b"new", 10)
    disk.fail_next_write()
    with pytest.raises(OSError, match="Input/output"):
        _write(store, 5, b"new", 10)
    disk.crash()
    store = _store(disk)
    assert store.newest() == old
    assert _content(store, old) == b"old"


def test_every_flipped_bit_is_found(disk: SimDisk) -> None:
    size = BLOCK_BYTES + 5_000
    meta = _write(_store(disk), 5, _state(5, size), size)
    image = dict(disk.save())
    path = "node/snapshots/snapshot-5-2"
    whole = image[path]
    rng = random.Random(3)
    positions = [*range(400), *rng.sample(range(len(whole)), 400), len(whole) - 1]
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << rng.randrange(8)
        disk.restore({**image, path: bytes(damaged)})
        store = _store(disk)
        if store.newest() is None:
            assert position < 4_096
            assert path in store.problems[0]
            continue
        assert position >= 4_096
        with pytest.raises(JournalDamagedError, match=path) as caught:
            _content(store, meta)
        assert caught.value.offset <= position < caught.value.offset + BLOCK_BYTES + 4


def test_files_of_another_length_are_damaged(disk: SimDisk) -> None:
    _write(_store(disk), 5, _state(5, 1_000), 1_000)
    image = dict(disk.save())
    path = "node/snapshots/snapshot-5-2"
    whole = image[path]
    for content in (b"", whole[:10], whole[:4_000], whole[:-1], whole + b"x"):
        disk.restore({**image, path: content})
        store = _store(disk)
        assert store.newest() is None
        assert f"{path} is damaged at byte" in store.problems[0]


def test_blocks_in_another_order_are_found(disk: SimDisk) -> None:
    meta = _write(_store(disk), 5, _state(5, 2 * BLOCK_BYTES), 10**6)
    image = dict(disk.save())
    path = "node/snapshots/snapshot-5-2"
    block = BLOCK_BYTES + 4
    head, body = image[path][:4_096], image[path][4_096:]
    disk.restore({**image, path: head + body[block:] + body[:block]})
    with pytest.raises(JournalDamagedError, match=r"at byte 4096: .* a block"):
        _content(_store(disk), meta)


def test_block_of_another_snapshot_is_found_by_the_check_of_the_whole(
    disk: SimDisk,
) -> None:
    _write(SnapshotStore(disk, "other", cluster_id="c"), 5, bytes(90_000), 10**6)
    meta = _write(_store(disk), 5, _state(5, 90_000), 10**6)
    image = dict(disk.save())
    path = "node/snapshots/snapshot-5-2"
    foreign = image["other/snapshot-5-2"][4_096 : 4_096 + BLOCK_BYTES + 4]
    whole = image[path]
    image[path] = whole[:4_096] + foreign + whole[4_096 + len(foreign) :]
    disk.restore(image)
    with pytest.raises(JournalDamagedError, match="checksum of the whole"):
        _content(_store(disk), meta)


def test_damaged_newest_leaves_the_older_one_and_goes_with_the_next(
    disk: SimDisk,
) -> None:
    store = _store(disk)
    old = _write(store, 4, b"old", 10)
    store.read(old, 0, 1)
    _write(store, 5, b"new", 10)
    image = dict(disk.save())
    path = "node/snapshots/snapshot-5-2"
    image[path] = image[path][:-1]
    disk.restore(image)
    store = _store(disk)
    assert store.newest() == old
    assert len(store.problems) == 1
    assert disk.list("node/snapshots") == ["snapshot-4-2", "snapshot-5-2"]
    _write(store, 6, b"newest", 10)
    assert disk.list("node/snapshots") == ["snapshot-6-2"]


def test_file_of_another_cluster_version_or_name_is_told(disk: SimDisk) -> None:
    _write(_store(disk), 5, b"state", 10)
    with pytest.raises(ConfigError, match="of cluster 'c', not of 'other'"):
        SnapshotStore(disk, "node/snapshots", cluster_id="other")
    disk.rename("node/snapshots/snapshot-5-2", "node/snapshots/snapshot-6-2")
    assert "another name" in _store(disk).problems[0]


def test_file_of_a_newer_version_is_told(
    disk: SimDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("raftleader.replication.snapshots.format.VERSION", 2)
        _write(_store(disk), 5, b"state", 10)
    with pytest.raises(ConfigError, match=r"snapshot-5-2 has format 2.* reads 1"):
        _store(disk)


def test_store_works_on_the_disk_of_this_machine(tmp_path: Path) -> None:
    data = _state(5, 3 * SYNC_BYTES)
    directory = str(tmp_path / "node" / "snapshots")
    store = SnapshotStore(OsDisk(), directory, cluster_id="c")
    _write(store, 4, b"old", 10)
    meta = _write(store, 5, data, 500_000)
    other = SnapshotStore(OsDisk(), str(tmp_path / "other"), cluster_id="c")
    _receive(other, meta, data, 70_000, until=len(data) - 70_000)
    other.close()
    other = SnapshotStore(OsDisk(), str(tmp_path / "other"), cluster_id="c")
    offset = other.receive(meta, 0, b"")
    assert offset >= len(data) - 70_000 - BLOCK_BYTES
    while offset < len(data):
        offset = other.receive(meta, offset, store.read(meta, offset, 70_000))
    other.complete(meta)
    store.close()
    store = SnapshotStore(OsDisk(), directory, cluster_id="c")
    assert store.newest() == other.newest() == meta
    assert _content(store, meta) == _content(other, meta) == data
    assert [path.name for path in Path(directory).iterdir()] == ["snapshot-5-2"]
