"""CLOCK_MONOTONIC as the kernel has it, also in a process whose clock is faked.

A fault of the clock preloads a library (libfaketime) that stands before the C
library's clocks. The system call itself is not touched by it, so that is made where
such a library is loaded; elsewhere Python's own clock is the same and cheaper.
"""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable

_SYSCALL_NUMBERS = {"x86_64": 228, "aarch64": 113, "riscv64": 113}
"""Of clock_gettime."""
_CLOCK_MONOTONIC = 1


class _TimeSpec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


def true_clock() -> Callable[[], int]:
    """A function that returns nanoseconds; a call takes a microsecond."""
    number = _SYSCALL_NUMBERS.get(platform.machine())
    if number is None or "faketime" not in os.environ.get("LD_PRELOAD", ""):
        return time.monotonic_ns
    return system_call_clock(number)


def system_call_clock(number: int = _SYSCALL_NUMBERS["x86_64"]) -> Callable[[], int]:
    """The clock by its system call."""
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    value = _TimeSpec()
    pointer = ctypes.byref(value)

    def now_ns() -> int:
        if syscall(number, _CLOCK_MONOTONIC, pointer) != 0:
            raise OSError(ctypes.get_errno(), "clock_gettime")
        return int(value.tv_sec) * 1_000_000_000 + int(value.tv_nsec)

    return now_ns
