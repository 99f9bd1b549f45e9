"""A child of a local cluster, with small programs in place of nodes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trio

from raftleader.cli.local_cluster import lifeline
from raftleader.cli.local_process import (
    LocalEvent,
    LocalProcess,
    child_environment,
    describe_exit,
)

SLEEP = "import time, sys; print('up', flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)"
)


@pytest.fixture
def lifeline_fd() -> Iterator[int]:
    with lifeline() as fd:
        yield fd


def process_of(
    program: str,
    folder: Path,
    lifeline_fd: int,
    events: list[LocalEvent],
    **more: float,
) -> LocalProcess:
    return LocalProcess(
        name="node",
        command=[sys.executable, "-c", program],
        arguments=[],
        log_file=folder / "node" / "log",
        lifeline_fd=lifeline_fd,
        environment=dict(os.environ),
        is_restarted=bool(more.pop("is_restarted", True)),
        listener=events.append,
        **more,
    )


async def wait_up(process: LocalProcess, times: int = 1) -> None:
    with trio.fail_after(10):
        while process.log_tail().count("up") < times:  # noqa: ASYNC110 - a file
            await trio.sleep(0.01)


async def test_process_is_gone_and_reaped_after_cancellation(
    tmp_path: Path, lifeline_fd: int
) -> None:
    process = process_of(SLEEP, tmp_path, lifeline_fd, [])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await wait_up(process)
        pid = process.pid
        assert pid is not None
        nursery.cancel_scope.cancel()
    assert process.pid is None
    assert not psutil.pid_exists(pid)


async def test_process_that_ignores_term_is_killed_after_the_grace(
    tmp_path: Path, lifeline_fd: int
) -> None:
    process = process_of(STUBBORN, tmp_path, lifeline_fd, [], grace_s=0.05)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await wait_up(process)
        pid = process.pid
        assert pid is not None
        nursery.cancel_scope.cancel()
    assert not psutil.pid_exists(pid)


async def test_process_that_dies_is_started_again(
    tmp_path: Path, lifeline_fd: int
) -> None:
    events: list[LocalEvent] = []
    process = process_of(SLEEP, tmp_path, lifeline_fd, events, restart_delay_s=0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await wait_up(process)
        first = process.pid
        process.kill()
        await wait_up(process, times=2)
        assert process.pid not in (first, None)
        nursery.cancel_scope.cancel()
    assert [event.what for event in events] == ["started", "died", "started"]
    assert events[1].detail == "signal SIGKILL"
    assert process.exits == [-signal.SIGKILL]


async def test_process_that_is_not_restarted_waits_for_restart(
    tmp_path: Path, lifeline_fd: int
) -> None:
    events: list[LocalEvent] = []
    process = process_of(
        SLEEP, tmp_path, lifeline_fd, events, restart_delay_s=0.0, is_restarted=False
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await wait_up(process)
        process.kill()
        await process.wait_dead()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert process.pid is None
        process.restart()
        await wait_up(process, times=2)
        nursery.cancel_scope.cancel()


async def test_both_outputs_of_all_lives_are_in_the_log(
    tmp_path: Path, lifeline_fd: int
) -> None:
    program = "import sys; print('up'); print('problem', file=sys.stderr); sys.exit(3)"
    events: list[LocalEvent] = []
    process = process_of(program, tmp_path, lifeline_fd, events, restart_delay_s=0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await wait_up(process, times=2)
        nursery.cancel_scope.cancel()
    assert process.exits[0] == 3
    assert process.log_tail().splitlines().count("problem") >= 1
    assert process.log_tail(1) in ("up", "problem")


async def test_child_hears_the_end_of_the_lifeline(tmp_path: Path) -> None:
    program = (
        "import os, sys; print('up', flush=True);"
        "os.read(int(sys.argv[-1]), 1); print('cut', flush=True)"
    )
    read_end, write_end = os.pipe()
    process = process_of(program, tmp_path, read_end, [], is_restarted=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process.run)
        await wait_up(process)
        os.close(write_end)
        await process.wait_dead()
        nursery.cancel_scope.cancel()
    os.close(read_end)
    assert process.log_tail(1) == "cut"


def test_child_environment_leaves_out_settings_of_daemons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAFTLEADER_LEADER_DATA_DIR", "x")
    monkeypatch.setenv("RAFTLEADER_AGENT_RESOURCES", "x")
    monkeypatch.setenv("RAFTLEADER_LEADERS", "a:1")
    environment = child_environment()
    assert "RAFTLEADER_LEADER_DATA_DIR" not in environment
    assert "RAFTLEADER_AGENT_RESOURCES" not in environment
    assert environment["RAFTLEADER_LEADERS"] == "a:1"


def test_exit_is_described_by_code_or_signal() -> None:
    assert describe_exit(2) == "exit code 2"
    assert describe_exit(-9) == "signal SIGKILL"


async def test_process_that_is_held_stays_dead_until_the_last_release(
    tmp_path: Path, lifeline_fd: int
) -> None:
    process = process_of(SLEEP, tmp_path, lifeline_fd, [], restart_delay_s=0.0)
    prepared: list[int] = []
    process.before_start = lambda one: prepared.append(len(one.exits))
    async with trio.open_nursery() as nursery:
        process.hold()
        nursery.start_soon(process.run)
        await trio.sleep(0.05)
        assert (process.pid, prepared) == (None, [])
        process.release()
        await wait_up(process)
        process.hold()
        process.hold()
        await process.stop()
        process.release()
        await trio.sleep(0.05)
        assert (process.pid, process.exits) == (None, [-signal.SIGTERM])
        process.restart()
        await trio.sleep(0.05)
        assert process.pid is None
        process.release()
        await wait_up(process, times=2)
        assert prepared == [0, 1]
        nursery.cancel_scope.cancel()
