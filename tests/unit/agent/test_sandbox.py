"""Sandboxes: made once, safely named, their result read with care."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.sandbox import make_sandbox, name_of, read_result, sandbox_path
from raftleader.limits import RESULT_BYTES_MAX


def make(path: str, data: bytes | None = None) -> None:
    for fd in make_sandbox(path, data=data):
        os.close(fd)


def test_sandbox_has_its_files_and_is_private(tmp_path: Path) -> None:
    path = sandbox_path(tmp_path, ("fw", "t"))  # type: ignore[arg-type]
    make(path, b"input")

    assert path == f"{tmp_path}/fw/tasks/t"
    assert sorted(os.listdir(path)) == ["stderr", "stdout", "task.data"]
    assert (Path(path) / "task.data").read_bytes() == b"input"
    assert os.stat(path).st_mode & 0o777 == 0o700
    assert os.stat(f"{path}/stdout").st_mode & 0o777 == 0o600


def test_sandbox_is_never_made_twice(tmp_path: Path) -> None:
    path = sandbox_path(tmp_path, ("fw", "t"))  # type: ignore[arg-type]
    make(path)
    with pytest.raises(FileExistsError):
        make(path)


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "../../etc", "a/b", "a\\b", "nul\0", "é" * 200, "x" * 300]
)
def test_name_of_what_cannot_be_a_name_is_a_hash(bad: str) -> None:
    name = name_of(bad)
    assert name.startswith("~")
    assert "/" not in name
    assert len(name) == 33
    assert name_of(bad + "x") != name


def test_name_of_usual_ids_is_the_id() -> None:
    for good in ("t-1.2_3", "x" * 255, "tâche 1", "..."):
        assert name_of(good) == good


def test_result_is_read_if_it_fits(tmp_path: Path) -> None:
    assert read_result(str(tmp_path)) is None
    result = tmp_path / "task.result"
    result.write_bytes(b"x" * RESULT_BYTES_MAX)
    assert read_result(str(tmp_path)) == b"x" * RESULT_BYTES_MAX
    result.write_bytes(b"")
    assert read_result(str(tmp_path)) == b""


def test_result_that_is_too_large_stays(tmp_path: Path) -> None:
    result = tmp_path / "task.result"
    result.write_bytes(b"x" * (RESULT_BYTES_MAX + 1))

    assert read_result(str(tmp_path)) is None
    assert result.exists()


def test_result_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    result = tmp_path / "task.result"
    result.symlink_to(secret)
    assert read_result(str(tmp_path)) is None
    result.unlink()
    os.mkfifo(result)  # an open for reading would wait for a writer
    assert read_result(str(tmp_path)) is None
