"""A framework whose leader dies while it works: ``pytest examples/chaos_test.py``.

See docs/chaos-testing.md.
"""

from __future__ import annotations

import time

import pytest

from raftleader.framework import ClusterExecutor


@pytest.mark.raftleader(leaders=3, agents=2)
def test_calls_outlive_the_leader(raftleader_cluster, nemesis, chaos_history) -> None:
    with ClusterExecutor(raftleader_cluster.leaders, cpus=0.5) as executor:
        with chaos_history.op("submit", value=16):
            futures = [
                executor.submit(lambda n=n: time.sleep(0.3) or n * n) for n in range(16)
            ]
        assert futures[0].result(timeout=30) == 0
        killed = nemesis.kill("leader")
        results = [future.result(timeout=30) for future in futures]

    assert results == [n * n for n in range(16)]
    assert killed.targets  # its name; it is started again after a second
