"""Runs one seed of the whole level."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from chaos.sim.options import Options, draw_options
from chaos.sim.report import Report
from chaos.sim.whole.determinism import run_deterministically
from chaos.sim.whole.engines import engine_named, faults_of
from chaos.sim.whole.history import gathered_log
from chaos.sim.whole.judging import make_report
from chaos.sim.whole.node import Timeouts
from chaos.sim.whole.world import LIVENESS_S, World
from chaos.zoo.mutants import planted
from raftleader.node import Engine

HEARTBEAT_S_MIN = 0.2


def simulate_whole(
    seed: int,
    *,
    seconds: float = 60.0,
    engine: str = "raft",
    trace: Callable[[str], object] | None = None,
    mutant: str | None = None,
) -> Report:
    """Run the cluster that ``seed`` gives, and judge it.

    Faults take the first part of ``seconds`` of virtual time. Then the cluster must
    finish everything, which ends the run sooner or later than the seconds say.
    ``trace`` is given a line for all that happens; ``mutant`` names a bug to be planted
    meanwhile (``chaos.zoo.mutants``). Raises ConfigError for an engine
    or a mutant that does not exist; nothing for what the cluster does wrong.
    """
    chosen = engine_named(engine)
    options = draw_options(
        seed, level="whole", seconds=seconds, available=faults_of(chosen), work=()
    )
    # Heartbeats are most of what a quiet group says, and here they cost real time.
    heartbeat_s = max(options.heartbeat_s, HEARTBEAT_S_MIN)
    options = attrs.evolve(options, heartbeat_s=heartbeat_s)
    with planted(mutant):
        return run_options(options, engine=chosen, trace=trace)


def run_options(
    options: Options,
    *,
    engine: Engine = Engine.RAFT,
    trace: Callable[[str], object] | None = None,
    timeouts: Timeouts | None = None,
    liveness_s: float = LIVENESS_S,
) -> Report:
    """Run a cluster with these options, and judge it."""
    with _directory() as directory:
        world = World(
            options,
            engine=engine,
            directory=directory,
            timeouts=timeouts or Timeouts(),
            liveness_s=liveness_s,
            sink=trace,
        )
        with gathered_log(world.history):
            run_deterministically(world.run, options.seed, world.clock)
    return make_report(world, engine)


@contextmanager
def _directory() -> Iterator[Path]:
    """For the agents' files: in memory where the system has such a place."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulated-", dir=parent) as name:
        yield Path(name)
