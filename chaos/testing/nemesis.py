"""The ``nemesis`` of a test: what breaks its cluster. Blocking, from any thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from chaos.live.faults import Injection
from chaos.testing.faults import Background, Held
from chaos.testing.portal import Portal
from chaos.testing.session import Session

KILL_S, PAUSE_S, PARTITION_S = 1.0, 2.0, 3.0
"""How long these last if nobody says: a leader is paused for longer than any election
takes, and cut off for long enough to be deposed for certain."""


@attrs.frozen(eq=False, repr=False)
class Injury:
    """A fault that was made.

    It is healed by ``heal``, after the time it was made for, or at the end of the test.
    """

    _portal: Portal[Session]
    _session: Session
    _held: Held

    def __repr__(self) -> str:
        state = "healed" if self.is_healed else "in force"
        return f"<{self.fault} of {', '.join(self.targets)}, {state}>"

    @property
    def fault(self) -> str:
        """The class, e.g. ``kill``."""
        return self._held.injection.fault.value

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of those that were hit."""
        return self._held.wound.targets

    @property
    def means(self) -> str:
        """With what: ``SIGKILL``, ``nft``, ..."""
        return self._held.wound.means

    @property
    def detail(self) -> Mapping[str, Any]:
        """Numbers, groups, names of points: what the record has."""
        return self._held.wound.detail

    @property
    def is_healed(self) -> bool:
        return self._held.healed.is_set()

    def heal(self) -> None:
        """Put it right now; returns when it is. Idempotent. Raises NemesisError if that
        did not work."""
        self._portal.call(self._session.faults.heal, self._held)

    def wait_healed(self, timeout_s: float = 60.0) -> None:
        """Until its time is over and it is healed. Raises TimeoutError."""
        faults = self._session.faults
        if not self._portal.call(faults.wait_healed, self._held, timeout_s):
            raise TimeoutError(f"{self.fault} was not healed within {timeout_s:g} s")


@attrs.frozen(eq=False, repr=False)
class Schedule:
    """Faults that come by themselves."""

    _background: Background

    def __repr__(self) -> str:
        return f"<{len(self.fired)} of {len(self.injections)} faults were made>"

    @property
    def injections(self) -> tuple[Injection, ...]:
        """What the seed has drawn, for the whole duration."""
        return self._background.injections

    @property
    def fired(self) -> tuple[str, ...]:
        """Classes of the faults that were made so far, in order."""
        return tuple(
            one.fault for one in self._background.made if one.phase.value == "inject"
        )


@attrs.frozen(eq=False, repr=False)
class Nemesis:
    """Breaks one cluster. Everything it does is recorded.

    ``target`` is ``leader``, ``one``, ``minority``, ``majority``, ``all``, ``agent``,
    ``framework``, or the name of a node; None: what is usual for the class. Whom the
    vague ones mean is drawn from the test's seed. Raises NemesisError for what has no
    meaning, or cannot be made; then nothing was changed.
    """

    _portal: Portal[Session]
    _session: Session

    def __repr__(self) -> str:
        return f"<nemesis, seed {self._session.request.seed}>"

    def inject(
        self, fault: str, target: str | None = None, *, for_s: float | None = None
    ) -> Injury:
        """Make a fault of this class (docs/chaos-live.md lists them).

        It is in force when this returns. ``for_s``: it is healed so many seconds later,
        in the background; None: when you, or the end of the test, heal it.
        """
        held = self._portal.call(self._session.faults.inject, fault, target, for_s)
        return Injury(self._portal, self._session, held)

    @contextmanager
    def fault(self, fault: str, target: str | None = None) -> Iterator[Injury]:
        """While the block runs, this is broken; it is healed when the block is left."""
        injury = self.inject(fault, target)
        try:
            yield injury
        finally:
            injury.heal()

    def kill(
        self, target: str | None = "leader", *, for_s: float | None = KILL_S
    ) -> Injury:
        """SIGKILL; dead when this returns, started again after ``for_s`` seconds."""
        return self.inject("kill", target, for_s=for_s)

    def pause(
        self, target: str | None = "leader", *, for_s: float | None = PAUSE_S
    ) -> Injury:
        """SIGSTOP: it stands still, and its connections stay."""
        return self.inject("pause", target, for_s=for_s)

    def partition(
        self, target: str | None = "leader", *, for_s: float | None = PARTITION_S
    ) -> Injury:
        """It cannot talk with the other leader nodes; of an agent: with any. The
        cluster must have ``network="proxies"``."""
        return self.inject("partition", target, for_s=for_s)

    @contextmanager
    def schedule(
        self,
        faults: str = "kill,pause",
        *,
        every_s: float = 5.0,
        for_s: float | None = None,
    ) -> Iterator[Schedule]:
        """While the block runs, about one of these faults comes every ``every_s``
        seconds; the first within a second. All are healed when the block is left.

        ``faults`` is a list as of ``raftleader chaos live --faults``: classes, groups,
        ``kill@leader``, ``-membership``. What is drawn follows from the test's seed.
        After ``for_s`` seconds (the test's ``chaos_duration``) no more begin. They
        never come in such company that the cluster could not go on: the next one waits.
        """
        session = self._session
        background = self._portal.call(
            session.faults.begin_schedule,
            faults,
            every_s,
            session.request.duration_s if for_s is None else for_s,
        )
        try:
            yield Schedule(background)
        finally:
            self._portal.call(session.faults.end_schedule, background)

    def heal(self) -> None:
        """Put everything right that is broken; returns when it is. What could not be
        put right is said at the end of the test."""
        self._portal.call(self._session.faults.heal_all)
