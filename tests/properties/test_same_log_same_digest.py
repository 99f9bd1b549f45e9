"""Same log, same bytes (promise P9): in processes that hash strings differently, and
whether or not a replica was restored from snapshots on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.busy_cluster import busy_cluster

from raftleader.state.snapshot import digest
from raftleader.state.trial import Trial

ROOT = Path(__file__).parents[2]
ROUNDS = 120

REPLAY = """
import sys
from raftleader.state.apply import apply_entry
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot import decode_snapshot, digest, encode_snapshot

state = ClusterState(cluster_id="c")
restore_every = int(sys.argv[1])
for line in sys.stdin:
    index, term, data = line.split()
    apply_entry(state, int(index), int(term), bytes.fromhex(data))
    if restore_every and int(index) % restore_every == 0:
        state = decode_snapshot(encode_snapshot(state))
print(digest(state).hex(), hash("c-F3-0"))
"""


def _record() -> Trial:
    """It ends with something of everything."""
    trial = busy_cluster(seed=7, rounds=ROUNDS)
    state = trial.state
    assert state.offers and state.tasks and state.completed_tasks
    assert state.removed_frameworks and state.executors and state.operations
    assert any(agent.dynamic for agent in state.agents.values())
    assert any(framework.rescinds for framework in state.frameworks.values())
    assert any(framework.orphan_updates for framework in state.frameworks.values())
    return trial


def test_replicas_agree_whatever_their_hash_seed_and_restores() -> None:
    trial = _record()
    log = "".join(f"{i} {term} {data.hex()}\n" for i, term, data in trial.entries)
    answers = [
        subprocess.run(
            [sys.executable, "-P", "-c", REPLAY, str(seed % 2 * 9)],
            input=log,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
            timeout=60,
        ).stdout.split()
        for seed in range(10)
    ]
    assert {answer[0] for answer in answers} == {digest(trial.state).hex()}
    assert len({answer[1] for answer in answers}) == 10  # the seeds did take effect
