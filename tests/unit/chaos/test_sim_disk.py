"""The simulated disk: what was synced stays, and everything else may happen."""

from __future__ import annotations

import errno
import random
from collections import Counter

import pytest

from chaos.sim.disk import PowerCut, SimDisk
from chaos.sim.disk_file import CrashFaults, Inode


def make_disk(seed: int = 1, faults: CrashFaults | None = None) -> SimDisk:
    disk = SimDisk(random.Random(seed), faults=faults)
    disk.make_directory("d")
    return disk


def written(disk: SimDisk, path: str, data: bytes) -> None:
    """A file that is durable."""
    file = disk.open(path, create=True)
    file.write(0, data)
    file.sync()
    disk.sync_directory("d")


def content(disk: SimDisk, path: str) -> bytes:
    return disk.open(path).read(0, 1 << 20)


def test_file_reads_back_and_costs_no_memory_for_reserved_room() -> None:
    disk = make_disk()
    file = disk.open("d/f", create=True)
    file.allocate(10**12)
    file.write(5, b"abc")
    assert file.size() == 10**12
    assert file.read(3, 8) == b"\0\0abc\0\0\0"
    file.truncate(7)
    assert file.read(0, 100) == b"\0\0\0\0\0ab"
    assert (file.size(), file.read(7, 1)) == (7, b"")


def test_crash_keeps_what_was_synced_whatever_came_after() -> None:
    for seed in range(200):
        disk = make_disk(seed)
        written(disk, "d/f", b"A" * 100)
        file = disk.open("d/f")
        file.write(100, b"B" * 50)
        file.sync()
        file.truncate(120)
        file.write(120, b"C" * 9000)
        disk.crash()
        after = content(disk, "d/f")
        assert after[:100] == b"A" * 100
        assert after[100:120] == b"B" * 20
        assert disk.open("d/f").size() <= 9120


def test_crash_loses_tears_and_flips_what_was_not_synced() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(1000):
        disk = make_disk(seed)
        written(disk, "d/f", b"")
        disk.open("d/f").write(0, b"x" * 10_000)
        disk.crash()
        outcomes.update(disk.counts)
        outcomes["whole"] += content(disk, "d/f") == b"x" * 10_000
    assert min(outcomes[fate] for fate in ("lost", "torn", "flipped", "whole")) >= 5


def test_crash_does_only_what_its_faults_allow() -> None:
    everything_kept = CrashFaults(loses=False, tears=False, flips=False)
    for seed in range(50):
        disk = make_disk(seed, everything_kept)
        disk.open("d/f", create=True).write(0, b"x" * 9000)
        disk.crash()
        assert content(disk, "d/f") == b"x" * 9000
        disk = make_disk(seed, CrashFaults(tears=False, flips=False))
        written(disk, "d/f", b"")
        disk.open("d/f").write(0, b"x" * 9000)
        disk.crash()
        assert set(content(disk, "d/f")) <= set(b"x\0")


def test_names_not_synced_are_there_or_not_after_a_crash() -> None:
    seen = set()
    for seed in range(100):
        disk = make_disk(seed)
        written(disk, "d/old", b"old")
        disk.open("d/new", create=True)
        disk.rename("d/old", "d/renamed")
        disk.crash()
        names = disk.list("d")
        assert ("old" in names) != ("renamed" in names)
        seen.add(tuple(names))
        kept = content(disk, "d/old" if "old" in names else "d/renamed")
        assert kept == b"old"
    assert len(seen) == 4


def test_names_that_were_synced_stay_after_a_crash() -> None:
    for seed in range(50):
        disk = make_disk(seed)
        written(disk, "d/a", b"a")
        written(disk, "d/b", b"b")
        disk.rename("d/a", "d/b")
        disk.sync_directory("d")
        disk.crash()
        assert disk.list("d") == ["b"]
        assert content(disk, "d/b") == b"a"
        disk.unlink("d/b")
        disk.sync_directory("d")
        disk.crash()
        assert disk.list("d") == []


def test_process_that_is_killed_leaves_everything_it_wrote() -> None:
    disk = make_disk()
    file = disk.open("d/f", create=True)
    file.write(0, b"abc")
    disk.lock("d")
    disk.kill()
    assert content(disk, "d/f") == b"abc"
    disk.lock("d")
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write(0, b"late")


def test_failed_sync_is_not_made_good_by_a_later_one() -> None:
    for seed in range(50):
        disk = make_disk(seed)
        written(disk, "d/f", b"A" * 10)
        file = disk.open("d/f")
        file.write(10, b"B" * 10)
        disk.fail_next_sync()
        with pytest.raises(OSError, match="Input/output"):
            file.sync()
        file.write(20, b"C" * 10)
        file.sync()
        assert file.read(0, 30) == b"A" * 10 + b"B" * 10 + b"C" * 10
        disk.crash()
        assert content(disk, "d/f") == b"A" * 10 + bytes(10) + b"C" * 10


