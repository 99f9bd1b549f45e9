"""ClusterExecutor against one node that runs tasks as local processes."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    as_completed,
    wait,
)

import cloudpickle
import pytest
import trio

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.framework import (
    ClusterExecutor,
    Progress,
    RemoteTraceback,
    TaskFailedError,
    TaskKilledError,
    TaskLostError,
)
from raftleader.protocol.scheduler_api import Error
from raftleader.protocol.tasks import TaskState

# Tasks cannot import this file, so what is in it travels by value.
cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["_"]))

TIMEOUT_S = 20


@pytest.fixture
def executor(local_cluster):
    with ClusterExecutor([local_cluster.address], cpus=1) as executor:
        yield executor


def add(a, b=0):
    return a + b


def hold(path):
    """Runs until the file ``path`` is gone."""
    deadline_s = time.monotonic() + 30
    while os.path.exists(path) and time.monotonic() < deadline_s:
        time.sleep(0.005)
    return "released"


def test_submit_gives_the_value_and_map_keeps_the_order(executor):
    assert executor.submit(add, 1, b=2).result(TIMEOUT_S) == 3
    numbers = range(20)
    results = executor.map(lambda n: n * n, numbers, chunksize=4, timeout=TIMEOUT_S)
    assert list(results) == [n * n for n in numbers]
    assert list(executor.map(add, [1, 2], [3, 4])) == [4, 6]
    assert list(executor.map(add, [])) == []


def test_tasks_run_in_parallel_in_processes_of_their_own(executor):
    pids = list(executor.map(lambda _: os.getpid(), range(4)))
    assert len({*pids, os.getpid()}) == 5


def test_an_exception_comes_back_with_its_traceback(executor):
    class Odd(ValueError):
        pass

    def fail():
        raise Odd("seven")

    future = executor.submit(fail)
    error = future.exception(TIMEOUT_S)
    assert type(error).__name__ == "Odd" and error.args == ("seven",)
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "in fail" in str(error.__cause__)
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result(TIMEOUT_S)


def test_a_large_result_is_fetched_from_the_agent(executor, local_cluster):
    value = executor.submit(lambda: b"x" * 1_000_000).result(TIMEOUT_S)
    assert value == b"x" * 1_000_000
    assert not wait_until(lambda: not local_cluster.unacknowledged)


def wait_until(condition):
    """Seconds over the limit; 0 if the condition came true in time."""
    for _ in range(1000):
        if condition():
            return 0
        time.sleep(0.005)
    return 1


def test_a_payload_that_cannot_travel_is_refused_at_once(executor):
    with pytest.raises(InvalidInputError, match="cannot be pickled"):
        executor.submit(add, threading.Lock())
    with pytest.raises(InvalidInputError, match="take 2000"):
        executor.submit(add, b"x" * 2_000_000)


def test_a_result_that_cannot_travel_is_an_error_that_says_so(executor):
    error = executor.submit(lambda: __import__("threading").Lock()).exception(TIMEOUT_S)
    assert isinstance(error, TypeError) and "pickle" in str(error)


def test_a_task_that_dies_raises_task_failed(executor):
    future = executor.submit(lambda: __import__("os")._exit(7))
    with pytest.raises(TaskFailedError, match=r"TASK_FAILED.*exited with status 7"):
        future.result(TIMEOUT_S)


@pytest.mark.parametrize(
    "state",
    [TaskState.LOST, TaskState.UNREACHABLE, TaskState.GONE, TaskState.GONE_BY_OPERATOR],
)
def test_a_lost_task_raises_task_lost(executor, local_cluster, state):
    local_cluster.stand_in["add"] = [TaskState.RUNNING, state]
    error = executor.submit(add, 1).exception(TIMEOUT_S)
    assert isinstance(error, TaskLostError) and not error.definite
    assert state.value in str(error)
    assert len(local_cluster.launched) == 1


def test_a_lost_task_is_run_again_when_retries_are_allowed(local_cluster):
    local_cluster.stand_in["add"] = [TaskState.LOST]
    with ClusterExecutor([local_cluster.address], retries=1) as executor:
        assert executor.submit(add, 1).result(TIMEOUT_S) == 1
    assert local_cluster.launched == ["000001", "000001.1"]


def test_a_task_dropped_before_it_ran_is_launched_again(executor, local_cluster):
    local_cluster.drop_offers = 2
    assert executor.submit(add, 1).result(TIMEOUT_S) == 1
    assert local_cluster.launched == ["000001.2"]


def test_a_task_in_error_is_not_repeated(local_cluster):
    local_cluster.stand_in["add"] = [TaskState.ERROR]
    with ClusterExecutor([local_cluster.address], retries=5) as executor:
        error = executor.submit(add, 1).exception(TIMEOUT_S)
    assert isinstance(error, TaskFailedError) and "as the test says" in str(error)


def test_failovers_are_not_noticed_and_nothing_runs_twice(local_cluster, tmp_path):
    log = tmp_path / "log"
    with ClusterExecutor(
        [local_cluster.address], execution_log=str(log), cpus=1
    ) as executor:
        futures = [executor.submit(add, n) for n in range(24)]
        for number, _ in enumerate(as_completed(futures, TIMEOUT_S)):
            if number in (3, 9, 15):
                local_cluster.in_thread(local_cluster.fail_over, 0.02)
        assert [future.result() for future in futures] == list(range(24))
        assert executor.statistics().failovers >= 2
    lines = log.read_text().splitlines()
    assert len({line.split()[0] for line in lines}) == len(lines) == 24


def test_cancel_before_the_start_means_it_never_runs(local_cluster, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    with ClusterExecutor([local_cluster.address], tasks_max=1) as executor:
        first = executor.submit(hold, str(gate))
        second = executor.submit(add, 1)
        assert not wait_until(first.running)
        assert not first.cancel()
        assert second.cancel()
        gate.unlink()
        assert first.result(TIMEOUT_S) == "released"
        assert wait([second], TIMEOUT_S).done == {second}
    assert local_cluster.launched == ["000001"]


def test_kill_ends_a_running_task(executor, local_cluster, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    future = executor.submit(hold, str(gate))
    assert not wait_until(lambda: local_cluster.processes)
    assert executor.kill(future)
    with pytest.raises(TaskKilledError):
        future.result(TIMEOUT_S)
    assert issubclass(TaskKilledError, CancelledError)
    assert not executor.kill(future)


def test_kill_takes_back_a_waiting_task(local_cluster):
    local_cluster.cpus = 0
    with ClusterExecutor([local_cluster.address]) as executor:
        future = executor.submit(add, 1)
        assert executor.kill(future)
        assert future.cancelled()
    assert local_cluster.launched == []


def test_offers_are_suppressed_while_there_is_nothing_to_do(executor, local_cluster):
    assert executor.submit(add, 1).result(TIMEOUT_S) == 1
    assert not wait_until(lambda: local_cluster.is_suppressed)
    assert not wait_until(lambda: not local_cluster.offered)
    assert executor.submit(add, 2).result(TIMEOUT_S) == 2


def test_one_accept_takes_as_many_tasks_as_fit(local_cluster):
    local_cluster.role = "none"  # so that all wait when the first offer comes
    with ClusterExecutor([local_cluster.address]) as executor:
        futures = [executor.submit(add, n) for n in range(4)]
        local_cluster.role = "leads"
        assert [future.result(TIMEOUT_S) for future in futures] == [0, 1, 2, 3]
        (accept,) = [c for c in local_cluster.calls if type(c).__name__ == "Accept"]
        assert len(accept.operations[0].tasks) == 4


def test_progress_counts_every_future_once(local_cluster):
    heard: list[Progress] = []
    with ClusterExecutor([local_cluster.address], progress=heard.append) as executor:
        futures = [executor.submit(add, n) for n in range(5)]
        futures.append(executor.submit(lambda: 1 / 0))
        wait(futures, TIMEOUT_S)
    assert heard[-1] == Progress(submitted=6, running=0, done=5, failed=1)
    assert all(p.waiting >= 0 for p in heard)


def test_map_shows_a_bar_when_asked(executor, capsys):
    assert list(executor.map(add, range(3), progress=True)) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().out


def test_shutdown_waits_and_refuses_more(local_cluster):
    executor = ClusterExecutor([local_cluster.address])
    future = executor.submit(add, 1)
    executor.shutdown()
    assert future.done() and future.result() == 1
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(add, 1)
    assert type(local_cluster.calls[-1]).__name__ == "Teardown"
    executor.shutdown()


def test_shutdown_cancels_what_waits_when_asked(local_cluster):
    local_cluster.cpus = 0
    executor = ClusterExecutor([local_cluster.address])
    futures = [executor.submit(add, n) for n in range(3)]
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)


def test_ctrl_c_kills_what_runs(local_cluster, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    with (
        pytest.raises(KeyboardInterrupt),
        ClusterExecutor([local_cluster.address], tasks_max=1) as executor,
    ):
        running, waiting = (executor.submit(hold, str(gate)) for _ in range(2))
        assert not wait_until(lambda: local_cluster.processes)
        raise KeyboardInterrupt
    assert waiting.cancelled()
    assert isinstance(running.exception(), TaskKilledError)
    assert not wait_until(lambda: not local_cluster.processes)


def test_futures_fail_when_the_framework_is_ended_from_outside(local_cluster):
    local_cluster.cpus = 0
    with ClusterExecutor([local_cluster.address]) as executor:
        future = executor.submit(add, 1)
        assert not wait_until(lambda: local_cluster.streams)
        error = Error(message="Framework has been removed")
        local_cluster.in_thread(local_cluster.tell, error)
        with pytest.raises(BrokenExecutor, match="has been removed"):
            future.result(TIMEOUT_S)
        with pytest.raises(BrokenExecutor):
            executor.submit(add, 1)


def test_futures_fail_when_there_is_no_leader(local_cluster):
    local_cluster.role = "none"
    address = [local_cluster.address]
    with ClusterExecutor(address, connect_timeout_s=0.2) as executor:
        error = executor.submit(add, 1).exception(TIMEOUT_S)
    assert isinstance(error, BrokenExecutor) and "no leader" in str(error)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"cpus": 0}, "cpus"),
        ({"cpus": float("nan")}, "cpus"),
        ({"mem_mb": float("inf")}, "mem_mb"),
        ({"tasks_max": 0}, "tasks_max"),
        ({"retries": -1}, "retries"),
        ({"leaders": "127.0.0.1:5050"}, "leaders"),
        ({"leaders": []}, "leaders"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, key):
    with pytest.raises(ConfigError, match=f"^{key}: "):
        ClusterExecutor(**{"leaders": ["h:1"], **settings})
    with pytest.raises(InvalidInputError, match="is not HOST:PORT"):
        ClusterExecutor(["h"])


async def test_an_executor_may_be_used_beside_trio(local_cluster):
    def use():
        with ClusterExecutor([local_cluster.address]) as executor:
            return executor.submit(add, 1).result(TIMEOUT_S)

    assert await trio.to_thread.run_sync(use) == 1
