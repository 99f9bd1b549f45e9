"""Plants mutants: in a simulation, or in a process of a live run.

Each takes one rule out of the real code. A suite that does not find them would not find
the like of them. They stand in modules of their own, by the part of the house they
change, of which only the one that is needed is imported.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from chaos.zoo.patch import Patch, put
from raftleader.errors import ConfigError

_MODULES = {
    "of_consensus": (
        "truncate-unconditionally",
        "forget-the-vote",
        "count-old-term-entries",
        "skip-the-term-check",
        "commit-beyond-match",
        "read-without-barrier",
        "take-any-directory",
    ),
    "of_disk": (
        "acknowledge-before-sync",
        "never-sync",
        "believe-a-torn-journal",
        "leave-the-directory-unsynced",
        "apply-twice",
        "snapshot-without-filters",
    ),
    "of_state": (
        "drop-an-offer",
        "restart-deadlines",
        "forget-an-accept",
        "offer-twice",
        "acknowledge-any-update",
        "ids-from-a-counter",
    ),
    "of_leader": (
        "answer-before-commit",
        "read-from-anyone",
        "trust-the-wall-clock",
        "greet-without-offers",
        "greet-without-updates",
    ),
    "of_agent": (
        "relaunch-finished-task",
        "start-before-it-is-written",
        "forget-the-checkpoint-sync",
        "obey-old-orders",
        "say-updates-once",
    ),
    "of_pysyncobj": (
        "pysyncobj-truncates",
        "pysyncobj-syncs-late",
    ),
}

MODULES: Mapping[str, str] = MappingProxyType(
    {name: module for module, names in _MODULES.items() for name in names}
)
"""The module of each mutant, by the name under which ``--mutant`` plants it."""


def require_mutant(name: str) -> None:
    """Raises ConfigError, which names mutants like it, if there is none."""
    if name not in MODULES:
        raise ConfigError(f"--mutant {name}: {unknown(name, MODULES)}")


def patches_of(name: str) -> tuple[Patch, ...]:
    """What has to be put in place. Raises ConfigError that names mutants like it."""
    require_mutant(name)
    module = importlib.import_module(f"chaos.zoo.{MODULES[name]}")
    found: tuple[Patch, ...] = module.MUTANTS[name]
    return found


@contextlib.contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Plant the mutant of this name for a while; None plants nothing.

    Raises ConfigError for a name that is none.
    """
    with put(() if name is None else patches_of(name)):
        yield


def unknown(name: str, names: Mapping[str, object]) -> str:
    """That there is none of this name, and which was meant."""
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"there is none of that name; did you mean {' or '.join(near)}?"
    return f"there is none of that name; there are {', '.join(sorted(names))}"
