"""Files of sandboxes over HTTP: everything in there, nothing outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.file_access import list_folder, open_file, read_at
from raftleader.errors import InvalidInputError

SANDBOX = "frameworks/fw/tasks/t"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The sandbox root of an agent, with a secret beside it."""
    root = tmp_path / "work" / "frameworks"
    sandbox = root / "fw" / "tasks" / "t"
    sandbox.mkdir(parents=True)
    (sandbox / "stdout").write_text("hello")
    (tmp_path / "work" / "meta").mkdir()
    (tmp_path / "work" / "meta" / "secret").write_text("secret")
    return root


def test_read_gives_size_and_bytes(root: Path) -> None:
    assert read_at(root, f"{SANDBOX}/stdout", 0, 100) == (5, b"hello")
    assert read_at(root, f"/{SANDBOX}/stdout", 1, 2) == (5, b"el")
    assert read_at(root, f"{SANDBOX}/stdout", 99, 2) == (5, b"")
    assert read_at(root, f"{SANDBOX}/stdout", -1, 0) == (5, b"")


@pytest.mark.parametrize(
    "path",
    [
        "frameworks/../meta/secret",
        f"{SANDBOX}/../../../../meta/secret",
        f"{SANDBOX}/link/secret",
        f"{SANDBOX}/absolute",
        f"{SANDBOX}/up",
        f"{SANDBOX}/stdout\0",
        "",
        "frameworks",
        SANDBOX,
        f"{SANDBOX}/pipe",
    ],
)
def test_read_refuses_what_is_no_file_of_a_sandbox(root: Path, path: str) -> None:
    sandbox = root / "fw" / "tasks" / "t"
    (sandbox / "link").symlink_to(root.parent / "meta")
    (sandbox / "absolute").symlink_to("/etc/passwd")
    (sandbox / "up").symlink_to("../../../../meta/secret")
    os.mkfifo(sandbox / "pipe")

    with pytest.raises(InvalidInputError, match=r"^path: "):
        read_at(root, path, 0, 10)


@pytest.mark.parametrize(
    "path",
    [
        f"{SANDBOX}/none",
        f"{SANDBOX}/stdout/x",
        f"{SANDBOX}/loop",
        "meta/secret",
        "/etc/passwd",
        "..",
        "/",
    ],
)
def test_read_of_what_is_not_there_says_so(root: Path, path: str) -> None:
    loop = root / "fw" / "tasks" / "t" / "loop"
    loop.symlink_to(loop)
    with pytest.raises(FileNotFoundError):
        read_at(root, path, 0, 10)


def test_read_follows_a_link_that_stays_in_the_sandboxes(root: Path) -> None:
    (root / "fw" / "tasks" / "t" / "latest").symlink_to("stdout")
    assert read_at(root, f"{SANDBOX}/latest", 0, 10) == (5, b"hello")


def test_read_loses_a_race_against_a_link_safely(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = root / "fw" / "tasks" / "t"
    real_open = os.open

    def swap_then_open(path: object, *args: object, **more: object) -> int:
        if path == "t":  # after the path was resolved, before it is opened
            monkeypatch.undo()
            sandbox.rename(sandbox.with_name("moved"))
            sandbox.symlink_to(root.parent / "meta")
        return real_open(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swap_then_open)
    with pytest.raises(FileNotFoundError):
        read_at(root, f"{SANDBOX}/stdout", 0, 10)


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (f"{SANDBOX}/stdout", SANDBOX, f"{SANDBOX}/none", "frameworks"):
        for call in (open_file, list_folder):
            try:
                result = call(root, path)
            except (InvalidInputError, FileNotFoundError):
                continue
            if isinstance(result, int):
                os.close(result)
    assert len(os.listdir("/proc/self/fd")) == before


def test_folder_is_listed_in_order_of_name(root: Path) -> None:
    (root / "fw" / "tasks" / "t" / "a folder").mkdir()
    entries = list_folder(root, f"{SANDBOX}/")

    assert [e.path for e in entries] == [f"{SANDBOX}/a folder", f"{SANDBOX}/stdout"]
    assert [e.mode[0] for e in entries] == ["d", "-"]
    assert entries[1].size == 5
    assert [e.path for e in list_folder(root, "frameworks")] == ["frameworks/fw"]
