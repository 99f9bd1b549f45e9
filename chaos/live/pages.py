"""What is asked of the cluster in the end."""

from __future__ import annotations

import json
from typing import Any, Protocol

import attrs

from raftleader.cli.api_client import API, ApiClient
from raftleader.errors import ApiError

AGENT_TIMEOUT_S = 10.0


class Pages(Protocol):
    """Documents of a running cluster. Each may raise RaftLeaderError."""

    async def rows(self, name: str) -> Any:
        """A list of the leader's: ``tasks``, ``offers``, ``agents``, ..."""

    async def status(self, address: str) -> Any:
        """What a leader node says of itself, with the digest of its state."""

    async def agent_state(self, address: str) -> Any:
        """What an agent says of its own tasks."""


@attrs.frozen
class HttpPages:
    """Asks over HTTP."""

    client: ApiClient

    async def rows(self, name: str) -> Any:
        return await self.client.get(f"{API}/{name}")

    async def status(self, address: str) -> Any:
        return await self.client.http.get_json(address, f"{API}/status?digest=true")

    async def agent_state(self, address: str) -> Any:
        answer = await self.client.http.request(
            address,
            "POST",
            "/api/v1",
            headers=[
                ("Content-Type", "application/json"),
                ("Accept", "application/json"),
            ],
            body=b'{"type": "GET_STATE"}',
            timeout_s=AGENT_TIMEOUT_S,
        )
        if answer.status != 200:
            raise ApiError(answer.status, answer.text)
        return json.loads(answer.body)
