"""Old sandboxes go; those of running tasks stay."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from agent.cleanup import BUSY_INTERVAL_S, REMOVALS_PER_ROUND_MAX, Cleanup
from agent.config import AgentConfig
from agent.records import ExecutorRun
from agent.sandbox import (
    link_latest,
    make_sandbox,
    nested_sandbox_path,
    run_path,
    sandbox_path,
)
from raftleader.protocol.ids import FrameworkId, TaskId, TaskKey


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


def cleanup_of(tmp_path: Path, **more: Any) -> Cleanup:
    config = AgentConfig(
        leaders=("mem://n1",),
        work_dir=tmp_path,
        **{"disk_free_fraction_min": 0.0, **more},
    )
    return Cleanup(config, inline)


def make(cleanup: Cleanup, framework: str, task: str) -> str:
    key: TaskKey = (FrameworkId(framework), TaskId(task))
    cleanup.config.sandbox_root.mkdir(exist_ok=True)
    path = sandbox_path(cleanup.config.sandbox_root, key)
    for fd in make_sandbox(path, data=b"x"):
        os.close(fd)
    return path


def left(cleanup: Cleanup) -> list[str]:
    root = cleanup.config.sandbox_root
    return sorted(str(p.relative_to(root)) for p in root.glob("*/tasks/*"))


async def test_sandboxes_go_when_they_are_old(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, tmp_path: Path
) -> None:
    cleanup = cleanup_of(tmp_path, sandbox_age_s_max=3600.0)
    make(cleanup, "fw", "runs")
    nursery.start_soon(cleanup.run)
    cleanup.add_ended(make(cleanup, "fw", "old"))
    await trio.sleep(1800)
    cleanup.add_ended(make(cleanup, "gone", "young"))
    await trio.sleep(1900)
    assert left(cleanup) == ["fw/tasks/runs", "gone/tasks/young"]
    await trio.sleep(1900)
    assert left(cleanup) == ["fw/tasks/runs"]
    assert os.listdir(cleanup.config.sandbox_root) == ["fw"]


async def test_oldest_sandboxes_go_when_there_are_too_many(tmp_path: Path) -> None:
    cleanup = cleanup_of(tmp_path, sandboxes_max=2)
    for number in range(5):
        cleanup.add_ended(make(cleanup, "fw", f"t{number}"))
    assert await cleanup.clean_once()
    assert left(cleanup) == ["fw/tasks/t3", "fw/tasks/t4"]


async def test_sandboxes_go_when_the_disk_is_full(tmp_path: Path) -> None:
    cleanup = cleanup_of(tmp_path, disk_free_fraction_min=1.1)
    make(cleanup, "fw", "runs")
    cleanup.add_ended(make(cleanup, "fw", "t"))
    await cleanup.clean_once()
    assert left(cleanup) == ["fw/tasks/runs"]


async def test_work_of_a_round_is_bounded_and_goes_on(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, tmp_path: Path
) -> None:
    cleanup = cleanup_of(tmp_path, sandboxes_max=0)
    for number in range(REMOVALS_PER_ROUND_MAX + 10):
        cleanup.add_ended(f"{cleanup.config.sandbox_root}/fw/tasks/never made {number}")
    nursery.start_soon(cleanup.run)
    await trio.testing.wait_all_tasks_blocked()
    assert cleanup.removed == REMOVALS_PER_ROUND_MAX
    await trio.sleep(BUSY_INTERVAL_S + 0.1)
    assert cleanup.removed == REMOVALS_PER_ROUND_MAX + 10


async def test_sandboxes_from_before_are_found_in_order_of_their_age(
    tmp_path: Path,
) -> None:
    before = cleanup_of(tmp_path)
    for name, modified_s in (("b", 2_000), ("a", 3_000), ("c", 1_000)):
        sandbox = make(before, "fw", name)
        os.utime(sandbox, (0, modified_s))

    cleanup = cleanup_of(tmp_path, sandbox_age_s_max=1_500.0)
    cleanup.add_found(now_ms=4_000_000)
    assert await cleanup.clean_once()
    assert left(cleanup) == ["fw/tasks/a"]


async def test_link_in_a_sandbox_is_removed_and_not_followed(tmp_path: Path) -> None:
    cleanup = cleanup_of(tmp_path, sandboxes_max=0)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    sandbox = make(cleanup, "fw", "t")
    os.symlink(precious, f"{sandbox}/link")
    cleanup.add_ended(sandbox)
    await cleanup.clean_once()

    assert left(cleanup) == []
    assert os.listdir(precious) == ["file"]


async def test_sandboxes_of_executors_go_with_all_that_named_them(
    tmp_path: Path,
) -> None:
    before = cleanup_of(tmp_path)
    root = before.config.sandbox_root
    runs = [ExecutorRun(FrameworkId("fw"), "e", name) for name in ("1", "2")]
    for run in runs:
        for path in (run_path(root, run), nested_sandbox_path(root, run, TaskId("t"))):
            for fd in make_sandbox(path, data=None):
                os.close(fd)
        link_latest(run_path(root, run))
    assert os.readlink(f"{root}/fw/executors/e/runs/latest") == "2"

    cleanup = cleanup_of(tmp_path, sandboxes_max=1)
    cleanup.add_found(now_ms=0)
    assert await cleanup.clean_once()
    (left_over,) = (p for p in root.glob("fw/executors/e/runs/*") if not p.is_symlink())
    cleanup = cleanup_of(tmp_path, sandboxes_max=0)
    cleanup.add_ended(str(left_over))
    assert await cleanup.clean_once()
    assert list(root.iterdir()) == []
