"""The operator API of leader and agent, as pymesos 0.3.15 speaks it: at paths
below ``/api/v1`` that exist nowhere, through a redirect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.up_cluster import UpCluster


def test_pymesos_operates_leader_and_agent_through_a_standby(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    start("pymesos_operator", cluster.standbys[0], cluster.agents[0]).assert_passes()
