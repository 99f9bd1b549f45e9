"""``status``, ``frameworks``, ``agents``, ``tasks``: looking at a running cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from raftleader.cli.api_client import API, ApiClient
from raftleader.cli.exit_codes import EXIT_OK, EXIT_TRY_AGAIN
from raftleader.cli.output import Column, Output
from raftleader.cli.rows import rows_of


async def show_status(client: ApiClient, output: Output) -> int:
    """One row for each leader address that was given; 75 if none of them leads."""
    rows: dict[str, dict[str, Any]] = {}

    async def ask(address: str) -> None:
        status = await client.status_of(address)
        rows[address] = {"address": address, "up": status is not None, **(status or {})}

    async with trio.open_nursery() as nursery:
        for address in client.addresses:
            nursery.start_soon(ask, address)
    ordered = [rows[address] for address in client.addresses]
    output.rows(
        ordered,
        [
            Column(key="address", heading="ADDRESS"),
            Column(key="up", heading="UP"),
            Column(key="node_id", heading="NODE"),
            Column(key="leading", heading="LEADING"),
            Column(key="leader_address", heading="LEADER"),
            Column(key="term", heading="TERM", right=True),
            Column(key="applied_index", heading="APPLIED", right=True),
            Column(key="commit_index", heading="COMMITTED", right=True),
            Column(key="counts", heading="COUNTS"),
        ],
    )
    has_leader = any(row.get("leader_address") for row in ordered)
    return EXIT_OK if has_leader else EXIT_TRY_AGAIN


async def show_list(client: ApiClient, output: Output, *, what: str) -> None:
    """The leader's list of ``frameworks``, ``agents`` or ``tasks``."""
    rows = rows_of(await client.get(f"{API}/{what}"), what)
    output.rows(rows, COLUMNS[what])


def columns(*names: str) -> Sequence[Column]:
    """Columns whose headings are their keys."""
    return [Column(key=name, heading=name.upper().replace("_", " ")) for name in names]


COLUMNS: Mapping[str, Sequence[Column]] = {
    "frameworks": columns(
        "id", "name", "user", "roles", "connected", "tasks", "offers"
    ),
    "agents": columns("id", "hostname", "address", "state", "resources", "used"),
    "tasks": columns("id", "name", "framework_id", "agent_id", "state", "resources"),
}
