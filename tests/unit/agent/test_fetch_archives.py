"""Archives, well meant and hostile: nothing leaves the sandbox or its bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.fetcher.archives import unpack
from agent.fetcher.bounds import BOUNDS
from agent.fetcher.places import Budget, FetchError, Places, is_inside
from agent.fetcher.steps import ArchiveKind

ROOM = replace(BOUNDS, disk_free_bytes_min=0)


@attrs.define
class Sandbox:
    """A sandbox with ``stdout`` in it, beside a file that nobody may touch."""

    path: Path
    root_fd: int

    def places(self, **bounds: Any) -> Places:
        return Places(self.root_fd, Budget(replace(ROOM, **bounds), self.root_fd))

    def unpack(
        self, kind: ArchiveKind, data: bytes, name: str = "a", **bounds: Any
    ) -> None:
        unpack(kind, name, io.BytesIO(data), self.places(**bounds))

    def untar(self, *members: tarfile.TarInfo, **bounds: Any) -> None:
        self.unpack(ArchiveKind.TAR, tar_of(*members), **bounds)

    def names(self) -> list[str]:
        found = sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*"))
        return [name for name in found if name != "stdout"]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    path = tmp_path / "sandbox"
    path.mkdir()
    (path / "stdout").write_text("own")
    (tmp_path / "outside").write_text("untouched")
    fd = os.open(path, os.O_RDONLY)
    yield Sandbox(path, fd)
    os.close(fd)
    assert sorted(os.listdir(tmp_path)) == ["outside", "sandbox"]
    assert (tmp_path / "outside").read_text() == "untouched"
    assert (path / "stdout").read_text() == "own"


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def tar_of(*members: tarfile.TarInfo) -> bytes:
    """An archive whose files are full of x."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(b"x" * info.size) if info.size else None)
    return out.getvalue()


def zip_of(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


TREE = tar_of(
    member("./", tarfile.DIRTYPE, mode=0o700),
    member("bin", tarfile.DIRTYPE, mode=0o755),
    member("bin/run", size=5, mode=0o4777, mtime=1_000_000_000),
    member("bin/again", tarfile.SYMTYPE, linkname="../lib/deep/run"),
    member("lib/deep/run", tarfile.LNKTYPE, linkname="bin/run"),
)


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress]
)
def test_tar_is_unpacked_however_it_is_compressed(
    sandbox: Sandbox, compress: Any
) -> None:
    sandbox.unpack(ArchiveKind.TAR, compress(TREE))
    assert sandbox.names() == [
        "bin",
        "bin/again",
        "bin/run",
        "lib",
        "lib/deep",
        "lib/deep/run",
    ]
    run = sandbox.path / "bin/run"
    assert run.read_text() == "xxxxx"
    assert stat.S_IMODE(run.stat().st_mode) == 0o755  # not set-user-id
    assert run.stat().st_mtime == 1_000_000_000
    assert (sandbox.path / "bin/again").samefile(run)


