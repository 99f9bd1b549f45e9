"""``members``: who keeps the log, and changes of it, through the leader."""

from __future__ import annotations

from raftleader.cli.api_client import API, ApiClient
from raftleader.cli.look import columns
from raftleader.cli.output import Output
from raftleader.cli.rows import rows_of
from raftleader.errors import ApiError, RaftLeaderError

ANSWER_S = 10.0
"""The server gives up in less."""
PATH = f"{API}/members"
COLUMNS = ("id", "address", "voter", "leading", "connected", "behind")
_REFUSED = frozenset({400, 501})
"""With the reason in words for a person."""


async def show_members(client: ApiClient, output: Output) -> None:
    """The members as the leader knows them."""
    leader = await client.find_leader()
    answer = await client.http.get_json(leader, PATH)
    _show(answer, output)


async def change_members(client: ApiClient, output: Output, change: object) -> None:
    """Make one change, as the endpoint takes it, and show the members after it.

    Raises RaftLeaderError with the leader's reason why not, else like ``post``."""
    try:
        answer = await client.post(PATH, change, answer_s=ANSWER_S)
    except ApiError as error:
        if error.status in _REFUSED:
            raise RaftLeaderError(error.text) from error
        raise
    _show(answer, output)


def _show(answer: object, output: Output) -> None:
    output.rows(rows_of(answer, "members"), columns(*COLUMNS))
