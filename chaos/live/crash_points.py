"""Places in the code at which a node of a run can be made to kill itself.

A node passes *points*: the engine's (``before-sync``), those around a command in the
log (``apply:AcceptOffers:before``), those of an agent (``agent:launch:after``). One of
them may be *armed*, as ``POINT`` or ``POINT:N``: the N-th time it is passed from then
on, the process sends itself SIGKILL, so nothing is tidied up.
"""

from __future__ import annotations

import difflib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import attrs

from chaos.live.variables import CRASH_FILE, CRASH_FILE_VARIABLE, CRASH_VARIABLE
from raftleader.errors import ConfigError

if TYPE_CHECKING:
    from chaos.live.seams import Cluster
    from raftleader.replication.interface import Restoration, StateMachine

ENGINE_POINTS = (
    "formed",
    "before-sync",
    "after-sync",
    "before-send",
    "after-send",
    "before-apply",
    "after-apply",
    "snapshot-begin",
    "snapshot-written",
    "snapshot-finish",
    "snapshot-stored",
    "snapshot-compacted",
    "install-received",
    "install-complete",
    "install-restored",
    "install-reset",
)
"""Of the engine ``raft``; the other engines pass none."""
AGENT_PLACES = (
    "checkpoint",
    "launch",
    "exit",
    "hello",
    "digest",
    "update",
    "committed",
    "executors",
)
"""What an agent does, with a point before and one after it: see ``agent_points``."""
_APPLY, _AGENT = "apply:", "agent:"


def leader_points() -> list[str]:
    """All points of a leader node."""
    from raftleader.state.commands import Command

    names = sorted(kind.__name__ for kind in get_args(Command))
    return [*ENGINE_POINTS, *_around(_APPLY, names)]


def agent_points() -> list[str]:
    """All points of an agent."""
    return _around(_AGENT, AGENT_PLACES)


def crash_points() -> list[str]:
    """All there are."""
    return leader_points() + agent_points()


def _around(prefix: str, names: tuple[str, ...] | list[str]) -> list[str]:
    return [f"{prefix}{name}:{side}" for name in names for side in ("before", "after")]


def parse_point(text: str) -> tuple[str, int]:
    """``POINT[:N]``. Raises ConfigError that names points like it."""
    point, colon, count = text.rpartition(":")
    if not colon or not count.isdigit():
        point, count = text, "1"
    known = crash_points()
    if point not in known or int(count) < 1:
        near = difflib.get_close_matches(point, known, n=3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise ConfigError(f"{CRASH_VARIABLE}: {text!r} is no POINT[:N]{hint}")
    return point, int(count)


@attrs.define(kw_only=True)
class CrashPoints:
    """Those of this process.

    Attributes:
        on_crash: Called with the point, last of all.
    """

    on_crash: list[Callable[[str], None]] = attrs.field(factory=list)
    _armed: str | None = None
    _left: int = 0

    def arm(self, text: str) -> None:
        """Arm ``POINT[:N]``, and nothing else; "" is nothing. Raises ConfigError."""
        self._armed, self._left = parse_point(text) if text else (None, 0)

    def arm_from(self, environ: Mapping[str, str]) -> None:
        """What the environment says, now and on each SIGUSR2. Raises ConfigError."""
        self.arm(environ.get(CRASH_VARIABLE, ""))
        if file := environ.get(CRASH_FILE_VARIABLE):
            path = Path(file)

            def arm_again(number: int, frame: object) -> None:
                self.arm(path.read_text(encoding="utf-8").strip())

            signal.signal(signal.SIGUSR2, arm_again)

    @property
    def is_about_commands(self) -> bool:
        """Whether somebody must look into the entries that are applied."""
        return self._armed is not None and self._armed.startswith(_APPLY)

    def passed(self, point: str) -> None:
        """The process is here. Does not return where it ends."""
        if point != self._armed:
            return
        self._left -= 1
        if self._left:
            return
        for tell in self.on_crash:
            tell(point)
        os.write(2, f"crash point {point}: SIGKILL to itself\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


class CrashingMachine:
    """A ``StateMachine`` with a point before and after each kind of command."""

    def __init__(self, inner: StateMachine, points: CrashPoints) -> None:
        self._inner = inner
        self._points = points

    def apply(self, index: int, term: int, data: bytes) -> object:
        """See ``StateMachine.apply``."""
        if not self._points.is_about_commands:
            return self._inner.apply(index, term, data)
        kinds = _kinds_of(data)
        for kind in kinds:
            self._points.passed(f"{_APPLY}{kind}:before")
        result = self._inner.apply(index, term, data)
        for kind in kinds:
            self._points.passed(f"{_APPLY}{kind}:after")
        return result

    def capture(self) -> Iterator[bytes]:
        """See ``StateMachine.capture``."""
        return self._inner.capture()

    def restore(self) -> Restoration:
        """See ``StateMachine.restore``."""
        return self._inner.restore()


def _kinds_of(data: bytes) -> list[str]:
    """Of the commands in an entry, each kind once."""
    from raftleader.errors import InvalidInputError
    from raftleader.state.commands import decode_entry

    try:
        commands = decode_entry(data).commands
    except InvalidInputError:
        return []
    return list(dict.fromkeys(type(command).__name__ for command in commands))


def arm(cluster: Cluster, name: str, text: str) -> None:
    """Arm ``POINT[:N]`` in a node of a run that is alive; "" disarms. It stays armed
    until the node dies. Nothing happens to one that is dead. Raises ConfigError."""
    if text:
        parse_point(text)
    file = cluster.node(name).folder / CRASH_FILE
    file.write_text(text, encoding="utf-8")
    cluster.kill(name, signal.SIGUSR2)
