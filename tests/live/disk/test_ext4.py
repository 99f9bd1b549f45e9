"""File systems in files: each lets itself be broken, and mended."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from chaos.disks.errors import DiskError
from chaos.disks.ext4 import Ext4Volume
from chaos.disks.live_disks import open_disks
from raftleader.errors import ConfigError

MIB = 1024 * 1024


def is_mounted(data_dir: Path) -> bool:
    return f" {data_dir.parent} " in Path("/proc/self/mountinfo").read_text()


async def volume_in(folder: Path) -> Ext4Volume:
    volume = Ext4Volume(image=folder / "image", mountpoint=folder / "mount")
    await volume.make()
    return volume


async def test_power_cut_keeps_what_was_synced_and_nothing_else(tmp_path: Path) -> None:
    volume = await volume_in(tmp_path)
    path = volume.mountpoint / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"synced")
    os.fsync(descriptor)
    folder = os.open(volume.mountpoint, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    os.pwrite(descriptor, b"forgot", 0)

    volume.cut_power()
    with pytest.raises(OSError) as caught:
        os.pwrite(descriptor, b"later!", 0)
    assert caught.value.errno == errno.EIO
    os.close(descriptor)
    await volume.unmount()
    await volume.mount()

    assert path.read_bytes() == b"synced"
    await volume.unmount()


async def test_error_makes_it_read_only_for_writers_until_it_is_repaired(
    tmp_path: Path,
) -> None:
    volume = await volume_in(tmp_path)
    path = volume.mountpoint / "file"
    with path.open("wb", buffering=0) as file:
        file.write(b"before")
        os.fsync(file.fileno())
        volume.fail()
        with pytest.raises(OSError) as caught:
            file.write(b"after")
        assert caught.value.errno == errno.EROFS
        assert path.read_bytes() == b"before"

    await volume.repair()
    path.write_bytes(b"after")
    await volume.unmount()


async def test_full_disk_takes_no_block_until_there_is_room(tmp_path: Path) -> None:
    volume = await volume_in(tmp_path)
    assert volume.fill() > 256 * MIB
    with pytest.raises(OSError) as caught:
        (volume.mountpoint / "file").write_bytes(bytes(65536))
    assert caught.value.errno == errno.ENOSPC

    volume.make_room()
    (volume.mountpoint / "file").write_bytes(bytes(65536))
    await volume.unmount()


async def test_files_lie_in_a_usual_folder_when_disks_are_closed(
    tmp_path: Path,
) -> None:
    async with open_disks("auto", ["leader-1", "leader-2"], tmp_path) as disks:
        assert disks.kind == "ext4"
        assert disks.means.why_no_ext4 is None
        data = disks.data_dir("leader-1")
        assert is_mounted(data)
        descriptor = os.open(data / "file", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(descriptor, 0, 64 * MIB)
        os.write(descriptor, b"kept")
        os.close(descriptor)
        # One that was left broken is mended first.
        volume = disks.disk("leader-2").volume
        assert volume is not None
        volume.cut_power()

    assert (data / "file").read_bytes().rstrip(b"\0") == b"kept"
    assert (data / "file").stat().st_blocks * 512 < MIB
    assert not is_mounted(data)
    assert disks.data_dir("leader-2").is_dir()
    assert sorted(os.listdir(data.parents[1])) == [
        *("faulty_disk.c", "faulty_disk.so"),
        *("leader-1", "leader-1.control", "leader-2", "leader-2.control"),
    ]


async def test_unmounting_is_refused_with_the_reason_while_a_file_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.disks.ext4.UNMOUNT_WITHIN_S", 0.1)
    volume = await volume_in(tmp_path)
    with (
        (volume.mountpoint / "file").open("wb"),
        pytest.raises(DiskError, match="in use"),
    ):
        await volume.unmount()
    await volume.unmount()


async def test_ext4_is_refused_where_it_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.disks.commands.find_tool", lambda name: None)
    async with open_disks("auto", ["leader-1"], tmp_path) as disks:
        assert disks.kind == "plain"
        assert disks.means.why_no_ext4 == "mkfs.ext4 is not installed"
        assert "gcc is not installed" in (disks.means.why_no_shim or "")
        assert disks.environment("leader-1") == {}
    with pytest.raises(DiskError, match=r"mkfs\.ext4 is not installed"):
        async with open_disks("ext4", ["leader-1"], tmp_path):
            pass
    with pytest.raises(ConfigError, match="zfs"):
        async with open_disks("zfs", ["leader-1"], tmp_path):
            pass
