"""What libfaketime leaves on the machine, removed by the very process that has it.

It makes a semaphore and a piece of shared memory, named by the process' number, for the
children that the process may have; they stay when it is killed, and get in the way of
the next process of that number. Nodes need neither: their children get clean
environments.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

SHARED_VARIABLE = "FAKETIME_SHARED"
"""libfaketime sets it in its own process: ``/faketime_sem_17 /faketime_shm_17``."""
_FOLDER = Path("/dev/shm")


def unlink_shared_memory(
    environment: MutableMapping[str, str] = os.environ, folder: Path = _FOLDER
) -> None:
    """To be called once, early in the life of a process; nothing happens where no clock
    is faked. The process itself keeps what it has open."""
    for name in environment.pop(SHARED_VARIABLE, "").split():
        plain = name.removeprefix("/")
        # A semaphore is a file, too.
        for file in (plain, f"sem.{plain}"):
            with suppress(OSError):
                (folder / Path(file).name).unlink()
