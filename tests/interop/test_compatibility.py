"""The registry of what works, held to servers that run."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from support.up_cluster import UpCluster

from raftleader.protocol.compatibility import SECTIONS, Entry, Standing


def entries_of(key: str) -> tuple[Entry, ...]:
    (section,) = [section for section in SECTIONS if section.key == key]
    return section.entries


def ask(
    address: str, method: str, path: str, body: Any = None
) -> tuple[int, dict[str, Any] | str]:
    """Status, and the body if it is no stream."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        if answer.status == 200 and answer.headers.get("Transfer-Encoding"):
            return 200, ""
        text = answer.read().decode()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(text) if is_json else text
    finally:
        connection.close()


@pytest.mark.parametrize("side", ["leader", "agent"])
def test_calls_are_answered_501_exactly_where_the_registry_says_so(
    cluster: UpCluster, side: str
) -> None:
    address = cluster.leader if side == "leader" else cluster.agents[0]
    entries = entries_of(f"{side}.calls")
    answered = {
        entry.name: ask(address, "POST", "/api/v1", {"type": entry.name})[0]
        for entry in entries
    }
    assert {name for name, status in answered.items() if status == 501} == {
        entry.name for entry in entries if entry.standing is Standing.NOT_YET
    }
    # Those that only read need no body; all others miss theirs.
    assert {status for status in answered.values() if status >= 500} <= {501}


@pytest.mark.parametrize("side", ["leader", "agent"])
def test_pages_are_there_exactly_where_the_registry_says_so(
    cluster: UpCluster, side: str
) -> None:
    address = cluster.leader if side == "leader" else cluster.agents[0]
    for entry in entries_of(f"{side}.pages"):
        if not entry.name.startswith("/"):
            continue
        status, text = ask(address, "GET", entry.name)
        # A page that is only posted to is there, too: 405. So is one that misses
        # what it is asked about: 400.
        is_there = status in (200, 307, 400, 405)
        assert is_there == (entry.standing is not Standing.NOT_YET), (entry, text)


@pytest.mark.parametrize("name", ["GET_OPERATIONS", "GET_RESOURCE_PROVIDERS"])
def test_read_of_the_agent_is_answered(cluster: UpCluster, name: str) -> None:
    status, answer = ask(cluster.agents[0], "POST", "/api/v1", {"type": name})
    assert (status, answer) == (200, {"type": name, name.lower(): {}})


def test_capabilities_of_agents_are_those_of_the_registry(cluster: UpCluster) -> None:
    _, answer = ask(cluster.leader, "POST", "/api/v1", {"type": "GET_AGENTS"})
    assert isinstance(answer, dict)
    for agent in answer["get_agents"]["agents"]:
        assert {capability["type"] for capability in agent["capabilities"]} == {
            entry.name
            for entry in entries_of("agent.capabilities")
            if entry.standing is not Standing.NOT_YET
        }
