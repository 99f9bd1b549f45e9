"""``status``, ``frameworks``, ``agents``, ``tasks``: looking at a running cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import trio

from raftleader.cli.api_client import API, ApiClient
from raftleader.cli.exit_codes import EXIT_OK, EXIT_TRY_AGAIN, one_line
from raftleader.cli.node_state import members_beside, state_in_words
from raftleader.cli.output import Column, Output
from raftleader.cli.rows import rows_of
from raftleader.errors import RaftLeaderError


async def show_status(client: ApiClient, output: Output) -> int:
    """One row for each address that was given, and one for the leader if it was not.

    Returns 75 if nobody knows a leader.
    """
    rows: dict[str, dict[str, Any]] = {}
    problems: list[str] = []

    async def ask(address: str) -> None:
        try:
            status = await client.ask_status(address)
        except RaftLeaderError as error:
            rows[address] = {"address": address, "up": False}
            text = one_line(error)
            problems.append(text if address in text else f"{address}: {text}")
        else:
            state = state_in_words(status)
            rows[address] = {"address": address, "up": True, "state": state, **status}

    async def ask_all(addresses: Iterable[str]) -> None:
        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(ask, address)

    given = list(dict.fromkeys(client.addresses))
    await ask_all(given)
    named = {str(row.get("leader_address") or "") for row in rows.values()}
    known = {row.get("http_address") for row in rows.values()} | {*given, ""}
    others = sorted(named - known)
    await ask_all(others)
    ordered = [rows[address] for address in [*given, *others]]
    output.rows(
        ordered,
        [
            Column(key="address", heading="ADDRESS"),
            Column(key="up", heading="UP"),
            Column(key="node_id", heading="NODE"),
            Column(key="leading", heading="LEADING"),
            Column(key="state", heading="STATE"),
            Column(key="leader_address", heading="LEADER"),
            Column(key="term", heading="TERM", right=True),
            Column(key="applied_index", heading="APPLIED", right=True),
            Column(key="commit_index", heading="COMMITTED", right=True),
            Column(key="counts", heading="COUNTS"),
        ],
    )
    if unseen := members_beside(ordered):
        problems.append(f"members not shown: {', '.join(unseen)}; name their API, too")
    for problem in sorted(problems):
        output.note(f"raftleader: {problem}")
    has_leader = any(row.get("leader_address") for row in ordered)
    return EXIT_OK if has_leader else EXIT_TRY_AGAIN


async def show_list(client: ApiClient, output: Output, *, what: str) -> None:
    """The leader's list of ``frameworks``, ``agents`` or ``tasks``."""
    rows = rows_of(await client.get(f"{API}/{what}"), what)
    if what == "agents" and not output.as_json:
        rows = [{**row, "state": agent_state_in_words(row)} for row in rows]
    output.rows(rows, COLUMNS[what])


def agent_state_in_words(row: Mapping[str, Any]) -> str:
    """Whether it is reachable, and what an operator has asked of it."""
    words = [str(row.get("state") or "-")]
    if row.get("drain"):
        words.append(str(row["drain"]).lower())
    elif row.get("deactivated"):
        words.append("deactivated")
    return ", ".join(words)


def columns(*names: str) -> Sequence[Column]:
    """Columns whose headings are their keys."""
    return [Column(key=name, heading=name.upper().replace("_", " ")) for name in names]


COLUMNS: Mapping[str, Sequence[Column]] = {
    "frameworks": columns(
        "id", "name", "user", "roles", "connected", "tasks", "offers"
    ),
    "agents": columns(
        "id", "hostname", "address", "state", "connected", "resources", "used"
    ),
    "tasks": columns("id", "name", "framework_id", "agent_id", "state", "resources"),
}