def test_zip_is_unpacked_with_its_modes_and_links(sandbox: Sandbox) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("folder/", b"")
        archive.writestr("folder/plain", b"1")
        for name, mode, data in (
            ("run", stat.S_IFREG | 0o755, b"2"),
            ("link", stat.S_IFLNK | 0o777, b"folder/plain"),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    sandbox.unpack(ArchiveKind.ZIP, out.getvalue())

    assert sandbox.names() == ["folder", "folder/plain", "link", "run"]
    assert os.access(sandbox.path / "run", os.X_OK)
    assert (sandbox.path / "link").read_text() == "1"


def test_gzip_is_unpacked_beside_itself(sandbox: Sandbox) -> None:
    data = gzip.compress(b"1") + gzip.compress(b"2")
    sandbox.unpack(ArchiveKind.GZIP, data, "words.gz")
    assert (sandbox.path / "words").read_text() == "12"


def test_what_is_there_is_replaced_and_not_written_through(sandbox: Sandbox) -> None:
    (sandbox.path / "old").symlink_to("../outside")
    sandbox.untar(member("old", size=3), member("old", size=1))
    assert (sandbox.path / "old").read_text() == "x"


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ([member("../outside", size=1)], "not in the sandbox"),
        ([member("/outside", size=1)], "not in the sandbox"),
        ([member("a/../../outside", size=1)], "not in the sandbox"),
        ([member("..", tarfile.DIRTYPE)], "not in the sandbox"),
        ([member("l", tarfile.SYMTYPE, linkname="../outside")], "leads out"),
        ([member("l", tarfile.SYMTYPE, linkname="/etc/passwd")], "leads out"),
        ([member("a/l", tarfile.SYMTYPE, linkname="b/../../../c")], "leads out"),
        ([member("l", tarfile.LNKTYPE, linkname="../outside")], "not in the sandbox"),
        ([member("l", tarfile.LNKTYPE, linkname="/etc/passwd")], "not in the sandbox"),
        ([member("null", tarfile.CHRTYPE, devmajor=1, devminor=3)], "a device"),
        ([member("disk", tarfile.BLKTYPE)], "a device"),
        ([member("pipe", tarfile.FIFOTYPE)], "a device or a pipe"),
        ([member("stdout", size=1)], "of its own"),
        ([member("./stdout", tarfile.SYMTYPE, linkname="x")], "of its own"),
        ([member("stdout/x", size=1)], "through a link or a file"),
        ([member("a", size=1), member("a/b", size=1)], "through a link or a file"),
        ([member("a", tarfile.DIRTYPE), member("a", size=1)], "folder already"),
        ([member("")], "no name"),
        (
            [
                member("up", tarfile.SYMTYPE, linkname="."),
                member("up/x", size=1),
            ],
            "through a link",
        ),
        (
            [
                member("d", tarfile.DIRTYPE),
                member("d/l", tarfile.SYMTYPE, linkname=".."),
                member("d/l/x", tarfile.DIRTYPE),
            ],
            "through a link",
        ),
    ],
)
def test_tar_that_would_do_harm_is_refused(
    sandbox: Sandbox, members: list[tarfile.TarInfo], problem: str
) -> None:
    with pytest.raises(FetchError, match=problem) as caught:
        sandbox.untar(*members)
    assert str(caught.value).startswith("Failed to extract archive 'a': ")


def test_link_to_a_link_that_leads_out_is_of_no_use(sandbox: Sandbox) -> None:
    """Each looks harmless; together they would lead to ``outside``."""
    with pytest.raises(FetchError, match="through a link"):
        sandbox.untar(
            member("a/b", tarfile.DIRTYPE),
            member("a/b/x", tarfile.SYMTYPE, linkname="../.."),
            member("y", tarfile.SYMTYPE, linkname="a/b/x/.."),
            member("y/outside", size=9),
        )


def test_hard_link_to_a_symbolic_one_is_that_link(sandbox: Sandbox) -> None:
    (sandbox.path / "l").symlink_to("../outside")
    sandbox.untar(member("h", tarfile.LNKTYPE, linkname="l"), member("h", size=1))
    assert (sandbox.path / "h").read_text() == "x"
    assert not (sandbox.path / "h").is_symlink()


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("../outside", b"x", "not in the sandbox"),
        ("/outside", b"x", "not in the sandbox"),
        ("stdout", b"x", "of its own"),
    ],
)
def test_zip_that_would_do_harm_is_refused(
    sandbox: Sandbox, name: str, data: bytes, problem: str
) -> None:
    with pytest.raises(FetchError, match=problem):
        sandbox.unpack(ArchiveKind.ZIP, zip_of(**{name: data}))


@pytest.mark.parametrize(
    ("mode", "data", "problem"),
    [
        (stat.S_IFLNK, b"../outside", "leads out"),
        (stat.S_IFLNK, b"/etc/passwd", "leads out"),
        (stat.S_IFLNK, b"x/" * 3_000, "too long"),
        (stat.S_IFLNK, b"a\0b", "leads out"),
        (stat.S_IFCHR, b"", "a device"),
        (stat.S_IFIFO, b"", "a device or a pipe"),
    ],
)
def test_zip_with_odd_members_is_refused(
    sandbox: Sandbox, mode: int, data: bytes, problem: str
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("odd")
        info.external_attr = mode << 16
        archive.writestr(info, data)
    with pytest.raises(FetchError, match=problem):
        sandbox.unpack(ArchiveKind.ZIP, out.getvalue())


BOMB = 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (ArchiveKind.TAR, gzip.compress(tar_of(member("big", size=BOMB)))),
        (ArchiveKind.TAR, gzip.compress(tar_of(member("x", size=1)) + bytes(BOMB))),
        (ArchiveKind.ZIP, zip_of(big=bytes(BOMB))),
        (ArchiveKind.GZIP, gzip.compress(bytes(BOMB))),
    ],
)
def test_archive_that_unpacks_to_too_much_is_stopped(
    sandbox: Sandbox, kind: ArchiveKind, data: bytes
) -> None:
    with pytest.raises(FetchError, match="more than 1000000 bytes"):
        sandbox.unpack(kind, data, "a.gz", bytes_max=1_000_000)
    sizes = [p.stat().st_size for p in sandbox.path.rglob("*") if p.is_file()]
    assert sum(sizes) <= 1_000_003


