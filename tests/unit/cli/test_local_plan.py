"""The plan of a local cluster: ports, folders and command lines."""

from __future__ import annotations

import random
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from raftleader.cli.local_plan import (
    LocalClusterOptions,
    completed,
    plan_local_cluster,
    share_of_machine,
)
from raftleader.cli.local_ports import free_ports, is_free, ports_from
from raftleader.errors import ConfigError
from raftleader.protocol.resources import parse_resources


def test_plan_names_every_leader_to_every_node(tmp_path: Path) -> None:
    plan = plan_local_cluster(
        LocalClusterOptions(folder=tmp_path, leaders=3, agents=2), random.Random(1)
    )
    assert [node.name for node in plan.leaders] == ["leader-1", "leader-2", "leader-3"]
    assert [node.name for node in plan.agents] == ["agent-1", "agent-2"]
    addresses = [node.address for node in (*plan.leaders, *plan.agents)]
    assert len(set(addresses)) == 5
    for node in plan.leaders:
        assert node.arguments.count("--peer") == 3
        assert node.log_file == tmp_path / node.name / "log"
    sessions = [
        node.arguments[node.arguments.index("--agents") + 1] for node in plan.leaders
    ]
    for node in plan.agents:
        assert node.arguments.count("--leader") == 3
        assert set(sessions) <= set(node.arguments)


def test_plan_with_a_base_port_gives_the_leaders_the_first_ones(
    tmp_path: Path,
) -> None:
    base = min(free_ports(1, random.Random(2)))
    options = LocalClusterOptions(folder=tmp_path, leaders=1, agents=1, base_port=base)
    plan = plan_local_cluster(options, random.Random(1))
    assert plan.leaders[0].address == f"127.0.0.1:{base}"
    assert plan.agents[0].address == f"127.0.0.1:{base + 3}"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"leaders": 0}, "--leaders: expected 1 to 9"),
        ({"agents": 101}, "--agents: expected 0 to 100"),
        ({"agent_resources": "cpus:many"}, "--agent-resources: cpus:many: 'many'"),
        ({"base_port": 65_530}, "--base-port: 65530 leaves no room for 12 ports"),
    ],
)
def test_plan_that_cannot_be_is_refused_by_flag(
    tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_local_cluster(
            LocalClusterOptions(folder=tmp_path, **options),
            random.Random(1),
        )
    assert str(caught.value).startswith(problem)


def test_machine_is_shared_without_overlap(tmp_path: Path) -> None:
    shares = [parse_resources(share_of_machine(i, 3, tmp_path)) for i in range(3)]
    assert all(share.scalars["cpus"] >= 1000 for share in shares)
    spans = sorted(span for share in shares for span in share.ranges["ports"])
    assert len(spans) == 3
    assert all(left[1] < right[0] for left, right in pairwise(spans))


def test_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(ConfigError, match=f"port {port} is taken"):
            ports_from(port, 1)


def test_free_ports_differ_and_are_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20, random.Random(3))
    assert len(set(ports)) == 20
    assert all(20_000 <= port <= 30_999 for port in ports)


def test_resources_of_agents_are_completed_from_the_share() -> None:
    share = "cpus:1;mem:100;disk:200;ports:[31000-31010]"
    assert completed("", share) == share
    assert completed("cpus(web):2; mem:0", share) == (
        "cpus(web):2;mem:0;disk:200;ports:[31000-31010]"
    )


def test_preferred_base_port_is_taken_only_if_it_is_free(tmp_path: Path) -> None:
    base = free_ports(1, random.Random(4))[0]
    options = LocalClusterOptions(
        folder=tmp_path, leaders=1, agents=0, preferred_base_port=base
    )
    plan = plan_local_cluster(options, random.Random(1))
    assert plan.leaders[0].address == f"127.0.0.1:{base}"
    with socket.create_server(("127.0.0.1", base)):
        plan = plan_local_cluster(options, random.Random(1))
    assert plan.leaders[0].address != f"127.0.0.1:{base}"
