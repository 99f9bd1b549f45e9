"""What the processes of a run are started with."""

from __future__ import annotations

import re
from pathlib import Path

from support.live_fakes import HostNetwork, PlainDisks, PlainNetwork

from chaos.live.plan import LiveOptions, plan_live_cluster
from chaos.live.plan_file import WorkloadPlan
from chaos.live.seams import LiveNode

CHURN = WorkloadPlan(name="framework-1", kind="churn", seed=7)


def planned(
    tmp_path: Path, options: LiveOptions, network: PlainNetwork
) -> dict[str, LiveNode]:
    disks = PlainDisks(tmp_path, {"LD_PRELOAD": "shim.so"})
    nodes = plan_live_cluster(options, network, disks, tmp_path)
    assert [node.name for node in nodes] == options.hosts
    return {node.name: node for node in nodes}


def values(node: LiveNode, flag: str) -> list[str]:
    words = node.arguments
    return [words[i + 1] for i, word in enumerate(words) if word == flag]


def test_plan_uses_fixed_ports_where_each_host_has_an_address(tmp_path: Path) -> None:
    options = LiveOptions(leaders=2, agents=1, workloads=[CHURN])
    nodes = planned(tmp_path, options, HostNetwork())

    leader, agent = nodes["leader-2"], nodes["agent-1"]
    assert leader.http == "10.77.6.2:5050"
    assert values(leader, "--peer") == [
        "leader-1=tcp://10.77.6.1:5060",
        "leader-2=tcp://10.77.6.2:5060",
    ]
    assert values(leader, "--peer-via") == []
    assert leader.data_dir == tmp_path / "disks" / "leader-2"
    assert leader.environment == {
        "RAFTLEADER_CHAOS_RECORD": str(tmp_path / "nodes/leader-2/applied"),
        "RAFTLEADER_CHAOS_CRASH_FILE": str(tmp_path / "nodes/leader-2/crash-point"),
        "LD_PRELOAD": "shim.so",
    }
    assert values(agent, "--leader") == [
        "tcp://10.77.6.1:5150",
        "tcp://10.77.6.2:5150",
    ]
    assert values(agent, "--hostname") == ["agent-1"]
    assert agent.data_dir == tmp_path / "nodes/agent-1/work"
    assert "LD_PRELOAD" not in agent.environment
    assert nodes["framework-1"].arguments == [
        "churn",
        *("--name", "framework-1"),
        *("--leaders", "10.77.6.1:5050,10.77.6.2:5050"),
        *("--seed", "7"),
        *("--history", str(tmp_path / "workloads/framework-1.jsonl")),
        *("--state", str(tmp_path / "nodes/framework-1/state.json")),
    ]


def test_plan_takes_free_ports_where_hosts_share_an_address(tmp_path: Path) -> None:
    options = LiveOptions(leaders=3, agents=2, port_seed=1)
    nodes = planned(tmp_path, options, PlainNetwork())

    text = " ".join(" ".join(node.arguments) for node in nodes.values())
    addresses = set(re.findall(r"127\.0\.0\.1:\d+", text))
    assert len(addresses) == 3 * 3 + 2


def test_plan_dials_by_way_of_proxies_where_there_are_some(tmp_path: Path) -> None:
    network = HostNetwork(
        {
            ("leader-1", "leader-2"): "127.0.0.1:1",
            ("agent-1", "leader-1"): "127.0.0.1:2",
            ("framework-1", "leader-2"): "127.0.0.1:3",
            ("driver", "leader-1"): "127.0.0.1:4",
        }
    )
    options = LiveOptions(leaders=2, agents=1, workloads=[CHURN])
    nodes = planned(tmp_path, options, network)

    assert values(nodes["leader-1"], "--peer-via") == ["leader-2=tcp://127.0.0.1:1"]
    assert values(nodes["leader-1"], "--peer")[1] == "leader-2=tcp://10.77.6.2:5060"
    assert values(nodes["leader-2"], "--peer-via") == []
    assert values(nodes["agent-1"], "--leader")[0] == "tcp://127.0.0.1:2"
    assert values(nodes["framework-1"], "--via") == ["10.77.6.2:5050=127.0.0.1:3"]
    assert nodes["leader-1"].http == "127.0.0.1:4"


def test_plan_gives_a_mutant_to_leader_nodes_and_agents(tmp_path: Path) -> None:
    options = LiveOptions(leaders=1, agents=1, workloads=[CHURN], mutant="no-vote")
    nodes = planned(tmp_path, options, PlainNetwork())

    variable = "RAFTLEADER_CHAOS_MUTANT"
    assert nodes["leader-1"].environment[variable] == "no-vote"
    assert nodes["agent-1"].environment[variable] == "no-vote"
    assert variable not in nodes["framework-1"].environment
