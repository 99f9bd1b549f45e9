"""Writes the applied log of a leader node, while it runs.

Cheap, since it must not change what is observed: one ``os.write`` for each entry, a
few microseconds, into the page cache, which outlives a SIGKILL. Only a digest costs
time in proportion to the state, and there is one for 500 entries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos.observation.clock import true_clock
from chaos.observation.format import (
    DIGEST_EVERY,
    AppliedEntry,
    AppliedRecord,
    Begin,
    Crashed,
    Digested,
    Restored,
    RoleChange,
    encode_record,
    life_file,
)
from raftleader.replication.interface import (
    Leadership,
    ReplicatedLog,
    Restoration,
    StateMachine,
)
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot import digest

_ORDINARY_MODE = 0o644


class Recorder:
    """The file of one life.

    An OSError of a write goes up, and ends the node: a run whose nodes cannot be
    judged is worth nothing.
    """

    def __init__(
        self,
        prefix: Path,
        *,
        node: str,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        """Begin the next free file of ``prefix``: ``<prefix>-1.rec``, and so on."""
        self._now_ns = now_ns or true_clock()
        self._fd = _open_next(prefix)
        self._write(
            Begin(
                node=node,
                pid=os.getpid(),
                at_ns=self._now_ns(),
                wall_ms=time.time_ns() // 1_000_000,
            )
        )

    def applied(self, index: int, term: int, data: bytes) -> None:
        """An entry is about to be applied."""
        self._write(
            AppliedEntry(index=index, term=term, at_ns=self._now_ns(), data=data)
        )

    def restored(self, state: ClusterState) -> None:
        """A snapshot was read into ``state``."""
        self._write(
            Restored(index=state.index, at_ns=self._now_ns(), digest=digest(state))
        )

    def digested(self, state: ClusterState) -> None:
        """Write down how the state looks now."""
        self._write(Digested(index=state.index, digest=digest(state)))

    def role(self, leadership: Leadership) -> None:
        """The node knows something new about who leads."""
        self._write(
            RoleChange(
                term=leadership.term,
                leading=leadership.leading,
                leader=leadership.leader,
                at_ns=self._now_ns(),
            )
        )

    def crashed(self, point: str) -> None:
        """The process ends itself now."""
        self._write(Crashed(point=point, at_ns=self._now_ns()))

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, record: AppliedRecord) -> None:
        frame = encode_record(record)
        written = os.write(self._fd, frame)
        while written < len(frame):  # the disk was nearly full
            written += os.write(self._fd, frame[written:])


class RecordedMachine:
    """A ``StateMachine`` that writes down what is given to the one within.

    An entry is recorded before it is applied, so that one on which the node dies is
    the last of its file.
    """

    def __init__(
        self,
        inner: StateMachine,
        state: ClusterState,
        recorder: Recorder,
        *,
        digest_every: int = DIGEST_EVERY,
    ) -> None:
        """``state`` is that of ``inner``, in all its life."""
        self._inner = inner
        self._state = state
        self._recorder = recorder
        self._digest_every = digest_every
        self._stretch = 0

    def apply(self, index: int, term: int, data: bytes) -> object:
        """See ``StateMachine.apply``."""
        self._recorder.applied(index, term, data)
        result = self._inner.apply(index, term, data)
        # By the index, not by a count: so all nodes take theirs at the same ones.
        stretch = index // self._digest_every
        if stretch > self._stretch:
            self._stretch = stretch
            self._recorder.digested(self._state)
        return result

    def capture(self) -> Iterator[bytes]:
        """See ``StateMachine.capture``."""
        return self._inner.capture()

    def restore(self) -> Restoration:
        """See ``StateMachine.restore``."""
        return _RecordedRestoration(self._inner.restore(), self._finished)

    def _finished(self) -> None:
        self._stretch = self._state.index // self._digest_every
        self._recorder.restored(self._state)


class _RecordedRestoration:
    """Tells when a snapshot has become the state."""

    def __init__(self, inner: Restoration, finished: Callable[[], None]) -> None:
        self._inner = inner
        self._finished = finished

    def feed(self, chunk: bytes) -> None:
        """See ``Restoration.feed``."""
        self._inner.feed(chunk)

    def finish(self) -> None:
        """See ``Restoration.finish``."""
        self._inner.finish()
        self._finished()


async def record_roles(log: ReplicatedLog, recorder: Recorder) -> None:
    """Write down who leads, whenever that changes; until cancelled."""
    seen = log.leadership
    recorder.role(seen)
    while True:
        seen = await log.wait_leadership_changed(seen)
        recorder.role(seen)


def _open_next(prefix: Path) -> int:
    """The next life's file, also where two processes stand under one name."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    life = 1
    while True:
        try:
            return os.open(life_file(prefix, life), flags, _ORDINARY_MODE)
        except FileExistsError:
            life += 1
