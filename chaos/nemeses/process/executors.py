"""SIGKILL of what an agent runs: tasks and executors, behind the agent's back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import psutil
import trio

from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.nemeses.wounds import HealedBy

SANDBOX = "MESOS_SANDBOX"
"""In the environment of everything an agent runs: the folder of the task."""
FIND_WITHIN_S = 6.0
"""Tasks come and go: for so long there may be none."""
POLL_INTERVAL_S = 0.05


@attrs.frozen
class _Running:
    """A process that an agent runs."""

    process: psutil.Process
    agent: str
    sandbox: str


@attrs.frozen
class ExecutorKilling:
    """``executor-kill``: one process of a task or an executor of an agent, or of each
    of all agents, dies. Over at once; the agent must notice, and tell."""

    faults: frozenset[Fault] = frozenset({Fault.EXECUTOR_KILL})
    find_within_s: float = FIND_WITHIN_S

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        cluster = world.cluster
        folders = {
            name: folder
            for name in cluster.agents
            if (folder := cluster.node(name).data_dir) is not None
        }
        rng = random.Random(injection.seed)
        killed: dict[str, dict[str, Any]] = {}
        with trio.move_on_after(self.find_within_s):
            while not killed:
                found = _running_below(folders)
                chosen = _choose(rng, found, is_all=injection.target is Target.ALL)
                for one in chosen:
                    with suppress(psutil.NoSuchProcess):
                        command = " ".join(one.process.cmdline())[:80]
                        one.process.kill()
                        killed[one.agent] = {
                            "pid": one.process.pid,
                            "command": command,
                            "sandbox": one.sandbox,
                        }
                await trio.sleep(0.0 if killed else POLL_INTERVAL_S)
        if not killed:
            raise ImpossibleError(f"no agent ran a task for {self.find_within_s:g} s")
        return HealedBy(
            targets=tuple(killed),
            means="SIGKILL",
            detail={"killed": killed},
            healing=_nothing,
        )


async def _nothing() -> Mapping[str, Any]:
    await trio.lowlevel.checkpoint()
    return {}


def _choose(
    rng: random.Random, found: Iterable[_Running], *, is_all: bool
) -> list[_Running]:
    by_agent: dict[str, list[_Running]] = {}
    for one in found:
        by_agent.setdefault(one.agent, []).append(one)
    agents = sorted(by_agent)
    if agents and not is_all:
        agents = [rng.choice(agents)]
    return [rng.choice(by_agent[agent]) for agent in agents]


def _running_below(folders: Mapping[str, Path]) -> list[_Running]:
    """Every process with a sandbox in one of these folders, by process id."""
    found: list[_Running] = []
    for process in psutil.process_iter():
        try:
            sandbox = process.environ().get(SANDBOX)
        except (psutil.Error, OSError):
            continue  # it has ended, or is another user's and so none of ours
        for agent, folder in folders.items():
            if sandbox and Path(sandbox).is_relative_to(folder):
                below = str(Path(sandbox).relative_to(folder))
                found.append(_Running(process, agent, below))
    return found
