"""Changing the group as an operator does, by what ``raftleader members`` and
``raftleader transfer`` send to the leader.

It is sent from here and not by these commands: three interpreters that start would take
the processors from the nodes, on a small machine for longer than any change takes.

A change may be refused for a while (another one is under way, a learner lacks too much,
nobody leads), and its answer may be lost. So a change of members is repeated until the
leader's list shows that it is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.live.seams import Cluster, LiveNode
from chaos.nemeses.operator.command_lines import peer_table
from raftleader.cli.local_cluster import leading_node
from raftleader.cli.members import ANSWER_S, PATH
from raftleader.errors import RaftLeaderError

CHANGE_WITHIN_S = 20.0
"""An election and the sending of a snapshot included."""
PAUSE_S = 0.1
JOIN = "--join"


class GroupChangeError(RaftLeaderError):
    """A change of the members did not come about; the message has the last answer."""


@attrs.frozen
class GroupOperator:
    """Who changes members."""

    cluster: Cluster

    async def members(self) -> dict[str, bool] | None:
        """Whether each member is a voter, as the leader has it; None if nobody
        leads."""
        statuses = await self.cluster.statuses()
        status = statuses.get(leading_node(statuses) or "")
        if status is None:
            return None
        rows = (status.get("log") or {}).get("members") or ()
        return {str(row["id"]): bool(row["is_voter"]) for row in rows}

    async def remove(self, name: str) -> None:
        """It is no member. Raises GroupChangeError."""
        await self._insist(lambda members: name not in members, {"remove": name})

    async def add(self, name: str, address: str) -> None:
        """It is a member, a learner at first. Raises GroupChangeError."""
        change = {"add": {"id": name, "address": address}}
        await self._insist(lambda members: name in members, change)

    async def promote(self, name: str) -> None:
        """It is a voter. Raises GroupChangeError."""
        change = {"promote": name}
        await self._insist(lambda members: members.get(name, False), change)

    async def transfer(self, name: str) -> None:
        """It leads. Sent once; raises RaftLeaderError like ``ApiClient.post``."""
        await self._ask({"transfer": name})

    async def add_back(self, node: LiveNode) -> None:
        """A node that was removed, and whose folder was emptied, is a voter again.

        It is not held, or not for long. Raises GroupChangeError.
        """
        if JOIN not in node.arguments:
            node.arguments.append(JOIN)
        await self.add(node.name, peer_table(node.arguments)[node.name])
        await self.promote(node.name)
        node.arguments.remove(JOIN)  # its directory knows now where it belongs

    async def _insist(
        self, is_done: Callable[[dict[str, bool]], bool], change: Mapping[str, Any]
    ) -> None:
        answer = "nobody leads"
        with trio.move_on_after(CHANGE_WITHIN_S):
            while True:
                members = await self.members()
                if members is not None and is_done(members):
                    return
                try:
                    await self._ask(change)
                except RaftLeaderError as error:
                    answer = str(error)
                await trio.sleep(PAUSE_S)
        raise GroupChangeError(f"{json.dumps(change)}: {answer}")

    async def _ask(self, change: Mapping[str, Any]) -> None:
        await self.cluster.client.post(PATH, change, answer_s=ANSWER_S)


def empty_folder(folder: Path) -> None:
    """All in it goes; itself stays, for it may be a mount point."""
    for entry in sorted(folder.rglob("*"), reverse=True):
        if entry.is_dir() and not entry.is_symlink():
            with suppress(OSError):  # lost+found of ext4 is not ours to remove
                entry.rmdir()
        else:
            entry.unlink(missing_ok=True)
