"""Network namespaces that end with the process that made them.

A namespace is held by a descriptor of ours and nothing else: no file is bound to it,
so there is nothing to be removed when we are killed. Others enter it by the name of the
descriptor: ``nsenter --net=/proc/PID/fd/N``. It outlives us only as long as a process
runs in it.

A namespace is a property of a thread. Work inside one is done by a thread of its own,
which ends afterwards: no thread of a pool is ever left in the wrong one.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import attrs

from chaos.machine.tools import find_tool

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"
COMMAND_TIMEOUT_S = 20.0
"""Of ``ip``, ``nft`` and ``ss``, which take milliseconds: a kernel that lets one wait
for so long will not do what a run needs."""

T = TypeVar("T")


class NetworkError(Exception):
    """The network of a run cannot be made, or is broken; says why."""


@attrs.frozen
class Namespace:
    """A network namespace, by a descriptor that keeps it."""

    fd: int

    @property
    def path(self) -> str:
        """For ``nsenter --net=`` and ``ip link ... netns``, while we live."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def close(self) -> None:
        os.close(self.fd)

    def run(self, work: Callable[[], T]) -> T:
        """Do this inside, in a thread of its own. Raises what it raises."""
        return _in_thread(lambda: _call("setns", self.fd, _CLONE_NEWNET), work)

    def command(
        self, name: str, *arguments: str, text: str = "", is_checked: bool = True
    ) -> str:
        """Run a program inside; returns what it says.

        Raises NetworkError if it is not installed, or takes too long, or fails
        (unless ``is_checked`` is False).
        """
        return self.run(
            lambda: run_command([name, *arguments], text, is_checked=is_checked)
        )

    def set_kernel(self, name: str, value: int | str) -> bool:
        """``net.NAME`` of this namespace; False if we may not."""

        def write() -> bool:
            try:
                Path("/proc/sys/net", name.replace(".", "/")).write_text(f"{value}\n")
            except OSError:
                return False
            return True

        return self.run(write)


def new_namespace() -> Namespace:
    """An empty one. Raises NetworkError where we may not make any."""

    def enter() -> None:
        _call("unshare", _CLONE_NEWNET)

    try:
        return _in_thread(enter, own_namespace)
    except OSError as error:
        raise NetworkError(
            f"no network namespace could be made: {error.strerror}"
        ) from error


def own_namespace() -> Namespace:
    """The one in which the calling thread is."""
    return Namespace(os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC))


def run_command(
    words: Sequence[str], text: str = "", *, is_checked: bool = True
) -> str:
    """What a program says when it is given ``text``; see ``Namespace.command``."""
    name, *arguments = words
    path = find_tool(name)
    if path is None:
        raise NetworkError(f"{name} is not installed")
    try:
        done = subprocess.run(
            [path, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise NetworkError(
            f"{name} did not end within {COMMAND_TIMEOUT_S:g} s"
        ) from error
    except OSError as error:
        raise NetworkError(f"{name} could not be run: {error.strerror}") from error
    if is_checked and done.returncode:
        words = (done.stderr or done.stdout).split()
        raise NetworkError(f"{name} {' '.join(arguments)}: {' '.join(words)}")
    return done.stdout


def _in_thread(enter: Callable[[], None], work: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def main() -> None:
        try:
            enter()
            results.append(work())
        except BaseException as error:  # raised again, where we were called
            errors.append(error)

    thread = threading.Thread(target=main, name="in a network namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _call(name: str, *arguments: int) -> None:
    """A function of the C library that Python 3.11 does not have."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
