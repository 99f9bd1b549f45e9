"""Whatever a peer says, nothing breaks: ``tests/support/raft_fuzz.py``."""

from __future__ import annotations

import pytest
from support.raft_fuzz import FuzzedNode

SEEDS = 1200
GROUPS = 6


@pytest.mark.parametrize("part", range(GROUPS))
def test_core_raises_nothing_but_an_invariant_error_that_is_right(part: int) -> None:
    stopped = 0
    reigns = 0
    for seed in range(part * SEEDS // GROUPS, (part + 1) * SEEDS // GROUPS):
        fuzzed = FuzzedNode(seed)
        try:
            fuzzed.run(200)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        stopped += fuzzed.stopped
        reigns += fuzzed.node.core.counts["reigns"]
    assert 0 < stopped < SEEDS // GROUPS
    assert reigns > 0
