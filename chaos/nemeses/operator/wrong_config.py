"""A leader node is started with a configuration that cannot be right."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import LiveNode, World, Wound
from chaos.nemeses.log_marks import LogMark
from chaos.nemeses.operator.command_lines import (
    peer_table,
    values_of,
    with_peers,
    with_value,
)
from chaos.nemeses.operator.second_process import SecondProcess
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import HealedBy
from raftleader.cli.local_process import child_environment

STARTED_WITHIN_S = 5.0
REFUSED_WITHIN_S = 10.0
"""Half a second is usual: it looks at its settings and its journal first."""
OTHER_CLUSTER, PORT_IN_USE = "other-cluster", "port-in-use"
NOT_AMONG_PEERS, OTHER_ENGINE = "not-among-peers", "other-engine"
SAYS: Mapping[str, str] = {
    OTHER_CLUSTER: "is of cluster",
    PORT_IN_USE: "is already in use",
    NOT_AMONG_PEERS: "is none of peers",
    OTHER_ENGINE: "was written by the engine",
}
"""The mistakes, and what the node must say of each."""
SERVING = "serving"
"""In the log of a node that listens to the world."""
_OCCUPY = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("occupied", flush=True)
sys.stdin.read()
"""


@attrs.frozen
class WrongConfig:
    """``wrong-config``: a node is stopped and started once with one mistake. It must
    refuse and say why, in the words of ``SAYS``; what it said is in the detail. That it
    served, or ended without these words, is a ``violation``; that it did neither in
    time is a ``problem``. Healed, it is started as it should be."""

    faults: frozenset[Fault] = frozenset({Fault.WRONG_CONFIG})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        [name] = await living_victims(injection, cluster)
        node = cluster.node(name)
        mistake = random.Random(injection.seed).choice(sorted(SAYS))
        arguments = list(node.arguments)
        async with AsyncExitStack() as undo:
            cluster.hold(name)
            undo.callback(cluster.release, name)
            await cluster.stop(name)
            undo.callback(_set_arguments, node, arguments)
            if mistake == PORT_IN_USE:
                occupant = await _occupy(world, node)
                undo.push_async_callback(occupant.end)
            else:
                _set_arguments(node, _mistaken(node, mistake))
            detail = await _start_once(world, node, SAYS[mistake])
            kept = undo.pop_all()

        async def heal() -> Mapping[str, Any]:
            await kept.aclose()
            return _judge(f"{name} with {mistake}", **detail)

        return HealedBy(
            targets=(name,),
            means="restart",
            detail={"mistake": mistake, **detail},
            healing=heal,
        )


def _set_arguments(node: LiveNode, arguments: Sequence[str]) -> None:
    node.arguments[:] = arguments


def _mistaken(node: LiveNode, mistake: str) -> list[str]:
    if mistake == OTHER_CLUSTER:
        return with_value(node.arguments, "--cluster-id", "another-cluster")
    if mistake == OTHER_ENGINE:
        engines = values_of(node.arguments, "--engine")
        other = "raft" if engines == ["pysyncobj"] else "pysyncobj"
        return with_value(node.arguments, "--engine", other)
    peers = peer_table(node.arguments)
    address = peers.pop(node.name)
    return with_peers(node.arguments, {"somebody-else": address, **peers})


async def _occupy(world: World, node: LiveNode) -> SecondProcess:
    """Somebody else listens where the node wants to be reached."""
    [http] = values_of(node.arguments, "--http")
    host, _, port = http.rpartition(":")
    log_file = world.folder / "nemeses" / f"occupant-of-{node.name}"
    log_file.parent.mkdir(exist_ok=True)
    mark = LogMark.at_end(log_file)
    occupant = await SecondProcess.start(
        [
            *world.network.command_prefix(node.name),
            *(sys.executable, "-P", "-c", _OCCUPY, host, port),
        ],
        log_file=log_file,
        environment=child_environment(),
        has_lifeline_flag=False,
    )
    try:
        await mark.wait_line(["occupied"], timeout_s=STARTED_WITHIN_S)
    except BaseException:
        await occupant.end()
        raise
    return occupant


async def _start_once(world: World, node: LiveNode, words: str) -> dict[str, Any]:
    """Let the node, which is dead and held once, have one life, and hold it again:
    what it ``said`` as it refused, whether it has ``ended`` by itself, and whether it
    ``served``."""
    cluster, name = world.cluster, node.name
    mark = LogMark.at_end(node.log_file)
    cluster.release(name)
    try:
        with trio.move_on_after(STARTED_WITHIN_S):
            while True:
                if cluster.pid(name) is not None or mark.line_with([words]):
                    break
                await trio.sleep(0.005)
    finally:
        cluster.hold(name)
    has_ended = False
    with trio.move_on_after(REFUSED_WITHIN_S):
        await cluster.wait_dead(name)
        has_ended = True
    if not has_ended:
        await cluster.stop(name)
    served = bool(mark.line_with([SERVING]))
    return {"said": mark.line_with([words]), "ended": has_ended, "served": served}


def _judge(what: str, *, said: str, ended: bool, served: bool) -> dict[str, str]:
    if served:
        return {"violation": f"{what} was not refused: the node served"}
    if ended and not said:
        return {"violation": f"{what}: the node ended and did not say why"}
    if not ended:
        return {"problem": f"{what}: the node had not refused yet"}
    return {}
