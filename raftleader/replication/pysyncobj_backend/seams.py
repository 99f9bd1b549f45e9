"""The library's ties to the process, cut in one place.

They are globals of its modules, so this holds for every PySyncObj in the process:

* its clock is ``trio.current_time``, which a ``MockClock`` can drive;
* it draws no randomness: ``guards.py`` gives each node a generator of its own;
* it opens no journal, no poller and no pipe of its own choosing;
* nothing in it pickles or unpickles: a pickle from the network is code execution.
"""

from __future__ import annotations

from typing import Any, NoReturn

import pysyncobj.journal
import pysyncobj.pickle
import pysyncobj.syncobj
import trio


class _NoPoller:
    """The links are trio's; the library has nothing to poll."""

    def poll(self, timeout: float) -> None: ...

    def subscribe(self, *_: object) -> None: ...

    def unsubscribe(self, *_: object) -> None: ...


class _NoRandom:
    """Stands where the library's ``random`` module was."""

    def random(self) -> NoReturn:
        raise AssertionError("PySyncObj drew a random number behind our back")


def _refuse_pickle(*_: object, **__: object) -> NoReturn:
    raise AssertionError("PySyncObj reached for pickle")


def _given_journal(journal: Any) -> Any:
    """``SyncObjConf.journalFile`` is the journal itself, already open."""
    return journal


def install() -> None:
    """Cut the ties. Idempotent; called once when the backend is imported."""
    library = pysyncobj.syncobj
    library.monotonicTime = trio.current_time
    library.random = _NoRandom()
    library.createJournal = _given_journal
    library.createPoller = lambda _kind: _NoPoller()
    library.PIPE_NOTIFIER_ENABLED = False
    for module in (pysyncobj.pickle, pysyncobj.journal):
        for name in ("load", "loads", "dump", "dumps"):
            setattr(module, name, _refuse_pickle)
