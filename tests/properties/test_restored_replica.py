"""A replica restored from a snapshot goes on exactly as one that never was: equal
digests, equal outcomes, and equal order of whatever is iterated (promise P9)."""

from __future__ import annotations

import random

import pytest
from support.busy_cluster import busy_cluster

from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import Replica
from raftleader.state import queries
from raftleader.state.cluster import ClusterState
from raftleader.state.counts import counts
from raftleader.state.snapshot import digest


def _replica() -> Replica:
    clock = ClusterClock(monotonic_s=lambda: 0.0, wall_ms=lambda: 0)
    return Replica(cluster_id="c", clock=clock)


def _answers(state: ClusterState) -> list[object]:
    """What a leader would do and say, as it would iterate it."""
    answers: list[object] = [counts(state), queries.next_deadline_ms(state)]
    for framework in state.frameworks.values():
        answers += [
            queries.first_pending_updates(state, framework.id),
            queries.implicit_reconciliation(state, framework),
            queries.live_tasks(state, framework.id),
            list(state.offers_by_framework.get(framework.id, ())),
            list(state.tasks_by_framework.get(framework.id, ())),
            list(state.executors_by_framework.get(framework.id, ())),
            queries.unacknowledged_operations(state, framework.id),
        ]
    for agent_id in state.agents:
        answers += [
            queries.unconfirmed_tasks(state, agent_id),
            queries.wanted_kills(state, agent_id),
            queries.confirmed_live_tasks(state, agent_id),
            queries.unreachable_tasks(state, agent_id),
            list(state.offers_by_agent.get(agent_id, ())),
            queries.executors_of(state, agent_id),
            queries.volumes_of(state, agent_id),
        ]
    return answers


@pytest.mark.parametrize("seed", range(3))
def test_restored_replica_goes_on_as_one_that_never_was(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftleader.state.snapshot_stream.capturing.STEP_BYTES", 1)
    monkeypatch.setattr("raftleader.state.snapshot_stream.capturing.FRAME_BYTES", 2000)
    rng = random.Random(seed)
    log = busy_cluster(seed, rounds=30).entries
    points = {rng.randrange(20, len(log)) for _ in range(4)}
    always, other = _replica(), _replica()
    for position, entry in enumerate(log):
        if position in points:
            # Entries that are applied while it is captured are not part of it.
            pieces = other.capture()
            captured = repr(other.state)
            restored = _replica()
            restoration = restored.restore()
            for number, piece in enumerate(pieces):
                for at in range(0, len(piece), 10_000):
                    restoration.feed(piece[at : at + 10_000])
                if number == 0:
                    other.apply(*entry)
            assert number > 3
            restoration.finish()
            assert repr(restored.state) == captured
            other = restored
        applied, also = always.apply(*entry), other.apply(*entry)
        assert repr(also) == repr(applied)
        assert digest(other.state) == digest(always.state)
        assert repr(other.state) == repr(always.state)
        if position % 20 == 0:
            assert repr(_answers(other.state)) == repr(_answers(always.state))
    assert repr(_answers(other.state)) == repr(_answers(always.state))
