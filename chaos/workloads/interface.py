"""What every workload is given, and what it must do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol

import attrs
import trio

from chaos.workloads.recorder import Recorder
from chaos.workloads.state_file import StateFile


@attrs.define(kw_only=True)
class Surroundings:
    """What a workload lives in.

    Attributes:
        name: Of the workload; names of its frameworks, tasks and roles contain it.
        leaders: ``HOST:PORT`` of leader nodes.
        life: How often it was started, this start included.
        rng: Chance, from the seed, the name and the life.
        pace: How many times faster than usual it works.
    """

    name: str
    leaders: Sequence[str]
    life: int
    rng: random.Random
    recorder: Recorder
    state: StateFile
    pace: float = 1.0


class Workload(Protocol):
    """Keeps a cluster busy, as long as it is let."""

    async def run(self) -> None:
        """Until cancelled; then what is on its way is given up. Calls that lack a
        leader wait, and do not spin."""

    async def settle(self) -> None:
        """Begin nothing more, and wait until all that was begun has ended and is
        acknowledged. May be called again, also after it was cancelled."""

    def left(self) -> list[dict[str, Any]]:
        """What has not ended: tasks, calls, futures; a line each."""

    def figures(self) -> dict[str, Any]:
        """For the record of its end."""

    async def end(self) -> None:
        """After ``run`` was cancelled: a last word to the cluster, if there must be
        one. Bounded by the caller."""


async def wait_turn(rng: random.Random, per_s: float) -> None:
    """Sleep so that turns come ``per_s`` times a second, at random as arrivals do."""
    await trio.sleep(min(rng.expovariate(per_s), 5 / per_s))
