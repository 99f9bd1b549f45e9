"""Starting the inner process of a run in its house, and hearing what it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from chaos.live.messages import decode_message
from chaos.live.progress import Display
from chaos.live.request import LiveRequest
from chaos.machine.capabilities import Machine
from chaos.machine.house import run_in_house
from raftleader.cli.local_process import describe_exit

OnLine = Callable[[bytes], None]
LINE_BYTES_MAX = 1 << 20
"""Of what is not ours: longer lines are cut."""
SIGNALS_FROM = 128


def launch_inner(
    folder: Path, machine: Machine, request: LiveRequest, shown: Display
) -> str:
    """Carry out the plan in ``folder``; why it ended, should it have left no outcome.

    INT and TERM reach the inner process, which then finishes its run.
    """
    code = trio.run(
        partial(
            run_in_house,
            [sys.executable, "-P", "-m", "chaos.live.inner", str(folder)],
            machine,
            is_private=request.has_house,
            read_output=partial(read_lines, on_line=shown_lines(shown)),
        )
    )
    if not code:
        return ""
    exit_code = SIGNALS_FROM - code if code > SIGNALS_FROM else code
    return f"the inner process ended with {describe_exit(exit_code)}"


def shown_lines(shown: Display) -> OnLine:
    """Shows each line: messages as what they mean, others as they are."""

    def on_line(line: bytes) -> None:
        message = decode_message(line)
        if message is not None:
            shown.show(message)
        elif text := line.decode(errors="replace").rstrip():
            shown.say(text)

    return on_line


async def read_lines(stream: trio.abc.ReceiveStream, on_line: OnLine) -> None:
    """To the end of the stream; a last line without an end is one too."""
    buffered = b""
    async for chunk in stream:
        *lines, buffered = (buffered + chunk).split(b"\n")
        for line in lines:
            on_line(line + b"\n")
        buffered = buffered[-LINE_BYTES_MAX:]
    if buffered:
        on_line(buffered)
