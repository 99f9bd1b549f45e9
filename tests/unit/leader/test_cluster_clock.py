"""Cluster time goes on over failovers, and never back."""

from __future__ import annotations

from raftleader.leader.cluster_clock import ClusterClock


class Monotonic:
    def __init__(self) -> None:
        self.now_s = 500.0

    def __call__(self) -> float:
        return self.now_s


def make(wall_ms: int = 9_000_000) -> tuple[Monotonic, ClusterClock]:
    monotonic = Monotonic()
    return monotonic, ClusterClock(monotonic_s=monotonic, wall_ms=lambda: wall_ms)


def test_the_first_leader_starts_at_its_wall_time():
    monotonic, clock = make()
    assert clock.now_ms() == 9_000_000
    monotonic.now_s += 1.5
    assert clock.now_ms() == 9_001_500


def test_the_clock_goes_on_from_the_last_stamp_whatever_the_wall_time():
    monotonic, clock = make(wall_ms=1)
    clock.observe(4_000)
    monotonic.now_s += 2
    assert clock.now_ms() == 6_000


def test_a_stamp_ahead_of_us_moves_us_forward():
    monotonic, clock = make()
    clock.observe(4_000)
    clock.observe(7_000)
    monotonic.now_s += 1
    assert clock.now_ms() == 8_000


def test_a_late_stamp_does_not_move_the_clock_back():
    monotonic, clock = make()
    clock.observe(4_000)
    monotonic.now_s += 1
    clock.observe(4_990)
    assert clock.now_ms() == 5_000


def test_wall_time_that_was_never_committed_gives_way_to_the_first_stamp():
    monotonic, clock = make(wall_ms=9_000_000)
    assert clock.now_ms() == 9_000_000  # it stood for leader, and was deposed at once
    monotonic.now_s += 1.0
    clock.observe(5_000_000)
    assert clock.now_ms() == 5_000_000
    monotonic.now_s += 1.0
    clock.observe(4_000_000)
    assert clock.now_ms() == 5_001_000


def test_first_stamp_of_our_own_does_not_move_the_clock_back():
    monotonic, clock = make(wall_ms=9_000_000)
    stamp_ms = clock.now_ms()
    monotonic.now_s += 0.5
    clock.observe(stamp_ms)
    assert clock.now_ms() == 9_000_500


def test_entries_without_a_stamp_do_not_set_the_clock():
    _, clock = make(wall_ms=9_000_000)
    clock.observe(0)
    assert clock.now_ms() == 9_000_000
