"""A process that may open hardly any file or connection more."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import attrs
import psutil

from chaos.live.faults import Fault, Injection
from chaos.live.seams import ImpossibleError, World, Wound
from chaos.nemeses.process.victims import living_victims
from chaos.nemeses.wounds import Undone

SPARE_MAX = 3
"""Descriptors that are left: none at all, or a few that are used up at once."""


@attrs.frozen
class DescriptorShortage:
    """``descriptors``: the soft limit of RLIMIT_NOFILE of a running process is lowered
    to what it has open, and a few. What is open stays open."""

    faults: frozenset[Fault] = frozenset({Fault.DESCRIPTORS})

    def missing(self, fault: Fault) -> str | None:
        """See ``Nemesis``."""
        if not hasattr(psutil.Process, "rlimit"):
            return "no prlimit: this takes Linux"
        return None

    async def inject(self, injection: Injection, world: World) -> Wound:
        """See ``Nemesis``."""
        pids = await living_victims(injection, world.cluster)
        spare = random.Random(injection.seed).randint(0, SPARE_MAX)
        limits: dict[str, int] = {}
        with ExitStack() as undo:
            for name, pid in pids.items():
                limits[name] = _lower(pid, spare, undo)
            return Undone(
                targets=tuple(pids),
                means="prlimit",
                undo=undo.pop_all(),
                detail={"limits": limits, "spare": spare},
            )


def _lower(pid: int, spare: int, undo: ExitStack) -> int:
    try:
        process = psutil.Process(pid)
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        limit = min(soft, _highest_descriptor(pid) + 1 + spare)
        process.rlimit(psutil.RLIMIT_NOFILE, (limit, hard))
    except (psutil.Error, OSError) as error:
        raise ImpossibleError(f"prlimit of process {pid}: {error}") from error
    undo.callback(_raise_again, process, (soft, hard))
    return limit


def _highest_descriptor(pid: int) -> int:
    """The limit is on numbers, not on how many are open."""
    numbers = (int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
    return max(numbers, default=0)


def _raise_again(process: psutil.Process, limits: tuple[int, int]) -> None:
    try:
        if process.is_running():  # and no other has its number now
            process.rlimit(psutil.RLIMIT_NOFILE, limits)
    except psutil.NoSuchProcess:
        pass  # it died of it, and its next life has its own limits
