"""Whether a cluster is ready for work, and what it lacks if it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from raftleader.cli.api_client import API, ApiClient
from raftleader.cli.local_cluster import Statuses, leading_node
from raftleader.cli.rows import rows_of
from raftleader.errors import ApiError, RaftLeaderError

_FIXED_MEMBERS = 501
"""What engines answer whose members never change."""
ASK_TIMEOUT_S = 2.0


@attrs.frozen
class Found:
    """``leader`` is None while something is ``lacking``."""

    leader: str | None = None
    lacking: str = ""


@attrs.frozen(kw_only=True)
class Readiness:
    """Looks once; nothing is remembered.

    Attributes:
        addresses: Of the leader nodes' APIs, by name.
        agents: Names of all; each is the host name that it announces.
    """

    client: ApiClient
    addresses: Mapping[str, str]
    agents: Sequence[str]

    async def look(self, statuses: Statuses) -> Found:
        """One leader; all members in its term, having applied what it committed; every
        agent connected to it."""
        leader = leading_node(statuses)
        status = statuses[leader] if leader else None
        if leader is None or status is None:
            silent = [name for name, known in statuses.items() if known is None]
            words = f", {', '.join(silent)} silent" if silent else ""
            return Found(lacking=f"no leader{words}")
        client = attrs.evolve(
            self.client, addresses=[self.addresses[leader]], timeout_s=ASK_TIMEOUT_S
        )
        try:
            members = await self._members(client, statuses)
            behind = [
                f"{name} {problem}"
                for name in members
                if (problem := _problem_of(statuses.get(name), status))
            ]
            if behind:
                return Found(lacking="; ".join(behind))
            missing = await self._missing_agents(client)
        except RaftLeaderError as error:
            return Found(lacking=f"{leader} leads, but: {error}")
        if missing:
            return Found(lacking=f"not connected: {', '.join(missing)}")
        return Found(leader=leader)

    async def _members(self, client: ApiClient, statuses: Statuses) -> list[str]:
        try:
            rows = rows_of(await client.get(f"{API}/members"), "members")
        except ApiError as error:
            if error.status != _FIXED_MEMBERS:
                raise
            return list(statuses)
        return [str(row["id"]) for row in rows]

    async def _missing_agents(self, client: ApiClient) -> list[str]:
        rows = rows_of(await client.get(f"{API}/agents"), "agents")
        connected = {row.get("hostname") for row in rows if row.get("connected")}
        return [name for name in self.agents if name not in connected]


def _problem_of(status: dict[str, Any] | None, leader: dict[str, Any]) -> str | None:
    if status is None:
        return "is silent"
    if status["term"] != leader["term"]:
        return f"is in term {status['term']}, the leader in {leader['term']}"
    if status["applied_index"] < leader["commit_index"]:
        return f"has applied {status['applied_index']} of {leader['commit_index']}"
    return None
