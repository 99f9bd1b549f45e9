"""The disk of this machine does what ``disk.py`` promises."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from raftleader.replication.os_disk import OsDisk


def test_file_is_written_and_read_at_offsets(tmp_path: Path) -> None:
    disk = OsDisk()
    path = f"{tmp_path}/f"
    file = disk.open(path, create=True)
    file.write(3, b"abc")
    assert file.size() == 6
    assert file.read(0, 100) == b"\0\0\0abc"
    assert file.read(4, 1) == b"b"
    assert file.read(6, 1) == b""
    file.truncate(4)
    file.sync()
    file.close()
    file.close()
    assert disk.open(path).read(0, 10) == b"\0\0\0a"


def test_open_makes_a_file_only_when_told_and_never_takes_one_for_new(
    tmp_path: Path,
) -> None:
    disk = OsDisk()
    with pytest.raises(FileNotFoundError):
        disk.open(f"{tmp_path}/f")
    disk.open(f"{tmp_path}/f", create=True).close()
    with pytest.raises(FileExistsError):
        disk.open(f"{tmp_path}/f", create=True)


def test_allocate_makes_a_file_longer_by_zeros_and_never_shorter(
    tmp_path: Path,
) -> None:
    file = OsDisk().open(f"{tmp_path}/f", create=True)
    file.write(0, b"abc")
    file.allocate(10_000)
    file.allocate(5)
    assert file.size() == 10_000
    assert file.read(0, 5) == b"abc\0\0"
    assert (tmp_path / "f").stat().st_blocks * 512 >= 10_000


def test_allocate_changes_nothing_when_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(descriptor: int, offset: int, size: int) -> None:
        os.ftruncate(descriptor, offset + size // 2)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    file = OsDisk().open(f"{tmp_path}/f", create=True)
    file.write(0, b"abc")
    with pytest.raises(OSError, match="No space left") as error:
        file.allocate(10_000)
    assert error.value.filename == f"{tmp_path}/f"
    assert file.size() == 3


def test_allocate_sets_the_size_where_nothing_can_be_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    file = OsDisk().open(f"{tmp_path}/f", create=True)
    file.allocate(10_000)
    assert file.size() == 10_000


def test_write_is_whole_though_the_system_writes_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:2], at))
    file = OsDisk().open(f"{tmp_path}/f", create=True)
    file.write(1, b"abcdefg")
    assert file.read(1, 10) == b"abcdefg"


def test_errors_of_a_file_say_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = OsDisk().open(f"{tmp_path}/f", create=True)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output") as error:
        file.sync()
    assert error.value.filename == f"{tmp_path}/f"


def test_names_are_listed_renamed_and_removed(tmp_path: Path) -> None:
    disk = OsDisk()
    for name in ("b", "a"):
        disk.open(f"{tmp_path}/{name}", create=True).close()
    disk.make_directory(f"{tmp_path}/c")
    assert disk.list(str(tmp_path)) == ["a", "b", "c"]
    disk.rename(f"{tmp_path}/a", f"{tmp_path}/b")
    assert not disk.exists(f"{tmp_path}/a")
    disk.unlink(f"{tmp_path}/b")
    disk.sync_directory(str(tmp_path))
    assert disk.list(str(tmp_path)) == ["c"]
    with pytest.raises(FileNotFoundError):
        disk.unlink(f"{tmp_path}/b")


def test_directory_is_made_with_its_parents_each_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = OsDisk()
    synced: list[str] = []
    monkeypatch.setattr(
        OsDisk, "sync_directory", lambda self, path: synced.append(path)
    )
    disk.make_directory(f"{tmp_path}/a/b")
    assert synced == [str(tmp_path), f"{tmp_path}/a"]
    disk.make_directory(f"{tmp_path}/a/b")
    assert len(synced) == 2
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        disk.make_directory(f"{tmp_path}/file")
    with pytest.raises(OSError, match="file"):
        disk.make_directory(f"{tmp_path}/file/below")


def test_lock_keeps_everybody_else_out(tmp_path: Path) -> None:
    one, other = OsDisk(), OsDisk()
    one.lock(str(tmp_path))
    with pytest.raises(BlockingIOError):
        other.lock(str(tmp_path))
    with pytest.raises(BlockingIOError):
        one.lock(str(tmp_path))
    one.unlock(str(tmp_path))
    one.unlock(str(tmp_path))
    other.lock(str(tmp_path))
    other.unlock(str(tmp_path))


def test_disk_that_is_read_only_changes_no_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "f").chmod(0o400)
    file = OsDisk(is_read_only=True).open(f"{tmp_path}/f")
    assert file.read(0, 3) == b"abc"
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write(0, b"x")
