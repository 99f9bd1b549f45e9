"""Frameworks and executors on pymesos 0.3.15.

Its ways: it follows a redirect of SUBSCRIBE only and then stays with that address
for good, so after a leader's death it waits for that node to come back; any answer
but 200, 307 and 503 ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psutil
from support.up_cluster import UpCluster, eventually


def assert_executor_ends(output: str) -> None:
    """TEARDOWN ended its process, too."""
    pids = [int(pid) for pid in re.findall(r"^EXECUTOR (\d+)$", output, re.MULTILINE)]
    assert pids
    eventually(lambda: not any(map(psutil.pid_exists, pids)), "end of executor", 15)


def test_pymesos_runs_command_tasks_and_its_own_executor_through_a_standby(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    program = start("pymesos_framework", cluster.standbys[0])
    program.assert_passes()
    assert_executor_ends(program.output)


def test_pymesos_and_its_executor_go_on_when_the_leader_is_killed(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    program = start("pymesos_framework", cluster.leader, "failover")
    program.wait_line("READY")
    cluster.kill_leader()
    program.assert_passes()
    assert_executor_ends(program.output)


def test_framework_of_others_sends_its_executor_messages_and_signals(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    start("pymesos_subprocess", MESOS_MASTER=cluster.standbys[1]).assert_passes()
