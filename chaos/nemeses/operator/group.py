"""Changing the members of the group as an operator does: by ``raftleader members``.

A change may be refused for a while (another one is under way, a learner lacks too much,
nobody leads), and its answer may be lost. So every call here repeats the command until
the leader's list of members shows that it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs
import trio

from chaos.live.seams import Cluster, LiveNode
from chaos.nemeses.operator.command_lines import peer_table
from raftleader.cli.local_cluster import leading_node
from raftleader.errors import RaftLeaderError

CHANGE_WITHIN_S = 20.0
"""An election and the sending of a snapshot included."""
PAUSE_S = 0.2
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
        await self._insist(lambda members: name not in members, "remove", name)

    async def add(self, name: str, address: str) -> None:
        """It is a member, a learner at first. Raises GroupChangeError."""
        await self._insist(lambda members: name in members, "add", f"{name}={address}")

    async def promote(self, name: str) -> None:
        """It is a voter. Raises GroupChangeError."""
        await self._insist(lambda members: members.get(name, False), "promote", name)

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
        self, is_done: Callable[[dict[str, bool]], bool], *arguments: str
    ) -> None:
        answer = "nobody leads"
        with trio.move_on_after(CHANGE_WITHIN_S):
            while True:
                members = await self.members()
                if members is not None and is_done(members):
                    return
                _, said = await self.cluster.command("members", *arguments)
                answer = said.strip().rpartition("\n")[2] or answer
                await trio.sleep(PAUSE_S)
        raise GroupChangeError(f"members {' '.join(arguments)}: {answer}")


def empty_folder(folder: Path) -> None:
    """All in it goes; itself stays, for it may be a mount point."""
    for entry in sorted(folder.rglob("*"), reverse=True):
        if entry.is_dir() and not entry.is_symlink():
            with suppress(OSError):  # lost+found of ext4 is not ours to remove
                entry.rmdir()
        else:
            entry.unlink(missing_ok=True)
