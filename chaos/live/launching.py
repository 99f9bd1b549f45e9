"""Starting the inner process of a run, in a house of its own where that is possible."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from chaos.live.messages import decode_message
from chaos.live.progress import Display
from raftleader.cli.local_cluster import lifeline
from raftleader.cli.local_process import child_environment, describe_exit

OnLine = Callable[[bytes], None]
LINE_BYTES_MAX = 1 << 20
"""Of what is not ours: longer lines are cut."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def inner_command(folder: Path) -> list[str]:
    """The program that carries out the plan in ``folder``."""
    return [sys.executable, "-P", "-m", "chaos.live.inner", str(folder)]


def shown_lines(shown: Display) -> OnLine:
    """Shows each line: messages as what they mean, others as they are."""

    def on_line(line: bytes) -> None:
        message = decode_message(line)
        if message is not None:
            shown.show(message)
        elif text := line.decode(errors="replace").rstrip():
            shown.say(text)

    return on_line


async def run_directly(command: Sequence[str], on_line: OnLine) -> int:
    """Run the command beside us, every line of its outputs given to ``on_line``.

    Signals are passed on: INT as INT, others as TERM. Returns its exit code. Cancelled,
    or if we are killed, its lifeline is cut, and it ends.
    """
    with lifeline() as lifeline_fd, trio.open_signal_receiver(*SIGNALS) as signals:
        process = await trio.lowlevel.open_process(
            [*command, "--die-with-fd", str(lifeline_fd)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lifeline_fd,),
            start_new_session=True,
            env=child_environment(),
        )

        async def pass_on() -> None:
            async for number in signals:
                is_int = number == signal.SIGINT
                process.send_signal(signal.SIGINT if is_int else signal.SIGTERM)

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pass_on)
                assert process.stdout is not None
                await read_lines(process.stdout, on_line)
                code = await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            if process.returncode is None:
                with trio.CancelScope(shield=True):
                    process.terminate()
                    await process.wait()
    return code


async def read_lines(stream: trio.abc.ReceiveStream, on_line: OnLine) -> None:
    """To the end of the stream; a last line without an end is one too."""
    buffered = b""
    async with stream:
        async for chunk in stream:
            *lines, buffered = (buffered + chunk).split(b"\n")
            for line in lines:
                on_line(line + b"\n")
            buffered = buffered[-LINE_BYTES_MAX:]
    if buffered:
        on_line(buffered)


def why_it_ended(code: int) -> str:
    """Words for an exit code, for a run that left nothing else; empty for 0."""
    return f"the inner process ended with {describe_exit(code)}" if code else ""
