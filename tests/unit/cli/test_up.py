"""What ``up`` says of a cluster, and what percentiles are."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import cast

import pytest

from raftleader.cli.api_client import ApiClient
from raftleader.cli.local_cluster import LocalCluster
from raftleader.cli.local_plan import LocalClusterOptions, plan_local_cluster
from raftleader.cli.local_process import LocalProcess
from raftleader.cli.measured_cluster import percentile
from raftleader.cli.output import Output
from raftleader.cli.up import cluster_folder, describe, show_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> LocalCluster:
    options = LocalClusterOptions(folder=tmp_path, leaders=2, agents=1)
    plan = plan_local_cluster(options, random.Random(5))
    processes = {
        node.name: LocalProcess(
            name=node.name,
            arguments=node.arguments,
            log_file=node.log_file,
            lifeline_fd=0,
            environment={},
            is_restarted=True,
            listener=lambda event: None,
        )
        for node in (*plan.leaders, *plan.agents)
    }
    client = cast(ApiClient, None)
    return LocalCluster(folder=tmp_path, plan=plan, processes=processes, client=client)


def test_description_names_each_process_and_one_leader(cluster: LocalCluster) -> None:
    first, second = cluster.leader_addresses
    assert describe(cluster, "leader-2") == {
        "leaders": [
            {"address": first, "pid": None, "leading": False},
            {"address": second, "pid": None, "leading": True},
        ],
        "agents": [{"address": cluster.plan.agents[0].address, "pid": None}],
    }


def test_table_shows_who_leads_and_the_hint_how_to_go_on(
    cluster: LocalCluster,
) -> None:
    out, err = io.StringIO(), io.StringIO()
    nodes = [*cluster.plan.leaders, *cluster.plan.agents]
    show_cluster(cluster, "leader-2", Output(out=out, err=err))
    (line,) = [line for line in out.getvalue().splitlines() if line.endswith("  leads")]
    assert line.startswith("leader-2")
    leaders = ",".join(cluster.leader_addresses)
    assert f"export RAFTLEADER_LEADERS={leaders}\n" in err.getvalue()
    assert f"Logs: {cluster.folder}/NODE/log\n" in err.getvalue()
    assert all(node.log_file.is_relative_to(cluster.folder) for node in nodes)


def test_temporary_folder_is_removed_unless_kept(tmp_path: Path) -> None:
    with cluster_folder(None, is_kept=False) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with cluster_folder(None, is_kept=True) as folder:
        pass
    assert folder.is_dir()
    folder.rmdir()
    with cluster_folder(tmp_path, is_kept=False) as folder:
        pass
    assert folder.is_dir()


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.9) == 5.0
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert percentile([float(n) for n in range(1, 101)], 0.5) == 50.0
    assert percentile([7.0], 0.5) == 7.0
