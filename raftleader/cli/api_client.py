"""Asking a cluster of which some node addresses are known: finds the leader."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from raftleader.cli.node_state import state_in_words
from raftleader.errors import (
    ApiError,
    ConfigError,
    InvalidInputError,
    OutcomeUnknownError,
    RaftLeaderError,
    UnavailableError,
)
from raftleader.framework import HttpClient, open_http_client

API = "/raftleader/v1"
ANSWER_TIMEOUT_S = 3.0
"""Of one node, after which the next is asked."""
ROUNDS_PAUSE_S = 0.2
"""Between two rounds over all nodes while none of them leads."""
_STATUSES_WITHOUT_LEADER = frozenset({307, 503})
_STATUS_NO_SUCH_PAGE = 404


@attrs.frozen(kw_only=True)
class ApiClient:
    """Reads the API of whichever node leads.

    Attributes:
        addresses: ``HOST:PORT`` of some leader nodes, asked in this order.
        timeout_s: How long to look for a leader.
    """

    http: HttpClient
    addresses: Sequence[str]
    timeout_s: float = 10.0

    async def get(self, path: str) -> Any:
        """JSON from the leader, found by redirects.

        A node that is down, or knows of no leader, is passed over. Raises
        UnavailableError when the time is over, ApiError for any other refusal.
        """
        problems: dict[str, str] = {}
        with trio.move_on_after(self.timeout_s):
            while True:
                for address in self.addresses:
                    try:
                        return await self.http.get_json(address, path)
                    except (UnavailableError, OutcomeUnknownError) as error:
                        problems[address] = str(error)
                    except ApiError as error:
                        if error.status not in _STATUSES_WITHOUT_LEADER:
                            raise stranger(address, error) from error
                        problems[address] = f"{address}: {error}"
                await trio.sleep(ROUNDS_PAUSE_S)
        words = "; ".join(problems.values()) or "no answer"
        raise UnavailableError(
            f"no leader could be reached within {self.timeout_s:g} s ({words})"
        )

    async def post(self, path: str, value: object, *, answer_s: float) -> Any:
        """Send ``value`` as JSON to the leader once, and return its JSON answer.

        Raises UnavailableError if no leader was found, ApiError for a refusal,
        OutcomeUnknownError if it may have been carried out: look before repeating.
        """
        leader = await self.find_leader()
        answer = await self.http.request(
            leader,
            "POST",
            path,
            headers=[("Content-Type", "application/json")],
            body=json.dumps(value).encode(),
            timeout_s=answer_s,
        )
        if answer.headers.get("raftleader-outcome") == "unknown":
            raise OutcomeUnknownError(answer.text)
        if answer.status != 200:
            raise stranger(leader, ApiError(answer.status, answer.text))
        return json.loads(answer.body)

    async def find_leader(self) -> str:
        """The address of the leader's API.

        Raises UnavailableError that has what each node said of itself."""
        problems: dict[str, str] = {}
        with trio.move_on_after(self.timeout_s):
            while True:
                for address in self.addresses:
                    try:
                        status = await self.ask_status(address)
                    except RaftLeaderError as error:
                        problems[address] = str(error)
                        continue
                    if status["leader_address"]:
                        return str(status["leader_address"])
                    problems[address] = f"{address}: {state_in_words(status)}"
                await trio.sleep(ROUNDS_PAUSE_S)
        words = "; ".join(problems.values()) or "no answer"
        raise UnavailableError(
            f"no leader could be reached within {self.timeout_s:g} s ({words})"
        )

    async def status_of(
        self, address: str, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> dict[str, Any] | None:
        """What one node says of itself, or None while it does not answer."""
        try:
            return await self.ask_status(address, timeout_s=timeout_s)
        except RaftLeaderError:
            return None

    async def ask_status(
        self, address: str, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> dict[str, Any]:
        """What one node says of itself. Raises RaftLeaderError that says why not."""
        with trio.move_on_after(timeout_s):
            try:
                status = await self.http.get_json(address, f"{API}/status")
            except ApiError as error:
                raise stranger(address, error) from error
            if not isinstance(status, dict):
                raise InvalidInputError(address, "is no leader node's API")
            return status
        raise UnavailableError(f"{address}: no answer within {timeout_s:g} s")


def stranger(address: str, error: ApiError) -> RaftLeaderError:
    """The error for a server that is none of ours, or not the one meant."""
    if error.status != _STATUS_NO_SUCH_PAGE:
        return error
    return ConfigError(
        f"{address} is not the API of a leader node: {error.text or 'HTTP 404'}"
    )


@asynccontextmanager
async def open_api_client(
    addresses: Sequence[str], *, timeout_s: float = 10.0
) -> AsyncIterator[ApiClient]:
    """A client for the body of an ``async with``."""
    async with open_http_client(answer_timeout_s=ANSWER_TIMEOUT_S) as http:
        yield ApiClient(http=http, addresses=addresses, timeout_s=timeout_s)
