"""A cluster of real processes, made by ``raftleader up``, for foreign programs."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from raftleader.cli.local_process import child_environment

PROGRAM = Path(__file__).with_name("quick_heartbeats.py")
STOP_TIMEOUT_S = 30
READY_TIMEOUT_S = 30
POLL_S = 0.05

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, timeout_s: float) -> T:
    """What ``look`` finds, as soon as it is something. AssertionError in the end."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {timeout_s:g} s there is no {what}"
        time.sleep(POLL_S)


class UpCluster:
    """A running ``raftleader up``; a node that dies is started again by it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.errors = folder / "up.err"
        command = [sys.executable, "-P", str(PROGRAM), "up", "--json"]
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, "--dir", str(folder), *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=child_environment(),
                cwd=folder,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"up said nothing; its errors: {self.errors.read_text()}"
        self.document: dict[str, Any] = json.loads(line)

    @property
    def leaders(self) -> list[str]:
        """``HOST:PORT`` of all leader nodes."""
        return [node["address"] for node in self.document["leaders"]]

    @property
    def agents(self) -> list[str]:
        """``HOST:PORT`` of all agents."""
        return [node["address"] for node in self.document["agents"]]

    def wait_whole(self) -> None:
        """Until one node leads and all others redirect to it."""
        eventually(self._is_whole, "whole cluster", READY_TIMEOUT_S)

    def _is_whole(self) -> bool:
        answers = {address: answer_of(address) for address in self.leaders}
        leading = [a for a, (status, _) in answers.items() if status == 405]
        locations = [location for status, location in answers.values() if status == 307]
        expected = [f"//{leading[0]}/api/v1/scheduler"] if len(leading) == 1 else []
        return bool(expected) and locations == expected * (len(answers) - 1)

    @property
    def leader(self) -> str:
        """``HOST:PORT`` of the node that leads."""
        return eventually(self._leading, "leader", READY_TIMEOUT_S)

    def _leading(self) -> str | None:
        leading = [a for a in self.leaders if answer_of(a)[0] == 405]
        return leading[0] if leading else None

    @property
    def standbys(self) -> list[str]:
        """``HOST:PORT`` of the others."""
        leader = self.leader
        return [address for address in self.leaders if address != leader]

    def kill_leader(self) -> str:
        """SIGKILL the node that leads; its address."""
        leader = self.leader
        port = int(leader.rpartition(":")[2])
        for child in psutil.Process(self.process.pid).children():
            if any(c.laddr.port == port for c in child.net_connections()):
                child.kill()
                return leader
        raise AssertionError(f"no process listens at {leader}")

    def end(self) -> int:
        """Stop everything; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(STOP_TIMEOUT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def answer_of(address: str) -> tuple[int, str]:
    """What a leader node answers to a GET of the scheduler API: status, location."""
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/api/v1/scheduler")
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", "")
    except OSError:
        return 0, ""
    finally:
        connection.close()
