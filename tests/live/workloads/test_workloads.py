"""Every kind of workload on a real cluster, all at once, over a death of its leader."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from support.up_cluster import UpCluster
from support.workload_process import WorkloadProcess

from chaos.history.queries import counts_by, kinds_of_workloads, operations
from chaos.history.records import Happening, OpType
from chaos.workloads.catalog import KINDS

pytestmark = pytest.mark.end_to_end
WORK_S = 2.0
LEADERLESS_CPU_S = 0.25
"""Of a second without any leader; it is a tenth of that."""
DEAD = ["127.0.0.1:9", "127.0.0.1:19"]
"""The discard port and its neighbour: nobody listens there."""

Ended = Mapping[str, WorkloadProcess]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpCluster]:
    folder = tmp_path_factory.mktemp("cluster")
    options = (
        "--leaders",
        "1",
        "--agents",
        "2",
        "--agent-resources",
        "cpus:2;mem:1024",
    )
    cluster = UpCluster(folder, *options)
    cluster.wait_whole()
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def ended(
    cluster: UpCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ended]:
    """One of each kind, after it has worked, settled, and ended."""
    folder = tmp_path_factory.mktemp("workloads")
    processes = {
        kind: WorkloadProcess(folder, kind, f"framework-{number}", cluster.leaders)
        for number, kind in enumerate(KINDS, start=1)
    }
    try:
        for process in processes.values():
            process.wait_told("began")
        time.sleep(WORK_S)
        cluster.kill_leader()
        cluster.wait_whole()
        time.sleep(WORK_S)
        for process in processes.values():
            process.tell_to_settle()
        for process in processes.values():
            process.wait_told("settled")
        for process in processes.values():
            assert process.end() == 0, process.errors.read_text()
        yield processes
    finally:
        for process in processes.values():
            process.close()


@pytest.mark.parametrize("kind", KINDS)
def test_workload_gets_done_what_it_is_for(ended: Ended, kind: str) -> None:
    process = ended[kind]
    assert kinds_of_workloads(process.records) == {process.name: kind}
    done = operations(process.records)
    counts = counts_by(done, by_kind=True)
    lacking = {f for f in KINDS[kind].ok_needed if not counts[process.name, f].ok}
    assert lacking == set(), counts
    ok = sum(operation.is_ok for operation in done)
    assert ok >= KINDS[kind].ok_per_s_min * 2 * WORK_S


@pytest.mark.parametrize("kind", KINDS)
def test_workload_leaves_nothing_when_it_settles(ended: Ended, kind: str) -> None:
    assert [value["left"] for value in ended[kind].told("settled")] == [[]]


@pytest.mark.parametrize("kind", KINDS)
def test_workload_is_told_nothing_impossible(ended: Ended, kind: str) -> None:
    process = ended[kind]
    assert process.told("impossible") == []
    assert process.told("crashed") == []
    assert [value for value in process.told("error") if value.get("final")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_workload_says_at_its_end_what_it_did(ended: Ended, kind: str) -> None:
    process = ended[kind]
    (value,) = process.told("ended")
    counted = counts_by(operations(process.records), by_kind=True)
    for f, ends in value["counts"].items():
        assert counted[process.name, f].ok == ends.get("ok", 0)
    if kind != "registry":
        assert value["figures"]["framework_id"]


def test_framework_keeps_its_id_over_instances_and_leaders(ended: Ended) -> None:
    ids = {value["framework_id"] for value in ended["failover"].told("subscribed")}
    assert len(ids) == 1
    numbers = [value["instance"] for value in ended["failover"].told("subscribed")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 2


def test_offers_and_updates_are_told(ended: Ended) -> None:
    churn = ended["churn"]
    assert all(
        value["id"] and value["agent_id"] and value["resources"]["scalars"]
        for value in churn.told("offer")
    )
    states = {value["state"] for value in churn.told("update")}
    assert {"TASK_RUNNING", "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"} <= states
    assert churn.told("disconnected")
    assert churn.told("resubscribed")


def test_reconciliation_was_answered_and_checked(ended: Ended) -> None:
    (value,) = ended["reconcile"].told("ended")
    assert value["figures"]["answers_checked"] > 10


def test_workload_that_is_killed_goes_on_as_the_same_framework(
    cluster: UpCluster, tmp_path: Path
) -> None:
    process = WorkloadProcess(tmp_path, "services", "killed-1", cluster.leaders)
    try:
        process.wait_told("update")
        process.kill()
        process.start()
        process.wait_told("began", count=2)
        process.wait_told("subscribed", count=2)
        process.tell_to_settle()
        process.wait_told("settling")
        process.kill()
        process.start()  # it remembers that it was told to settle
        assert process.wait_told("settled")["left"] == []
        assert process.end() == 0
    finally:
        process.close()
    ids = [value["framework_id"] for value in process.told("subscribed")]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert [value["life"] for value in process.told("began")] == [1, 2, 3]
    done = operations(process.records)  # no name of an operation is there twice
    began_ns = [
        record.at_ns
        for record in process.records
        if isinstance(record, Happening) and record.what == "began"
    ]
    for operation in done:
        if operation.type is OpType.INFO and operation.ended_ns is None:
            later = [
                other.began_ns
                for other in done
                if other.process == operation.process
                and other.began_ns > operation.began_ns
            ]
            assert later == [], "a process whose operation is open goes on"
    assert len(began_ns) == 3


def test_workloads_do_not_spin_without_a_leader(tmp_path: Path) -> None:
    processes = [
        WorkloadProcess(tmp_path, kind, f"alone-{kind}", DEAD)
        for kind in ("churn", "failover", "futures", "registry")
    ]
    try:
        for process in processes:
            process.wait_told("began")
        time.sleep(0.7)
        before = [_cpu_s(process) for process in processes]
        time.sleep(1.0)
        after = [_cpu_s(process) for process in processes]
        for process in processes:
            process.tell_to_settle()
        for process in processes:
            assert process.end() == 0
            assert len(process.told("ended")) == 1
    finally:
        for process in processes:
            process.close()
    used = [end - begin for begin, end in zip(before, after, strict=True)]
    assert max(used) < LEADERLESS_CPU_S, used


def _cpu_s(process: WorkloadProcess) -> float:
    times = psutil.Process(process.process.pid).cpu_times()
    return times.user + times.system
