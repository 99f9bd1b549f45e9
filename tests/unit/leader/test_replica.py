from __future__ import annotations

import gc
import weakref

import attrs
import pytest
from support.busy_cluster import busy_cluster

from raftleader.errors import InvalidInputError
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.replica import ROWS_FREED_WITH_ENTRY, Replica
from raftleader.replication.interface import Restoration, StateMachine
from raftleader.state import commands as c
from raftleader.state.cluster import ClusterState
from raftleader.state.trial import Trial


def _replica(trial: Trial | None = None) -> Replica:
    clock = ClusterClock(monotonic_s=lambda: 0.0, wall_ms=lambda: 0)
    replica = Replica(cluster_id="c", clock=clock)
    for entry in () if trial is None else trial.entries:
        replica.apply(*entry)
    return replica


@pytest.fixture(scope="module")
def busy() -> Trial:
    return busy_cluster(seed=5, rounds=30)


@pytest.fixture
def trial() -> Trial:
    return Trial()


def _snapshot(replica: Replica) -> bytes:
    machine: StateMachine = replica
    return b"".join(machine.capture())


def test_restored_content_comes_into_the_same_state_object(busy: Trial) -> None:
    data = _snapshot(_replica(busy))
    replica = _replica()
    held = replica.state
    restoration: Restoration = replica.restore()
    restoration.feed(data)
    assert held == ClusterState(cluster_id="c")
    restoration.finish()
    assert replica.state is held
    assert repr(held) == repr(busy.state)


def test_clock_goes_on_from_the_restored_state(busy: Trial) -> None:
    clock = ClusterClock(monotonic_s=lambda: 0.0, wall_ms=lambda: 7)
    replica = Replica(cluster_id="c", clock=clock)
    restoration = replica.restore()
    restoration.feed(_snapshot(_replica(busy)))
    restoration.finish()
    assert clock.now_ms() == busy.state.clock_ms > 7


def test_entries_go_to_the_old_state_until_the_new_one_is_finished(
    busy: Trial, trial: Trial
) -> None:
    data = _snapshot(_replica(busy))
    replica = _replica(trial)
    restoration = replica.restore()
    restoration.feed(data[:1_000])
    trial.register("cpus:4")
    replica.apply(*trial.entries[-1])
    assert replica.state == trial.state
    restoration.feed(data[1_000:])
    restoration.finish()
    assert replica.state == busy.state


def test_old_state_stays_when_the_new_one_cannot_be_read(busy: Trial) -> None:
    replica = _replica(busy)
    data = _snapshot(replica)
    restoration = replica.restore()
    with pytest.raises(InvalidInputError):
        restoration.feed(b"x" * 100)
    assert replica.state == busy.state
    restoration = replica.restore()
    restoration.feed(data[:-1])
    with pytest.raises(InvalidInputError, match="its end is missing"):
        restoration.finish()
    assert replica.state == busy.state


def test_rows_no_longer_used_are_freed_bit_by_bit(
    busy: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftleader.leader.replica.ROWS_FREED_WITH_PIECE", 50)
    replica = _replica(busy)
    data = _snapshot(replica)
    content = attrs.asdict(replica.state, recurse=False)
    rows = sum(len(table) for table in content.values() if isinstance(table, dict))
    restoration = replica.restore()
    restoration.feed(data)
    restoration.finish()
    assert replica.unfreed_rows == rows
    replica.apply(replica.state.index + 1, 1, b"not an entry")
    assert replica.unfreed_rows == rows - ROWS_FREED_WITH_ENTRY
    left = replica.unfreed_rows
    for _ in replica.capture():
        assert replica.unfreed_rows == left - 50
    while replica.unfreed_rows:
        replica.apply(replica.state.index + 1, 1, b"not an entry")
    replica.apply(replica.state.index + 1, 1, b"not an entry")


def test_unfinished_restoration_is_void_once_another_began(busy: Trial) -> None:
    replica = _replica(busy)
    data = _snapshot(replica)
    first = replica.restore()
    first.feed(data)
    second = replica.restore()
    with pytest.raises(AssertionError):
        first.finish()
    second.feed(data)
    second.finish()
    with pytest.raises(AssertionError):
        second.feed(b"")
    assert replica.state == busy.state


def test_listener_of_a_term_that_is_over_hears_nothing_after_a_restoration(
    busy: Trial,
) -> None:
    """A leader that was away comes back, hears of its successor, and is sent a
    snapshot before its own services have had a turn to end."""
    heard: list[int] = []
    replica = _replica()
    replica.listen(lambda applied: heard.append(applied.index))
    restoration = replica.restore()
    restoration.feed(_snapshot(_replica(busy)))
    restoration.finish()
    index = replica.state.index + 1
    replica.apply(index, 99, b"")
    assert replica.state.index == index
    assert heard == []


def test_restoration_leaves_no_cycles_that_would_keep_a_state(busy: Trial) -> None:
    data = _snapshot(_replica(busy))
    replica = _replica()
    gc.collect()
    gc.disable()
    try:
        restoration = replica.restore()
        restoration.feed(data)
        watched = weakref.ref(restoration)
        restoration.finish()
        del restoration
        assert watched() is None
    finally:
        gc.enable()


def test_capture_is_of_the_call_and_entries_may_follow(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftleader.state.snapshot_stream.capturing.STEP_BYTES", 1)
    trial.register("cpus:4")
    replica = _replica(trial)
    before = repr(replica.state)
    pieces = replica.capture()
    trial.apply(c.SetWeights(weights={"web": 2000}))
    replica.apply(*trial.entries[-1])
    restored = _replica()
    restoration = restored.restore()
    for piece in pieces:
        restoration.feed(piece)
    restoration.finish()
    assert repr(restored.state) == before
