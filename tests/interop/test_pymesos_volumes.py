"""Reservations and persistent volumes, asked for by pymesos 0.3.15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.up_cluster import UpCluster


def test_pymesos_keeps_data_on_a_volume_from_task_to_task(
    cluster: UpCluster, start: Callable[..., Any]
) -> None:
    start("pymesos_volumes", cluster.leader).assert_passes()
