"""Frameworks on mesoshttp 0.4.2.

Its ways: an event is handled when the next one comes, lengths are counted in
characters, calls go on to a node that only redirects, each on a new connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.up_cluster import UpCluster


def urls(*addresses: str) -> str:
    return ",".join(f"http://{address}" for address in addresses)


def test_mesoshttp_runs_tasks_when_every_call_is_redirected(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    start("mesoshttp_framework", urls(*cluster.standbys)).assert_passes()


def test_mesoshttp_goes_on_when_the_leader_is_killed(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    addresses = [cluster.leader, *cluster.standbys]
    program = start("mesoshttp_framework", urls(*addresses), "failover")
    program.wait_line("READY")
    cluster.kill_leader()
    program.assert_passes()
