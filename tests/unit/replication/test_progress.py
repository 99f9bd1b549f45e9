"""What a leader sends next to one follower."""

from __future__ import annotations

from raftleader.replication.pysyncobj_backend.progress import Progress

WINDOW = {"window_bytes_max": 100}


def test_progress_probes_with_one_message_at_a_time() -> None:
    progress = Progress(next=10)
    assert progress.may_send(**WINDOW)
    progress.sent(last_index=15, size_bytes=10)
    assert not progress.may_send(**WINDOW)
    assert progress.next == 10


def test_progress_replicates_up_to_the_window_once_it_matches() -> None:
    progress = Progress(next=10)
    progress.accepted(9)
    for last_index in (10, 11):
        assert progress.may_send(**WINDOW)
        progress.sent(last_index=last_index, size_bytes=50)
    assert progress.next == 12
    assert not progress.may_send(**WINDOW)
    progress.accepted(10)
    assert progress.may_send(**WINDOW)
    assert (progress.match, progress.next) == (10, 12)


def test_progress_steps_back_once_for_each_probe() -> None:
    """B: many refusals of one backlog are one refusal."""
    progress = Progress(next=100)
    progress.refused(99, hint=50)
    assert progress.next == 51
    for _ in range(10):
        progress.refused(99, hint=80)
    assert progress.next == 51
    progress.refused(50, hint=0)
    assert progress.next == 2


def test_progress_always_gets_closer_when_refused() -> None:
    progress = Progress(next=1000)
    steps = 0
    while progress.next > 2:
        before = progress.next
        progress.refused(progress.next - 1, hint=10**9)
        assert progress.next < before
        steps += 1
    assert steps < 1000


def test_progress_ignores_refusals_of_what_matches_by_now() -> None:
    progress = Progress(next=10)
    progress.accepted(20)
    progress.refused(15, hint=3)
    assert (progress.is_probing, progress.next, progress.match) == (False, 21, 20)


def test_progress_goes_back_no_further_than_what_matches() -> None:
    progress = Progress(next=10)
    progress.accepted(20)
    progress.sent(last_index=30, size_bytes=1)
    progress.refused(30, hint=0)
    assert (progress.is_probing, progress.next) == (True, 21)


def test_progress_match_never_falls() -> None:
    progress = Progress(next=10)
    progress.accepted(20)
    progress.accepted(5)
    assert (progress.match, progress.next) == (20, 21)


def test_progress_sends_again_what_a_broken_link_may_have_lost() -> None:
    progress = Progress(next=10)
    progress.accepted(9)
    progress.sent(last_index=30, size_bytes=200)
    progress.link_changed()
    assert (progress.is_probing, progress.next) == (True, 10)
    assert progress.may_send(**WINDOW)
    progress.accepted(9)
    assert progress.may_send(**WINDOW)