def test_archive_of_too_many_files_is_stopped(sandbox: Sandbox) -> None:
    members = [member(f"d{number}/f") for number in range(10)]
    with pytest.raises(FetchError, match="more than 9 files"):
        sandbox.untar(*members, files_max=9)
    assert len(sandbox.names()) <= 9


def test_nothing_is_written_to_a_disk_that_is_nearly_full(sandbox: Sandbox) -> None:
    with pytest.raises(FetchError, match="nearly full"):
        sandbox.untar(member("f", size=1), disk_free_bytes_min=2**60)


WHOLE_TGZ = gzip.compress(tar_of(*(member(f"f{n}", size=5_000) for n in range(9))))
WHOLE_ZIP = zip_of(a=b"1" * 5_000, b=b"2" * 5_000)


@pytest.mark.parametrize(
    ("kind", "data", "problem"),
    [
        (ArchiveKind.TAR, b"", "empty file"),
        (ArchiveKind.TAR, b"no archive at all" * 100, "no archive"),
        (ArchiveKind.TAR, WHOLE_TGZ[:-4], "Failed to extract"),
        (ArchiveKind.TAR, WHOLE_TGZ[: len(WHOLE_TGZ) // 2], "Failed to extract"),
        (ArchiveKind.TAR, WHOLE_TGZ[:-6] + b"\0" * 6, "CRC"),
        (ArchiveKind.TAR, TREE[:700], "Failed to extract"),
        (ArchiveKind.TAR, TREE[:1100] + b"garbage" * 100, "damaged"),
        (ArchiveKind.TAR, lzma.compress(TREE)[:-20], "Failed to extract"),
        (ArchiveKind.ZIP, b"", "not a zip"),
        (ArchiveKind.ZIP, WHOLE_ZIP[:50], "not a zip"),
        (ArchiveKind.ZIP, WHOLE_ZIP.replace(b"PK\1\2", b"PK\1\3"), "Failed to extract"),
        (ArchiveKind.GZIP, b"plain", "gzip"),
        (ArchiveKind.GZIP, gzip.compress(b"1" * 1_000)[:-1], "Failed to extract"),
    ],
)
def test_damaged_archive_is_a_problem(
    sandbox: Sandbox, kind: ArchiveKind, data: bytes, problem: str
) -> None:
    with pytest.raises(FetchError, match=problem):
        sandbox.unpack(kind, data, "a.gz")


def test_zip_with_a_password_is_a_problem(sandbox: Sandbox) -> None:
    data = bytearray(zip_of(a=b"1"))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(FetchError, match="encrypted"):
        sandbox.unpack(ArchiveKind.ZIP, bytes(data))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    archive=st.sampled_from(
        [
            (ArchiveKind.TAR, TREE),
            (ArchiveKind.TAR, gzip.compress(TREE)),
            (ArchiveKind.ZIP, WHOLE_ZIP),
        ]
    ),
    cut=st.integers(0, 20_000),
    flips=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 255)), max_size=5),
)
def test_any_damage_is_a_problem_or_none(
    sandbox: Sandbox,
    archive: tuple[ArchiveKind, bytes],
    cut: int,
    flips: list[tuple[int, int]],
) -> None:
    kind, whole = archive
    data = bytearray(whole[: cut or None])
    for place, bits in flips:
        data[place % len(data)] ^= bits
    try:
        sandbox.unpack(kind, bytes(data), bytes_max=1_000_000, files_max=100)
    except (FetchError, OSError):
        pass  # such as a name that is too long


@pytest.mark.parametrize(
    ("folder", "target", "is_so"),
    [
        ((), "a", True),
        ((), ".", True),
        ((), "..", False),
        (("a",), "..", True),
        (("a",), "../..", False),
        (("a",), "../../a", False),
        (("a",), "b/../../c", True),
        ((), "/", False),
    ],
)
def test_link_is_inside_by_its_looks(
    folder: tuple[str, ...], target: str, is_so: bool
) -> None:
    assert is_inside(folder, target) is is_so
