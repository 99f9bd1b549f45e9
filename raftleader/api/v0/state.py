"""``/state``: the whole cluster in one document; ``/frameworks`` and ``/slaves``.

Keys that Mesos always writes are always there, empty where we have nothing to say.
"""

from __future__ import annotations

from typing import Any

from raftleader import __version__
from raftleader.api.holdings import Holdings, Tables, scalars_of
from raftleader.api.mesos_facts import NodeFacts
from raftleader.api.rendering import Pieces, Rows, json_pieces
from raftleader.api.v0.resources import by_reservation, state_resources
from raftleader.api.v0.rows import (
    agent_row,
    completed_task_row,
    executor_row,
    framework_details,
    framework_row,
    offer_row,
    task_row,
)
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.json_v1_agents import domain_to_json
from raftleader.protocol.json_v1_constraints import offer_constraints_to_json
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.resources import Resources
from raftleader.protocol.served import LEADER_CAPABILITIES, MESOS_VERSION
from raftleader.state.cluster import Agent, ClusterState, Framework

JsonRow = dict[str, Any]


def state_pieces(node: LeaderNode, facts: NodeFacts) -> Pieces:
    """The whole page, of one log index: ``raftleader.index``."""
    head = _head(node, facts)
    tables = Tables.copied(node.state)
    holdings = Holdings()
    yield from holdings.fill(tables)
    yield from json_pieces(
        head
        | {
            "slaves": Rows(list(tables.agents.values()), agent_row),
            **_frameworks(tables, holdings),
        }
    )


def frameworks_pieces(node: LeaderNode, framework_id: str | None) -> Pieces:
    """``/frameworks``: all of them, or one."""
    only = FrameworkId(framework_id) if framework_id else None
    tables = Tables.copied(node.state)
    holdings = Holdings()
    yield from holdings.fill(tables, only)
    document = _frameworks(tables, holdings, only)
    yield from json_pieces(document | {"unregistered_frameworks": []})


def agents_pieces(node: LeaderNode, agent_id: str | None) -> Pieces:
    """``/slaves``: all of them, or one."""
    state = node.state
    agents = list(state.agents.values())
    if agent_id:
        only = state.agents.get(AgentId(agent_id))
        agents = [only] if only is not None else []
    yield from json_pieces(
        {"slaves": Rows(agents, _agent_in_full), "recovered_slaves": []}
    )


def _agent_in_full(row: Agent) -> JsonRow:
    reserved, unreserved = by_reservation(row.total)
    return agent_row(row) | {
        "reserved_resources_full": {
            role: _in_full(amount) for role, amount in reserved.items()
        },
        "unreserved_resources_full": _in_full(unreserved),
        "used_resources_full": _in_full(row.used),
        "offered_resources_full": _in_full(row.offered),
    }


def _in_full(resources: Resources) -> list[JsonRow]:
    return resources_to_json(resources, form=ReservationForm.BOTH)


def _frameworks(
    tables: Tables, holdings: Holdings, only: FrameworkId | None = None
) -> JsonRow:
    rows = [row for row in tables.frameworks if only is None or row.id == only]
    removed = [item for item in tables.removed if only is None or item[0] == only]

    def to_tree(row: Framework) -> JsonRow:
        key = row.id
        used = scalars_of(holdings.used, key)
        offered = scalars_of(holdings.offered, key)
        return (
            framework_row(row)
            | {
                "used_resources": state_resources(used),
                "offered_resources": state_resources(offered),
                "resources": state_resources(used + offered),
            }
            | framework_details(row)
            | {
                "tasks": Rows(holdings.tasks.get(key, ()), task_row(row.info.user)),
                "unreachable_tasks": Rows(
                    holdings.unreachable.get(key, ()), task_row(row.info.user)
                ),
                "completed_tasks": Rows(
                    holdings.completed.get(key, ()), completed_task_row
                ),
                "offers": Rows(holdings.offers.get(key, ()), offer_row),
                "executors": Rows(holdings.executors.get(key, ()), executor_row),
                "offer_constraints": offer_constraints_to_json(row.offer_constraints),
            }
        )

    def removed_tree(item: tuple[FrameworkId, int]) -> JsonRow:
        """Its tasks may still be ending."""
        tasks = Rows(holdings.tasks.get(item[0], ()), task_row(""))
        return _completed_framework(item) | {"tasks": tasks}

    return {
        "frameworks": Rows(rows, to_tree, has_rows=True),
        "completed_frameworks": Rows(removed, removed_tree, has_rows=True),
    }


def _completed_framework(item: tuple[FrameworkId, int]) -> JsonRow:
    framework_id, removed_ms = item
    return {
        "id": framework_id,
        "name": "",
        "active": False,
        "connected": False,
        "recovered": False,
        "unregistered_time": removed_ms / 1000,
        "tasks": [],
        "unreachable_tasks": [],
        "completed_tasks": [],
        "offers": [],
        "executors": [],
    }


def _head(node: LeaderNode, facts: NodeFacts) -> JsonRow:
    state, log, leadership = node.state, node.statistics(), node.leadership
    head: JsonRow = {
        "version": MESOS_VERSION,
        "git_sha": "",
        "git_branch": "",
        "git_tag": "",
        "build_date": "",
        "build_time": 0.0,
        "build_user": "",
        "start_time": node.started_ms / 1000,
        "id": node.node_id,
        "pid": pid_of(node.http_address),
        "hostname": host_and_port(node.http_address)[0],
        "port": host_and_port(node.http_address)[1],
        "capabilities": LEADER_CAPABILITIES,
        **_agents_counted(state),
        "cluster": state.cluster_id,
        **leader_object(node),
        "flags": facts.flags,
        "recovered_slaves": [],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
        "raftleader": {
            "version": __version__,
            "node_id": node.node_id,
            "term": leadership.term,
            "leader": leadership.leader,
            "leading": leadership.leading,
            "index": state.index,
            "commit_index": log.commit_index,
            "clock_ms": state.clock_ms,
            "peers": list(log.peers_connected),
        },
    }
    if node.elected_ms is not None:
        head["elected_time"] = node.elected_ms / 1000
    if facts.domain is not None:
        head["domain"] = domain_to_json(facts.domain)
    if facts.log_file is not None:
        head["external_log_file"] = str(facts.log_file)
    return head


def leader_object(node: LeaderNode) -> JsonRow:
    """The keys that say who leads."""
    address = node.leader_address
    host, port = host_and_port(address or "")
    pid = "" if address is None else pid_of(address)
    return {
        "leader": pid,
        "leader_info": {
            "id": node.leadership.leader or "",
            "pid": pid,
            "port": port,
            "hostname": host,
        },
    }


def _agents_counted(state: ClusterState) -> JsonRow:
    unreachable = inactive = 0
    for agent in state.agents.values():
        if agent.unreachable_ms is not None:
            unreachable += 1
        elif agent.is_deactivated or agent.drain is not None:
            inactive += 1
    return {
        "activated_slaves": len(state.agents) - unreachable - inactive,
        "deactivated_slaves": inactive,
        "unreachable_slaves": unreachable,
    }


def pid_of(address: str) -> str:
    """How Mesos names a leader's process."""
    return f"master@{address}"


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of ``HOST:PORT``; "" and 0 of what is none."""
    host, _, port = address.rpartition(":")
    return host, int(port) if port.isdecimal() else 0
