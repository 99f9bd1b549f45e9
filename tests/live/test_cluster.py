"""A cluster of a run, of real processes, without any network of its own."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio
from support.live_fakes import MemoryJournal, PlainDisks, PlainNetwork

from chaos.history.records import ProcessEvent
from chaos.live.cluster import NO_END, LiveCluster, open_live_cluster
from chaos.live.crash_points import arm
from chaos.live.plan import LiveOptions
from chaos.observation.format import (
    AppliedEntry,
    Begin,
    Crashed,
    Digested,
    RoleChange,
)
from chaos.observation.reading import applied_logs, read_applied
from raftleader.cli.local_cluster import LocalClusterError
from raftleader.errors import ApiError, OutcomeUnknownError

pytestmark = pytest.mark.end_to_end
WITHIN_S = 30.0
SET_WEIGHTS = {
    "type": "UPDATE_WEIGHTS",
    "update_weights": {"weight_infos": [{"role": "web", "weight": 2.0}]},
}


@asynccontextmanager
async def cluster_of(
    folder: Path, journal: MemoryJournal | None = None, **options: object
) -> AsyncIterator[LiveCluster]:
    async with open_live_cluster(
        LiveOptions(**options),  # type: ignore[arg-type]
        PlainNetwork(),
        PlainDisks(folder),
        journal or MemoryJournal(),
        folder,
    ) as cluster:
        yield cluster


async def wait_alive(cluster: LiveCluster, name: str, *, besides: int) -> int:
    with trio.fail_after(WITHIN_S):
        while (pid := cluster.pid(name)) in (None, besides):  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert pid is not None
    return pid


async def test_cluster_holds_kills_and_starts_again_what_it_records(
    tmp_path: Path,
) -> None:
    journal = MemoryJournal()
    async with cluster_of(tmp_path, journal, leaders=1, agents=1) as cluster:
        assert await cluster.wait_ready(timeout_s=WITHIN_S) == "leader-1"
        assert await cluster.leader() == "leader-1"
        first = cluster.pid("leader-1")
        assert first is not None
        process = psutil.Process(first)
        # The prefix of the network has become the node itself.
        assert process.environ()["RLC_HOST"] == "leader-1"
        assert "chaos.live.daemon" in process.cmdline()

        answer = await cluster.operator({"type": "GET_AGENTS"})
        hostnames = [
            row["agent_info"]["hostname"] for row in answer["get_agents"]["agents"]
        ]
        assert hostnames == ["agent-1"]
        with pytest.raises(ApiError):
            await cluster.operator({"type": "NO_SUCH_CALL"})
        code, said = await cluster.command("status", "--json")
        assert code == 0
        assert "leader-1" in said
        code, said = await cluster.command("--version", timeout_s=0.001)
        assert (code, said) == (NO_END, "")

        cluster.hold("leader-1")
        cluster.hold("leader-1")
        cluster.kill("leader-1")
        await cluster.wait_dead("leader-1")
        cluster.release("leader-1")
        await trio.sleep(1.2)  # beyond the usual second between two lives
        assert cluster.pid("leader-1") is None
        cluster.kill("leader-1")  # nothing happens to the dead
        assert (await cluster.statuses())["leader-1"] is None
        cluster.node("leader-1").arguments += ["--offer-timeout-s", "77"]
        cluster.node("leader-1").environment["RLC_LIFE"] = "2"
        cluster.release("leader-1")

        second = await wait_alive(cluster, "leader-1", besides=first)
        assert await cluster.wait_ready(timeout_s=WITHIN_S) == "leader-1"
        life = psutil.Process(second)
        assert (life.environ()["RLC_LIFE"], life.cmdline()[-3]) == ("2", "77")
        cluster.kill("agent-1", signal.SIGSTOP)
        pids = [second, cluster.pid("agent-1")]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)

    events = [
        (one.node, one.what, one.detail)
        for one in journal.records
        if isinstance(one, ProcessEvent) and one.node == "leader-1"
    ]
    assert [event[1] for event in events[:3]] == ["started", "died", "started"]
    assert events[1][2] == "signal SIGKILL"
    files = applied_logs(tmp_path)
    assert list(files) == ["leader-1"]
    lives = [list(read_applied(path)) for path in files["leader-1"]]
    assert len(lives) == 2
    for life_records, pid in zip(lives, (first, second), strict=True):
        begin = life_records[0]
        assert isinstance(begin, Begin)
        assert (begin.node, begin.pid) == ("leader-1", pid)
        roles = [one for one in life_records if isinstance(one, RoleChange)]
        assert any(role.leading for role in roles)
    before, after = (
        [one for one in life_records if isinstance(one, AppliedEntry)]
        for life_records in lives
    )
    assert [(one.index, one.term, one.data) for one in after[: len(before)]] == [
        (one.index, one.term, one.data) for one in before
    ]
    assert isinstance(lives[1][-1], (Digested, RoleChange))
    assert any(isinstance(one, Digested) for one in lives[1])


async def test_crash_points_end_leader_nodes_and_agents_when_armed(
    tmp_path: Path,
) -> None:
    async with cluster_of(tmp_path, leaders=1, agents=1, engine="raft") as cluster:
        await cluster.wait_ready(timeout_s=WITHIN_S)
        arm(cluster, "leader-1", "apply:SetWeights:after")
        arm(cluster, "agent-1", "agent:hello:before")
        with pytest.raises(OutcomeUnknownError):
            await cluster.operator(SET_WEIGHTS)

        await cluster.wait_dead("leader-1")
        with trio.fail_after(WITHIN_S):
            await cluster.wait_dead("agent-1")
        logs = [cluster.processes[name].log_tail() for name in ("leader-1", "agent-1")]
        assert await cluster.wait_ready(timeout_s=WITHIN_S) == "leader-1"

    assert "crash point apply:SetWeights:after: SIGKILL to itself" in logs[0]
    assert "crash point agent:hello:before: SIGKILL to itself" in logs[1]
    first, second = (
        list(read_applied(path)) for path in applied_logs(tmp_path)["leader-1"]
    )
    crashed = first[-1]
    assert isinstance(crashed, Crashed)
    assert crashed.point == "apply:SetWeights:after"
    last = [one for one in first if isinstance(one, AppliedEntry)][-1]
    # It was committed, so the next life applies it too.
    assert last.data in [one.data for one in second if isinstance(one, AppliedEntry)]


async def test_applied_log_is_written_with_the_engine_pysyncobj(tmp_path: Path) -> None:
    async with cluster_of(tmp_path, leaders=2, agents=0, engine="pysyncobj") as cluster:
        leader = await cluster.wait_ready(timeout_s=WITHIN_S)
        await cluster.operator(SET_WEIGHTS)
        await cluster.wait_ready(timeout_s=WITHIN_S)

    logs = applied_logs(tmp_path)
    assert sorted(logs) == ["leader-1", "leader-2"]
    entries = [
        [
            (one.index, one.term, one.data)
            for one in read_applied(files[0])
            if isinstance(one, AppliedEntry)
        ]
        for files in logs.values()
    ]
    count = min(map(len, entries))
    assert count > 1
    assert entries[0][:count] == entries[1][:count]
    roles = [
        one for one in read_applied(logs[leader][0]) if isinstance(one, RoleChange)
    ]
    assert any(role.leading and role.leader == leader for role in roles)


async def test_wait_ready_tells_at_once_why_a_node_does_not_begin(
    tmp_path: Path,
) -> None:
    with trio.fail_after(WITHIN_S):
        async with cluster_of(tmp_path, leaders=1, agents=1) as cluster:
            cluster.node("agent-1").arguments += ["--resources", "no resources"]
            with pytest.raises(LocalClusterError, match="agent-1 ended") as raised:
                await cluster.wait_ready(timeout_s=600.0)
    assert "resources" in raised.value.detail


async def test_wait_ready_says_what_is_missing_when_the_time_is_over(
    tmp_path: Path,
) -> None:
    async with cluster_of(tmp_path, leaders=1, agents=1) as cluster:
        cluster.hold("agent-1")
        cluster.kill("agent-1")
        await cluster.wait_leader(timeout_s=WITHIN_S)
        with pytest.raises(LocalClusterError, match="not connected: agent-1"):
            await cluster.wait_ready(timeout_s=0.5)
