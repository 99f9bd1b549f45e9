"""What an operator does for a leader node whose disk is lost.

As docs/configuration.md says it: remove the member, start it on an empty disk with
``--join``, add it, promote it. It comes back under its own name. (What the commands
``raftleader members`` ask for is asked for without them: each would take a second.)
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import attrs
import trio

from chaos.disks.live_disks import NodeDisk
from chaos.live.seams import Cluster, ImpossibleError
from chaos.nemeses.disk.wound import kill
from raftleader.cli.members import PATH
from raftleader.errors import RaftLeaderError

JOIN = "--join"
WITHIN_S = 55.0
"""All of it: some seconds, an election or two on the way."""
PAUSE_S = 0.1
_ANSWER_WITHIN_S = 6.0
_DONE = {
    "remove": "no member is called",
    "add": "is a member already",
    "promote": "is a voter already",
}


class ReplacementError(RaftLeaderError):
    """A lost node could not be replaced; says at which step, and what was answered."""


def why_fixed(cluster: Cluster, node: str) -> str | None:
    """Why the members of this cluster cannot be changed; None if they can."""
    engine = _value_of(cluster.node(node).arguments, "--engine") or "raft"
    if engine == "pysyncobj":
        return f"the members of the engine {engine} are fixed"
    if len(cluster.leaders) < 3:
        return "without this node no majority is left that could replace it"
    return None


def peer_address(cluster: Cluster, node: str) -> str:
    """``tcp://HOST:PORT`` where its peers reach it. Raises ImpossibleError."""
    arguments = cluster.node(node).arguments
    for flag, value in pairwise(arguments):
        name, _, address = value.partition("=")
        if flag == "--peer" and name == node:
            return address
    raise ImpossibleError(f"{node} was started without --peer {node}=...")


async def replace(cluster: Cluster, disk: NodeDisk) -> Mapping[str, Any]:
    """Replace a node that is held, and release it; how many seconds that took.

    Raises ReplacementError after ``WITHIN_S``. If it fails or is cancelled the node is
    dead, and stays held: it must not come back by itself.
    """
    node, began = disk.node, trio.current_time()
    added = {"id": node, "address": peer_address(cluster, node)}
    arguments = cluster.node(node).arguments
    usual = list(arguments)
    steps = _Steps(cluster=cluster)
    is_started = is_replaced = False
    try:
        with trio.move_on_after(WITHIN_S):
            await kill(cluster, [node])
            await steps.take("remove", node)
            await disk.renew()
            arguments.append(JOIN)
            is_started = True
            cluster.release(node)
            await steps.take("add", added)
            await steps.take("promote", node)
            is_replaced = True
    finally:
        arguments[:] = usual
        if is_started and not is_replaced:
            cluster.hold(node)
            with trio.CancelScope(shield=True):
                await kill(cluster, [node])
    if not is_replaced:
        raise ReplacementError(f"{node} not replaced in {WITHIN_S:g} s; {steps.last}")
    return {"replaced_in_s": round(trio.current_time() - began, 3)}


@attrs.define(kw_only=True)
class _Steps:
    """``last``: what was said last."""

    cluster: Cluster
    last: str = "no step was taken"

    async def take(self, step: str, change: object) -> None:
        """Ask until it is done."""
        while True:
            try:
                await self.cluster.client.post(
                    PATH, {step: change}, answer_s=_ANSWER_WITHIN_S
                )
                return
            except RaftLeaderError as error:
                self.last = f"{step}: {error}"
                # Where the answer was lost, repeating it says that it is done.
                if _DONE[step] in self.last:
                    return
            await trio.sleep(PAUSE_S)


def _value_of(arguments: list[str], flag: str) -> str | None:
    for name, value in pairwise(arguments):
        if name == flag:
            return value
    return None
