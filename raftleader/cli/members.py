"""``members``: who keeps the log, and changes of it, through the leader."""

from __future__ import annotations

from raftleader.cli.api_client import API, ApiClient
from raftleader.cli.look import columns
from raftleader.cli.output import Output
from raftleader.cli.rows import rows_of

ANSWER_S = 10.0
"""The server gives up in less."""
PATH = f"{API}/members"


async def show_members(client: ApiClient, output: Output) -> None:
    """The members as the leader knows them."""
    leader = await client.find_leader()
    answer = await client.http.get_json(leader, PATH)
    _show(answer, output)


async def change_members(client: ApiClient, output: Output, change: object) -> None:
    """Make one change, as the endpoint takes it, and show the members after it."""
    _show(await client.post(PATH, change, answer_s=ANSWER_S), output)


def _show(answer: object, output: Output) -> None:
    output.rows(
        rows_of(answer, "members"), columns("id", "address", "voter", "leading")
    )
