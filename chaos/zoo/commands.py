"""``raftleader chaos zoo``, apart from the parser."""

from __future__ import annotations

import os
from collections.abc import Sequence

import attrs
import trio

from chaos.machine.capabilities import Machine, probe
from chaos.zoo.catalog import BY_NAME, MUTANTS
from chaos.zoo.entry import Hunt, Level, Mutant
from chaos.zoo.hunting import Found, hunt_for
from chaos.zoo.measured import Measured, keep, kept, starts
from chaos.zoo.mutants import unknown
from chaos.zoo.showing import Left, Result, show
from raftleader.cli.exit_codes import EXIT_USAGE
from raftleader.cli.measured_cluster import Bar, progress_bar
from raftleader.cli.output import Output
from raftleader.cli.serve import run_until_ended
from raftleader.errors import ConfigError

START_MAX = 2**61
TRIES_MAX = 100_000
ORDER = (Level.WHOLE, Level.FAST, Level.SCENARIO, Level.LIVE)
"""What takes longest begins first; real processes are alone at the end."""
NOT_ASKED = "real processes were not asked for: --live"


@attrs.frozen(kw_only=True)
class ZooRequest:
    """The arguments, as they were typed.

    Attributes:
        mutant: This one only.
        tries: Seeds after which a hunt is given up; None as the catalogue says.
        jobs: Simulations at the same time.
        start: The first seed.
        has_live: Real processes too.
        is_measuring: Several series of seeds each; what they took is kept.
    """

    mutant: str | None = None
    tries: int | None = None
    jobs: int | None = None
    start: int = 1
    has_live: bool = False
    is_measuring: bool = False

    def mutants(self) -> Sequence[Mutant]:
        """Those that are meant. Raises ConfigError."""
        if self.tries is not None and not 1 <= self.tries <= TRIES_MAX:
            raise ConfigError(f"--tries: expected 1 to {TRIES_MAX}")
        if not 0 <= self.start <= START_MAX:
            raise ConfigError(f"--start: expected 0 to {START_MAX}")
        if self.mutant is None:
            return MUTANTS
        if self.mutant not in BY_NAME:
            raise ConfigError(
                f"--mutant {self.mutant}: {unknown(self.mutant, BY_NAME)}"
            )
        return (BY_NAME[self.mutant],)


@attrs.frozen(kw_only=True)
class _Job:
    mutant: Mutant
    hunt: Hunt
    start: int
    tries: int


async def run_zoo(request: ZooRequest, output: Output) -> int:
    """Hunt them all, and show who caught what; the exit code.

    On a signal, what was done until then is shown, and said to be partial.
    """
    machine = probe() if request.has_live else None
    jobs, left = plan(request, machine)
    for one in left:
        output.note(f"not run: {one.mutant.name}, {one.hunt.level.value}: {one.why}")
    if not jobs:
        output.note("nothing is left to be run")
        return EXIT_USAGE
    found: list[Found] = []
    is_complete = False

    async def run() -> None:
        nonlocal is_complete
        with progress_bar(output, "hunts", len(jobs)) as bar:
            pack = _Pack(found, bar)
            simulated = [one for one in jobs if one.hunt.level is not Level.LIVE]
            live = [one for one in jobs if one.hunt.level is Level.LIVE]
            await pack.run(simulated, request.jobs or len(os.sched_getaffinity(0)))
            await pack.run(live, 1)
        is_complete = True

    signal_code = await run_until_ended(run)
    measured = kept()
    if request.is_measuring and is_complete:
        measured |= measured_of(jobs, found)
        keep(measured, MUTANTS)
    result = Result(
        found=sorted(found, key=_place),
        left=left,
        measured=measured,
        start=request.start,
        is_complete=is_complete and not signal_code,
    )
    show(result, output)
    return result.exit_code


def plan(request: ZooRequest, machine: Machine | None) -> tuple[list[_Job], list[Left]]:
    """What is to be run, what takes longest first; and what is left out, and why.

    Without a ``machine`` nothing is run on real processes. Raises ConfigError."""
    jobs: list[_Job] = []
    left: list[Left] = []
    for mutant in request.mutants():
        for one in mutant.hunts:
            why = _why_not(one, machine)
            if why is not None:
                left.append(Left(mutant=mutant, hunt=one, why=why))
                continue
            tries = request.tries or one.tries
            firsts = starts(one) if request.is_measuring else [request.start]
            jobs += [
                _Job(mutant=mutant, hunt=one, start=first, tries=tries)
                for first in firsts
            ]
    jobs.sort(key=lambda job: ORDER.index(job.hunt.level))
    return jobs, left


def _why_not(hunt: Hunt, machine: Machine | None) -> str | None:
    if hunt.live is None:
        return None
    if machine is None:
        return NOT_ASKED
    return machine.missing(*hunt.live.needs)


def measured_of(
    jobs: Sequence[_Job], found: Sequence[Found]
) -> dict[tuple[str, Level], Measured]:
    """What the series took, by mutant and level, in the order of their first seeds."""
    tries = {(job.mutant.name, job.hunt.level): job.tries for job in jobs}
    return {
        (name, level): Measured(
            mutant=name,
            level=level.value,
            took=tuple(
                one.took if one.is_caught else None
                for one in sorted(found, key=lambda one: one.start)
                if (one.mutant.name, one.hunt.level) == (name, level)
            ),
            tries=most,
        )
        for (name, level), most in tries.items()
    }


@attrs.define
class _Pack:
    """Runs hunts side by side; each goes through its seeds by itself."""

    found: list[Found]
    bar: Bar

    async def run(self, jobs: Sequence[_Job], count: int) -> None:
        waiting = iter(jobs)

        async def go_on() -> None:
            for job in waiting:
                await self._hunt(job)

        async with trio.open_nursery() as nursery:
            for _ in range(min(count, len(jobs))):
                nursery.start_soon(go_on)

    async def _hunt(self, job: _Job) -> None:
        name, bar = job.mutant.name, self.bar

        def tried(count: int) -> None:
            bar.show(len(self.found), f"{name}: {count} of {job.tries}")

        found = await hunt_for(
            job.mutant, job.hunt, start=job.start, tries=job.tries, tried=tried
        )
        self.found.append(found)
        bar.show(len(self.found), name)
        if not found.is_caught:
            problem = f": {found.problem}" if found.problem else ""
            bar.say(
                f"not caught: {name}, {job.hunt.level.value}, seeds {job.start} to"
                f" {job.start + job.tries - 1}{problem}"
            )


def _place(found: Found) -> tuple[int, int, int]:
    """In the order of the catalogue."""
    mutant = found.mutant
    return (MUTANTS.index(mutant), mutant.hunts.index(found.hunt), found.start)
