"""``clock-jump``: the wall clock of a node is set, either way, while it runs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.live.faults import Fault, Injection
from chaos.live.seams import World
from chaos.nemeses.clock.environment import TRUE_TIME, offset_file, write_offset
from chaos.nemeses.clock.wound import ClockWound, choose

OFFSETS_S = (1, 30, 600, 3600, 86_400, 30 * 86_400, 10 * 365 * 86_400)
STROBE_S = 0.2
"""Between two jumps of a clock that jumps to and fro."""


@attrs.frozen(kw_only=True)
class ClockJumpNemesis:
    """Each node that is hit jumps by its own amount, either way, and stays there; or it
    jumps to and fro, several times a second. Healing sets it right: another jump.

    What holds: everything, at any number of nodes. Time of the cluster goes on by
    monotonic clocks (docs/architecture.md, "Time").
    """

    why_not: str | None = None

    @property
    def faults(self) -> frozenset[Fault]:
        return frozenset({Fault.CLOCK_JUMP})

    def missing(self, fault: Fault) -> str | None:
        return self.why_not

    async def inject(self, injection: Injection, world: World) -> ClockWound:
        """See ``Nemesis``."""
        targets = await choose(injection, world)
        files = {target: offset_file(world.cluster, target) for target in targets}
        rng = random.Random(f"jump {injection.seed}")
        offsets = {
            target: rng.choice((-1, 1)) * rng.choice(OFFSETS_S) for target in targets
        }
        is_strobe = rng.randrange(3) == 0
        strobe = _Strobe(files=files, offsets=offsets)

        async def mend() -> Mapping[str, Any]:
            strobe.stop()
            for file in files.values():
                write_offset(file, TRUE_TIME)
            return {"jumps": strobe.jumps} if is_strobe else {}

        try:
            strobe.jump()
            if is_strobe:
                # It outlives this call, and nobody waits for it.
                trio.lowlevel.spawn_system_task(strobe.run)
        except BaseException:
            await mend()
            raise
        return ClockWound(
            targets=targets,
            detail={"offsets_s": offsets, "strobe": is_strobe},
            mend=mend,
        )


@attrs.define(kw_only=True)
class _Strobe:
    """Writes offsets and true time in turn until it is stopped."""

    files: Mapping[str, Path]
    offsets: Mapping[str, int]
    jumps: int = 0
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def jump(self) -> None:
        """Raises OSError."""
        for target, file in self.files.items():
            is_away = self.jumps % 2 == 0
            write_offset(file, f"{self.offsets[target]:+d}" if is_away else TRUE_TIME)
        self.jumps += 1

    async def run(self) -> None:
        with self._scope:
            while True:
                await trio.sleep(STROBE_S)
                try:
                    self.jump()
                except OSError:
                    return  # no room, say: the clocks stay where they are

    def stop(self) -> None:
        self._scope.cancel()
