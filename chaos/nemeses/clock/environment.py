"""Processes whose clock we can change: how they are started, and what changes it.

libfaketime, preloaded, adds to the wall clock what stands in a file that it reads at
each look. The monotonic clock is the true one then, so timers go on as ever. (A process
so started must not call ``time.sleep``, which fails in it; ours do not, and agents give
their tasks another environment.)

For a *drift* it is started otherwise: all its clocks then run at another rate, which
stands in the file, from the start of the process on. Its monotonic clock begins at
another value, so nothing that it writes down by that clock can be compared with what
others do; ``chaos.observation.clock`` can. (And a thread that waits for a lock
with a time limit waits for ever: no node does.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from chaos.disks.preload import PRELOAD
from chaos.live.seams import Cluster, ImpossibleError
from chaos.machine.tools import faketime_library

FILE_VARIABLE = "FAKETIME_TIMESTAMP_FILE"
WALL_ONLY_VARIABLE = "FAKETIME_DONT_FAKE_MONOTONIC"
THREADS_VARIABLE = "FAKETIME_FORCE_MONOTONIC_FIX"
"""How threads wait on the monotonic clock. It must be 0 where that clock is the true
one: else a call in a thread takes 20-30 ms instead of 0.1 ms, and a loaded node misses
its heartbeats; and 1 where it is not. libfaketime's own guess is 1."""
TRUE_TIME = "+0"
_FILE = "faketime"


def clock_environment(folder: Path) -> dict[str, str]:
    """For a node whose folder that is: a true clock that can be changed later. Empty
    where there is no libfaketime. Makes the file."""
    library = faketime_library()
    if library is None:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _FILE
    write_offset(file, TRUE_TIME)
    return {
        PRELOAD: str(library),
        FILE_VARIABLE: str(file),
        WALL_ONLY_VARIABLE: "1",
        THREADS_VARIABLE: "0",
        "FAKETIME_NO_CACHE": "1",
        # Times of files are those of the disk, whatever the clock says.
        "NO_FAKE_STAT": "1",
    }


def offset_file(cluster: Cluster, node: str) -> Path:
    """Where that node's libfaketime looks. Raises ImpossibleError if it has none."""
    environment: Mapping[str, str] = cluster.node(node).environment
    try:
        return Path(environment[FILE_VARIABLE])
    except KeyError:
        raise ImpossibleError(
            f"{node} was not started with a clock that can be changed"
        ) from None


def write_offset(file: Path, text: str) -> None:
    """What libfaketime takes, e.g. ``+3600``: whole at any moment that it looks."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.draft")
    draft.write_text(f"{text}\n")
    draft.replace(file)
