"""Runs the program that fetches, for one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import trio

import agent
from agent.fetcher.steps import FetchPlan

_OF_THE_AGENT = frozenset(
    {
        *("http_proxy", "https_proxy", "no_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
_OF_THE_TASK = frozenset(
    {"MESOS_SANDBOX", "MESOS_FRAMEWORK_ID", "MESOS_TASK_ID", "MESOS_EXECUTOR_ID"}
)
"""What is left of a fetch is known by these when the agent died in it. Nothing else
of the command's: the program may begin as root."""


class FetchFailedError(Exception):
    """Something was not fetched. The text is for the task's owner."""


async def run_fetcher(
    plan: FetchPlan, *, task_environment: Mapping[str, str], stderr: int
) -> None:
    """Fetch all of it. Raises FetchFailedError, or OSError if there can be no process.

    Cancelled, its processes are gone when this returns.
    """
    environment = {k: v for k, v in os.environ.items() if k in _OF_THE_AGENT}
    environment |= {k: v for k, v in task_environment.items() if k in _OF_THE_TASK}
    environment["PYTHONUTF8"] = "1"
    own = str(Path(agent.__file__).parents[1])
    environment["PYTHONPATH"] = os.pathsep.join([own, *filter(None, sys.path)])
    completed: subprocess.CompletedProcess[bytes] | None = None
    with trio.move_on_after(plan.bounds.timeout_s):
        completed = await trio.run_process(
            [sys.executable, "-P", "-B", "-m", "agent.fetcher"],
            stdin=msgspec.json.encode(plan),
            capture_stdout=True,
            stderr=stderr,
            check=False,
            deliver_cancel=_kill,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    if completed is None:
        raise FetchFailedError(
            f"Failed to fetch all URIs: not done in {plan.bounds.timeout_s:g} s"
        )
    if completed.returncode:
        problem = completed.stdout.decode(errors="replace")
        code = completed.returncode
        how = f"signal {-code}" if code < 0 else f"status {code}"
        raise FetchFailedError(
            problem or f"Failed to fetch all URIs: the fetcher ended with {how}"
        )


async def _kill(process: trio.Process) -> None:
    if process.returncode is None:  # so its number is still its own
        os.killpg(process.pid, signal.SIGKILL)
