"""Random groups under random faults: ``tests/support/raft_network.py``."""

from __future__ import annotations

from collections import Counter

import pytest
from support.raft_network import Network

SEEDS = 320
GROUPS = 8


@pytest.mark.parametrize("part", range(GROUPS))
def test_raft_keeps_its_promises_under_random_faults(part: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(part * SEEDS // GROUPS, (part + 1) * SEEDS // GROUPS):
        network = Network(seed)
        try:
            network.disturb(2000)
            network.settle(within_s=20.0)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        counts += network.counts
    # A run that went through nothing shows nothing.
    for what in ("reigns", "crashes", "reads", "committed", "snapshots", "truncations"):
        assert counts[what] > 0, f"no {what}"
