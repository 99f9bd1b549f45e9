"""One look at a task: run a command in its sandbox, ask its HTTP port, or connect."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
from typing import Any

import attrs
import trio

from agent.checks.definition import Kind, Probe
from agent.containerizer.interface import Launch
from agent.sandbox import STDERR

ANSWER_BYTES_MAX = 64 * 1024
"""Read of an answer until its status line is there; servers send a few hundred."""


class ProbeError(Exception):
    """It was not possible to look, or took too long. Counts as a failure."""


async def look(probe: Probe, launch: Launch) -> dict[str, Any]:
    """What was found: the field of a CheckStatusInfo for this kind. Raises ProbeError.

    Nothing is left running when it returns or is cancelled. ``launch`` is the task's.
    """
    timeout_s = float("inf") if probe.timeout_s is None else probe.timeout_s
    with trio.move_on_after(timeout_s):
        if probe.kind is Kind.COMMAND:
            return {"exit_code": await _run(probe, launch)}
        if probe.kind is Kind.HTTP:
            return {"status_code": await _ask(probe)}
        return {"succeeded": await _connects(probe)}
    raise ProbeError(f"{probe.kind.value} check timed out after {timeout_s:g}secs")


def is_success(probe: Probe, found: dict[str, Any]) -> bool:
    """Whether a health check takes this for health."""
    if probe.kind is Kind.COMMAND:
        return bool(found["exit_code"] == 0)
    if probe.kind is Kind.HTTP:
        status: int = found["status_code"]
        return 200 <= status < 400
    return bool(found["succeeded"])


async def _run(probe: Probe, launch: Launch) -> int:
    """The exit code; that of a shell for what a signal ended. In the environment of
    the task, with the command's own on top; what it says goes to the task's stderr."""
    command = probe.command
    assert command is not None and command.value is not None, "it was looked at"
    environment = attrs.evolve(
        launch,
        command=type(command)(
            environment=(*launch.command.environment, *command.environment)
        ),
    ).environment()
    if command.shell:
        arguments = ["/bin/sh", "-c", command.value]
    else:
        arguments = [command.value, *command.arguments[1:]]
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        stderr = os.open(f"{launch.sandbox}/{STDERR}", flags)
    except OSError as error:
        raise ProbeError(f"the task's stderr cannot be opened: {error}") from error
    options: dict[str, Any] = {}
    user = command.user or launch.command.user
    if user and os.geteuid() == 0 and user != "root":
        options["user"] = user
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - as quick as a launch
            arguments,
            executable=arguments[0] if command.shell else command.value,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            cwd=launch.sandbox,
            env=environment,
            start_new_session=True,
            **options,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ProbeError(f"the check cannot be started: {error}") from error
    finally:
        os.close(stderr)
    code = await _wait(process)
    return code if code >= 0 else 128 - code


async def _wait(process: subprocess.Popen[bytes]) -> int:
    """Its end, and then that of its group; cancelled, it is killed."""
    pidfd = os.pidfd_open(process.pid)
    try:
        await trio.lowlevel.wait_readable(pidfd)
    finally:
        # Until it is waited for, the dead leader keeps the number of its group from
        # being used again.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True):
            await trio.lowlevel.wait_readable(pidfd)
        os.close(pidfd)
        code = process.wait()
    return code


async def _ask(probe: Probe) -> int:
    """The status of a GET. Redirects are not followed."""
    stream: trio.abc.Stream = await _open(probe)
    async with stream:
        if probe.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            stream = trio.SSLStream(stream, context, https_compatible=True)
        host = f"[{_host(probe)}]" if probe.is_ipv6 else _host(probe)
        head = (
            f"GET {probe.path} HTTP/1.1\r\nHost: {host}:{probe.port}\r\n"
            "User-Agent: raftleader\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
        answer = b""
        try:
            await stream.send_all(head.encode("ascii"))
            while b"\n" not in answer and len(answer) < ANSWER_BYTES_MAX:
                data = await stream.receive_some(4096)
                if not data:
                    break
                answer += data
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            raise ProbeError(f"HTTP check failed: {error}") from error
        parts = answer.partition(b"\n")[0].split(None, 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
            raise ProbeError("HTTP check failed: the answer is not HTTP")
        if len(parts[1]) != 3 or not parts[1].isdigit():
            raise ProbeError("HTTP check failed: the answer has no status")
        return int(parts[1])


async def _connects(probe: Probe) -> bool:
    try:
        stream = await _open(probe)
    except ProbeError:
        return False
    await stream.aclose()
    return True


async def _open(probe: Probe) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(_host(probe), probe.port)
    except OSError as error:
        raise ProbeError(f"connection failed: {error}") from error


def _host(probe: Probe) -> str:
    return "::1" if probe.is_ipv6 else "127.0.0.1"