def test_failed_write_leaves_a_part_and_the_next_one_works() -> None:
    lengths = set()
    for seed in range(50):
        disk = make_disk(seed)
        file = disk.open("d/f", create=True)
        disk.fail_next_write()
        with pytest.raises(OSError, match="Input/output"):
            file.write(0, b"abcd")
        lengths.add(file.size())
        file.write(0, b"abcd")
    assert lengths == {0, 1, 2, 3, 4}


def test_full_disk_refuses_room_and_gives_back_what_is_freed() -> None:
    disk = make_disk()
    disk.room_bytes = 100
    file = disk.open("d/f", create=True)
    file.allocate(60)
    for too_much in (lambda: file.allocate(200), lambda: file.write(50, bytes(80))):
        with pytest.raises(OSError, match="No space left") as full:
            too_much()
        assert full.value.errno == errno.ENOSPC
    assert file.size() == 60
    file.write(0, bytes(60))
    file.truncate(20)
    assert disk.room_bytes == 80
    disk.unlink("d/f")
    assert disk.room_bytes == 100
    disk.room_bytes = 0
    with pytest.raises(OSError, match="No space left"):
        disk.open("d/g", create=True)
    assert disk.counts["disk full"] == 3


def test_slow_disk_says_how_long_it_took() -> None:
    disk = make_disk()
    disk.stall = lambda: 0.25
    file = disk.open("d/f", create=True)
    file.sync()
    disk.sync_directory("d")
    assert disk.take_stall() == 0.5
    assert disk.take_stall() == 0.0


def test_power_goes_in_the_operation_that_was_named_before_or_after_it() -> None:
    sizes = set()
    for seed in range(30):
        disk = make_disk(seed)
        file = disk.open("d/f", create=True)
        disk.cut_power_in(2)
        file.write(0, b"a")
        with pytest.raises(PowerCut):
            file.write(1, b"b")
        for action in (file.sync, file.size):
            with pytest.raises(PowerCut):
                action()
        with pytest.raises(PowerCut):
            disk.list("d")
        disk.restore_power()
        sizes.add(disk.open("d/f").size())
    assert sizes == {1, 2}


def test_lost_disk_is_empty_and_works() -> None:
    disk = make_disk()
    written(disk, "d/f", b"a")
    disk.lose()
    with pytest.raises(FileNotFoundError):
        disk.list("d")
    disk.make_directory("d")
    assert disk.list("d") == []


def test_rot_flips_one_bit_for_good() -> None:
    disk = make_disk()
    assert disk.rot() is None
    written(disk, "d/f", bytes(10))
    place = disk.rot()
    assert place is not None
    disk.crash()
    after = content(disk, place[0])
    assert after[place[1]].bit_count() == 1
    assert sum(byte.bit_count() for byte in after) == 1


def test_restored_disk_is_as_it_was() -> None:
    disk = make_disk()
    written(disk, "d/f", b"old")
    image = disk.save()
    disk.open("d/f").write(0, b"new")
    written(disk, "d/g", b"later")
    disk.restore(image)
    disk.crash()
    assert disk.save() == image == {"d/f": b"old"}


def test_errors_are_those_of_the_system() -> None:
    disk = make_disk()
    disk.open("d/f", create=True)
    with pytest.raises(FileNotFoundError):
        disk.open("d/none")
    with pytest.raises(FileExistsError):
        disk.open("d/f", create=True)
    with pytest.raises(FileNotFoundError):
        disk.open("none/f", create=True)
    with pytest.raises(IsADirectoryError):
        disk.open("d")
    with pytest.raises(NotADirectoryError):
        disk.list("d/f")
    with pytest.raises(FileExistsError):
        disk.make_directory("d/f")
    with pytest.raises(FileNotFoundError):
        disk.unlink("d/none")
    with pytest.raises(FileNotFoundError):
        disk.sync_directory("none")
    disk.lock("d")
    with pytest.raises(BlockingIOError):
        disk.lock("d")


def test_same_seed_has_the_same_crash() -> None:
    def after_crash(seed: int) -> dict[str, bytes]:
        disk = make_disk(seed)
        for name in ("b", "a", "c"):
            disk.open(f"d/{name}", create=True).write(0, name.encode() * 10_000)
        disk.crash()
        return dict(disk.save())

    for seed in range(10):
        assert after_crash(seed) == after_crash(seed)
    assert len({str(after_crash(seed)) for seed in range(10)}) > 5


def test_truncation_over_unsynced_writes_is_undone_in_order() -> None:
    for seed in range(100):
        inode = Inode()
        inode.write(0, b"S" * 10)
        inode.sync()
        inode.write(8, b"W" * 10)
        inode.truncate(4)
        inode.write(6, b"V" * 3)
        inode.truncate(7)
        nothing_kept = CrashFaults()
        rng = random.Random(seed)
        inode.crash(rng, nothing_kept, Counter())
        assert inode.read(0, 4) == b"SSSS"
        assert inode.size in (10, 18, 4, 9, 7)
