"""CLOCK_MONOTONIC as the kernel has it, also in a process whose clocks are faked."""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_NUMBERS = {"x86_64": 228, "aarch64": 113, "riscv64": 113}
"""Of the system call ``clock_gettime``: libraries replace functions, not calls."""
_NS_PER_S = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64)]


def true_monotonic_clock() -> Callable[[], int]:
    """A function that reads it, in nanoseconds: about a microsecond a call. Where the
    number of the system call is not known, the clock of this process."""
    number = _NUMBERS.get(platform.machine())
    if number is None:
        return time.monotonic_ns
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    found = _TimeSpec()
    place = ctypes.byref(found)

    def read() -> int:
        if syscall(number, _CLOCK_MONOTONIC, place) != 0:
            return time.monotonic_ns()
        return int(found.seconds * _NS_PER_S + found.nanoseconds)

    return read
