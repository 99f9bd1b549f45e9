"""What a workload keeps over its own death: who it is to the cluster."""

from __future__ import annotations

from pathlib import Path

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import FrameworkId


class KeptState(msgspec.Struct, kw_only=True):
    """Attributes:
    lives: How often the workload was started.
    framework_id: Its framework, once it has one.
    is_settling: It was told to launch no more.
    """

    lives: int = 0
    framework_id: FrameworkId | None = None
    is_settling: bool = False


class StateFile:
    """Replaced by rename, so that a killed writer leaves the old or the new state.

    Raises InvalidInputError if it was written by somebody else, and OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = KeptState()
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        try:
            self._state = msgspec.json.decode(data, type=KeptState)
        except msgspec.DecodeError as error:
            raise InvalidInputError(str(path), str(error)) from error

    @property
    def lives(self) -> int:
        return self._state.lives

    @property
    def framework_id(self) -> FrameworkId | None:
        return self._state.framework_id

    @property
    def is_settling(self) -> bool:
        return self._state.is_settling

    def begin_life(self, *, at_least: int) -> int:
        """Count a start; the number of this life, from 1."""
        self._state.lives = max(self._state.lives + 1, at_least)
        self._write()
        return self._state.lives

    def set_framework_id(self, framework_id: FrameworkId | None) -> None:
        """Who we are from now on."""
        if self._state.framework_id != framework_id:
            self._state.framework_id = framework_id
            self._write()

    def set_settling(self) -> None:
        """From now on, over all lives to come."""
        self._state.is_settling = True
        self._write()

    def _write(self) -> None:
        new = self._path.with_name(self._path.name + ".new")
        new.write_bytes(msgspec.json.encode(self._state))
        new.replace(self._path)
