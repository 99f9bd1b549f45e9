"""Pseudo-terminals.

A process that shall have one as its controlling terminal must open it as the leader
of a session without a terminal. The session is ``subprocess``'s to make, on its
vfork path; nobody but the child can open the terminal, and running Python there
(``preexec_fn``) needs a plain fork of the whole agent: 50 starts a second, and a
deadlock now and then. So ``/bin/sh`` opens it, by a redirection, and then becomes
the program: about a millisecond, and it is there wherever tasks run. ``setsid -c``
of util-linux is as quick, but need not be there, and is the leader of its session
only some time after it was started, so that signals to the group could miss it. A
small Python program (``python -I -S``) takes 10 ms.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios

import attrs

_OPEN_AND_BECOME = 'exec "$@" <>"$0" >&0 2>&0'


@attrs.frozen(kw_only=True)
class WindowSize:
    """Of a terminal, in characters."""

    rows: int
    columns: int


@attrs.frozen
class Terminal:
    """Both ends of a new terminal, for the owner to close.

    Attributes:
        outer: Ours: what is written here is typed, what is read is the output.
            Not blocking.
        inner: The program's.
        path: Of the inner end.
    """

    outer: int
    inner: int
    path: str


def open_terminal(size: WindowSize | None, owner: tuple[int, int] | None) -> Terminal:
    """Make a terminal for a program that runs as ``owner`` (uid, gid). OSError."""
    outer, inner = os.openpty()
    try:
        path = os.ttyname(inner)
        if owner is not None:
            os.fchown(inner, *owner)
        if size is not None:
            resize(outer, size)
        os.set_blocking(outer, False)
    except OSError:
        os.close(outer)
        os.close(inner)
        raise
    return Terminal(outer, inner, path)


def resize(fd: int, size: WindowSize) -> None:
    """Set the size of the window; the programs in it are told by SIGWINCH."""
    packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, packed)


def in_terminal(path: str, program: str, arguments: list[str]) -> list[str]:
    """The argv for ``/bin/sh`` as the leader of a new session, so that the program
    runs with this controlling terminal as its stdin, stdout and stderr.

    Its own argv[0] is always the program's name.
    """
    return ["sh", "-c", _OPEN_AND_BECOME, path, program, *arguments[1:]]
