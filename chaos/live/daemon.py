"""What the nodes of a run execute instead of ``raftleader leader`` and ``raftleader
agent``: ``python -P -m chaos.live.daemon leader|agent ...``, with the same options.

They are the same programs, watched from within as these variables say. They are read
here and nowhere else: whoever starts a node by ``raftleader`` cannot be hurt by them.

* ``RAFTLEADER_CHAOS_RECORD=DIR/applied``: a leader node writes its applied log
  (``chaos.observation``) to ``DIR/applied-1.rec``, in its next life to ``-2.rec``.
* ``RAFTLEADER_CHAOS_CRASH=POINT[:N]``: SIGKILL to itself the N-th time that it passes
  the point (``chaos.live.crash_points``).
* ``RAFTLEADER_CHAOS_CRASH_FILE=FILE``: on SIGUSR2 arm what stands in the file.
* ``RAFTLEADER_CHAOS_MUTANT=NAME``: plant a bug of the zoo (``chaos.zoo.mutants``), for
  the life of the process.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from contextlib import AbstractContextManager
from typing import Any

from chaos.live.crash_points import CrashPoints
from chaos.live.variables import MUTANT_VARIABLE
from chaos.nemeses.clock.shared_memory import unlink_shared_memory
from raftleader.cli.exit_codes import EXIT_USAGE
from raftleader.errors import ConfigError


def main() -> None:
    """The command line of a node; leaves with its exit code."""
    unlink_shared_memory()
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    points = CrashPoints()
    try:
        points.arm_from(os.environ)
        if kind == "leader":
            _observe_leader(points)
        elif kind == "agent":
            _observe_agent(points)
        planted = _mutant(os.environ.get(MUTANT_VARIABLE, ""))
    except ConfigError as error:
        print(f"raftleader: {error}", file=sys.stderr)  # noqa: T201 - as commands do
        sys.exit(EXIT_USAGE)
    from raftleader.cli.main import main as run

    with planted:
        run()


def _observe_leader(points: CrashPoints) -> None:
    from chaos.live.observed import ObservedNode

    node = ObservedNode.of(points, os.environ)
    _replace("raftleader.cli.daemon_leader", "run_node", node.run)


def _observe_agent(points: CrashPoints) -> None:
    from chaos.live.agent_points import plant_agent_points

    plant_agent_points(points)


def _replace(module: str, name: str, value: object) -> None:
    """Put something in the place of what a module has under this name."""
    owner = importlib.import_module(module)
    assert hasattr(owner, name), f"{module} has no {name}"
    setattr(owner, name, value)


def _mutant(name: str) -> AbstractContextManager[Any]:
    """The bug, planted while the context lasts. Raises ConfigError for an unknown
    name."""
    if not name:
        return contextlib.nullcontext()
    mutants = importlib.import_module("chaos.zoo.mutants")
    planted: AbstractContextManager[Any] = mutants.planted(name)
    return planted


if __name__ == "__main__":
    main()
