"""A process that kills itself at a named place of its code."""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.live.crash_points import agent_points, arm, leader_points
from chaos.live.faults import Fault, Injection
from chaos.live.seams import Cluster, ImpossibleError, World, Wound
from chaos.nemeses.log_marks import LogMark
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import HealedBy

CRASHED = ("crash point ",)
"""How a node says that it is about to kill itself."""
BUSY_ENGINE_POINTS = (
    "before-sync",
    "after-sync",
    "before-send",
    "after-send",
    "before-apply",
    "after-apply",
)
"""Passed many times a second; the others once in a while."""
BUSY_PASSES_MAX = 20
BUSY_COMMANDS = (
    "AcceptOffers",
    "GrantOffers",
    "DeclineOffers",
    "UpdateTasks",
    "AcknowledgeUpdate",
)
BUSY_PLACES = ("checkpoint", "launch", "exit", "update", "committed")
"""Of an agent, whenever it runs a task; the others when it connects anew."""
BUSY_PLACES_SHARE = 0.8
BUSY_SHARE = 0.6
"""Of injections that use a point that is passed all the time."""
COMMAND_SHARE = 0.25


@attrs.frozen
class CrashPointArming:
    """``crash-point`` and ``agent-crash-point``: one point is armed in each victim, and
    disarmed again when the fault is healed. Whether it was passed is in the detail of
    the healing: ``crashed`` names those that died of it. They are started again as
    after any death."""

    faults: frozenset[Fault] = frozenset({Fault.CRASH_POINT, Fault.AGENT_CRASH_POINT})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        pids = await living_victims(injection, cluster)
        rng = random.Random(f"point {injection.seed}")
        points: dict[str, str] = {}
        marks: dict[str, LogMark] = {}
        if young := [name for name, pid in pids.items() if not _is_listening(pid)]:
            raise ImpossibleError(f"just started: {', '.join(young)}")
        with ExitStack() as undo:
            for name, pid in pids.items():
                points[name] = draw_point(rng, injection.fault, _engine(cluster, name))
                marks[name] = LogMark.at_end(cluster.node(name).log_file)
                undo.callback(_disarm, cluster, name, pid)
                arm(cluster, name, points[name])
            kept = undo.pop_all()

        async def heal() -> Mapping[str, Any]:
            kept.close()
            await trio.lowlevel.checkpoint()
            said = {name: mark.line_with(CRASHED) for name, mark in marks.items()}
            return {"crashed": sorted(name for name, line in said.items() if line)}

        return HealedBy(
            targets=tuple(pids),
            means="SIGKILL to itself",
            detail={"points": points},
            healing=heal,
        )


def _is_listening(pid: int) -> bool:
    """Whether SIGUSR2 is caught: a process that has just begun would die of it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    caught = next(
        (line for line in status.splitlines() if line.startswith("SigCgt:")), ":0"
    )
    return bool(int(caught.partition(":")[2], 16) >> (signal.SIGUSR2 - 1) & 1)


def _disarm(cluster: Cluster, name: str, pid: int) -> None:
    if cluster.pid(name) == pid:  # another life has nothing armed
        arm(cluster, name, "")


def _engine(cluster: Cluster, name: str) -> str:
    arguments = cluster.node(name).arguments
    if "--engine" not in arguments:
        return "raft"
    return arguments[arguments.index("--engine") + 1]


def draw_point(rng: random.Random, fault: Fault, engine: str) -> str:
    """``POINT:N``, mostly one that is passed soon."""
    if fault is Fault.AGENT_CRASH_POINT:
        points = agent_points()
        busy = [point for point in points if point.split(":")[1] in BUSY_PLACES]
        chosen = busy if rng.random() < BUSY_PLACES_SHARE else points
        return f"{rng.choice(chosen)}:{rng.randint(1, 2)}"
    points = leader_points()
    commands = [point for point in points if point.startswith("apply:")]
    chance = rng.random()
    if chance < BUSY_SHARE and engine == "raft":
        return f"{rng.choice(BUSY_ENGINE_POINTS)}:{rng.randint(1, BUSY_PASSES_MAX)}"
    if chance < BUSY_SHARE + COMMAND_SHARE or engine != "raft":
        busy = [point for point in commands if point.split(":")[1] in BUSY_COMMANDS]
        return f"{rng.choice(busy or commands)}:{rng.randint(1, 5)}"
    return f"{rng.choice(points)}:1"
