"""Looks for one mutant, seed after seed, until a checker that should name it does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import msgspec
import trio

from chaos.results import Verdict
from chaos.sim import runner
from chaos.sim.levels import Simulation
from chaos.sim.report import Report, Violation
from chaos.zoo.entry import Hunt, Level, LiveRun, Mutant
from raftleader.cli.local_process import child_environment

SEED_S_MAX = 120.0
"""Real time for a seed of the simulator: what has no end is not what was looked for."""
LIVE_EXTRA_S_MAX = 300.0
"""Beside its faults: a run starts, heals, settles and is judged."""
STOCK = "chaos.zoo.stock.simulate:simulate_stock"

Tried = Callable[[int], object]
"""Told how many seeds were tried, after each."""
Judged = tuple[list[dict[str, Any]], str]
"""What each checker of a live run said; and why there is nothing of that."""
RunLive = Callable[[Sequence[str], LiveRun], Awaitable[Judged]]
"""Carries out ``raftleader chaos live`` with these arguments."""


@attrs.frozen(kw_only=True)
class Found:
    """What became of a hunt.

    Attributes:
        start: The first seed.
        seed: The one with which it was caught; None: it was not.
        took: How many seeds were tried.
        checker, message: Who caught it, and what was said first.
        command: Repeats what caught it.
        problem: Why it was not caught, if there is more to say than that.
    """

    mutant: Mutant
    hunt: Hunt
    start: int
    took: int
    wall_s: float
    seed: int | None = None
    checker: str = ""
    message: str = ""
    command: str = ""
    problem: str = ""

    @property
    def is_caught(self) -> bool:
        return self.seed is not None

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "mutant": self.mutant.name,
            "promise": self.mutant.promise,
            "rule": self.mutant.rule,
            "level": self.hunt.level.value,
            "engine": self.hunt.engine,
            "caught": self.is_caught,
            "checker": self.checker,
            "seed": self.seed,
            "seeds_taken": self.took,
            "message": self.message,
            "command": self.command,
            "problem": self.problem,
            "wall_s": round(self.wall_s, 1),
        }


async def hunt_for(
    mutant: Mutant,
    hunt: Hunt,
    *,
    start: int,
    tries: int,
    tried: Tried = lambda count: None,
    run_live: RunLive | None = None,
) -> Found:
    """Try the seeds from ``start`` on, one after the other, ``tries`` at most.

    Cancelling ends all processes. Raises WorkerBrokenError if a simulation cannot
    even be started.
    """
    if hunt.live is not None:
        run = run_live or run_process
        return await _hunt_live(mutant, hunt, hunt.live, start, tries, tried, run)
    return await _hunt_simulated(mutant, hunt, start, tries, tried)


def simulation_of(mutant: Mutant, hunt: Hunt) -> Simulation:
    """What is simulated in this hunt."""
    function = STOCK if hunt.level is Level.SCENARIO else ""
    return Simulation(
        level=hunt.level.value,
        engine=hunt.engine,
        mutant=mutant.name,
        function=function,
    )


def caught_by(report: Report, hunt: Hunt) -> Violation | None:
    """The first thing that a checker said whose business it is."""
    return next(
        (one for one in report.violations if one.checker in hunt.checkers), None
    )


async def _hunt_simulated(
    mutant: Mutant, hunt: Hunt, start: int, tries: int, tried: Tried
) -> Found:
    simulation = simulation_of(mutant, hunt)
    campaign = runner.Campaign(
        simulation=simulation,
        seeds=range(start, start + tries),
        jobs=1,
        seed_s_max=SEED_S_MAX,
    )
    began_s = time.perf_counter()
    took = 0
    caught: Violation | None = None
    with trio.CancelScope() as scope:

        def note(judged: runner.Judged) -> None:
            nonlocal took, caught
            took += 1
            tried(took)
            caught = caught_by(judged.report, hunt)
            if caught is not None:
                scope.cancel()

        await runner.run_campaign(campaign, note)
    wall_s = time.perf_counter() - began_s
    if caught is None:
        return Found(mutant=mutant, hunt=hunt, start=start, took=took, wall_s=wall_s)
    words = ["raftleader chaos replay", str(caught.seed), *simulation.arguments()]
    if hunt.level is Level.SCENARIO:
        words = [f"raftleader chaos zoo --mutant {mutant.name} --start {caught.seed}"]
    return Found(
        mutant=mutant,
        hunt=hunt,
        start=start,
        took=took,
        wall_s=wall_s,
        seed=caught.seed,
        checker=caught.checker,
        message=caught.message,
        command=" ".join(words),
    )


def live_arguments(mutant: Mutant, run: LiveRun, seed: int) -> list[str]:
    """Of ``raftleader chaos live``."""
    return [
        *("--seed", str(seed), "--for", f"{run.for_s:g}s", "--faults", run.faults),
        *("--workload", run.workload, "--leaders", str(run.leaders)),
        *("--agents", str(run.agents), "--disks", run.disks),
        *("--mutant", mutant.name),
    ]


async def _hunt_live(
    mutant: Mutant,
    hunt: Hunt,
    run: LiveRun,
    start: int,
    tries: int,
    tried: Tried,
    run_live: RunLive,
) -> Found:
    began_s = time.perf_counter()
    problems: list[str] = []
    took = 0
    for seed in range(start, start + tries):
        took += 1
        arguments = live_arguments(mutant, run, seed)
        judged, problem = await run_live(arguments, run)
        tried(took)
        for result in judged:
            is_invalid = result["verdict"] == Verdict.INVALID.value
            if is_invalid and result["checker"] in hunt.checkers:
                return Found(
                    mutant=mutant,
                    hunt=hunt,
                    start=start,
                    took=took,
                    wall_s=time.perf_counter() - began_s,
                    seed=seed,
                    checker=result["checker"],
                    message=next((one["text"] for one in result["problems"]), ""),
                    command=" ".join(["raftleader chaos live", *arguments]),
                )
        problems += [problem] if problem else []
    return Found(
        mutant=mutant,
        hunt=hunt,
        start=start,
        took=took,
        wall_s=time.perf_counter() - began_s,
        problem="; ".join(dict.fromkeys(problems)),
    )


async def run_process(arguments: Sequence[str], run: LiveRun) -> Judged:
    """One run as a process of its own."""
    command = [sys.executable, "-P", "-m", "raftleader", "chaos", "live"]
    with trio.move_on_after(run.for_s + LIVE_EXTRA_S_MAX):
        done = await trio.run_process(
            [*command, *arguments, "--json"],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=child_environment(),
            # Ctrl-C in a terminal is for us alone: we end the run.
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        try:
            document = msgspec.json.decode(done.stdout)
            results: list[dict[str, Any]] = document["results"]
        except (msgspec.DecodeError, KeyError):
            lines = done.stderr.decode(errors="replace").splitlines()
            return [], f"exit code {done.returncode}: {' '.join(lines[-1:])}"
        return results, ""
    return [], "it had no end"
