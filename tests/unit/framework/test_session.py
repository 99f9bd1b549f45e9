"""The subscription machine, step by step; time is a number."""

from __future__ import annotations

import itertools
import random

import pytest

from raftleader.errors import ApiError
from raftleader.framework.errors import FrameworkEndedError
from raftleader.framework.session import (
    CANDIDATES_MAX,
    QUICK_PROBES,
    Phase,
    Probe,
    Session,
    Wait,
)
from raftleader.protocol.scheduler_api import Subscribed


def session(*leaders: str) -> Session:
    return Session(leaders or ("a:1", "b:1", "c:1"), random.Random(3))


def subscribed(heartbeat_s: float = 15.0) -> Subscribed:
    return Subscribed(framework_id="f-1", heartbeat_interval_s=heartbeat_s)


def open_at(machine: Session, address: str, now_s: float = 0.0) -> None:
    """Bring a seeking machine to SUBSCRIBED at ``address``."""
    machine.probe_answered(address, 405, None, now_s)
    machine.subscribed(subscribed(), now_s)


def probes(machine: Session, until_s: float, *, answer_s: float | None) -> list[float]:
    """Times of probes up to ``until_s``; each is answered 503 after ``answer_s``."""
    times: list[float] = []
    now_s = 0.0
    while now_s < until_s:
        step = machine.next_step(now_s)
        if isinstance(step, Wait):
            assert step.until_s > now_s
            now_s = step.until_s
            continue
        times.append(now_s)
        if answer_s is not None:
            machine.probe_answered(step.address, 503, None, now_s + answer_s)
    return times


def test_seeking_asks_each_candidate_in_turn():
    machine = session()
    asked = []
    now_s = 0.0
    while len(asked) < 3:
        step = machine.next_step(now_s)
        if isinstance(step, Probe):
            asked.append(step.address)
        else:
            assert 0.02 <= step.until_s - now_s <= 0.05
            now_s = step.until_s
    assert asked == ["a:1", "b:1", "c:1"]


def test_seeking_begins_fast_and_slows_down_to_once_a_second():
    times = probes(session(), 120.0, answer_s=0.001)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    quick = gaps[: QUICK_PROBES - 1]
    assert all(0.02 <= gap <= 0.05 for gap in quick)
    assert times[QUICK_PROBES - 1] < 0.6
    assert all(0.5 <= gap <= 1.0 for gap in gaps[-50:])
    assert len(set(gaps[-50:])) > 40  # jittered


def test_seeking_never_asks_a_node_again_that_has_not_answered():
    assert len(probes(session(), 10.0, answer_s=None)) == 3


def test_node_that_leads_is_sent_the_subscription():
    machine = session()
    machine.next_step(0.0)
    machine.probe_answered("a:1", 405, None, 0.001)
    assert machine.phase is Phase.SUBSCRIBING
    assert machine.leader == "a:1"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_node_in_trouble_is_not_sent_the_subscription(status):
    machine = session()
    machine.next_step(0.0)
    machine.probe_answered("a:1", status, None, 0.001)
    assert machine.phase is Phase.SEEKING


def test_redirect_is_followed_at_once_also_to_a_node_not_known_before():
    machine = session("a:1")
    assert machine.next_step(0.0) == Probe("a:1")
    machine.probe_answered("a:1", 307, "z:9", 0.001)
    assert machine.next_step(0.001) == Probe("z:9")


def test_nodes_that_redirect_to_each_other_do_not_make_it_spin():
    machine = session("a:1", "b:1")
    count = 0
    now_s = 0.0
    while now_s < 1.0:
        step = machine.next_step(now_s)
        if isinstance(step, Wait):
            now_s = step.until_s
            continue
        count += 1
        other = "b:1" if step.address == "a:1" else "a:1"
        machine.probe_answered(step.address, 307, other, now_s)
    assert count < 60


def test_redirects_do_not_grow_the_list_without_bound():
    machine = session("a:1")
    for number in range(100):
        machine.probe_answered("a:1", 307, f"x:{number + 1}", 0.0)
    asked = set()
    now_s = 10.0
    for _ in range(1000):
        step = machine.next_step(now_s)
        if isinstance(step, Wait):
            now_s = step.until_s
        else:
            asked.add(step.address)
            machine.probe_answered(step.address, 503, None, now_s)
    assert len(asked) <= CANDIDATES_MAX + 100
    late = set()
    for _ in range(1000):
        step = machine.next_step(now_s)
        if isinstance(step, Wait):
            now_s = step.until_s
        else:
            late.add(step.address)
            machine.probe_answered(step.address, 503, None, now_s)
    assert len(late) == CANDIDATES_MAX


def test_node_that_refuses_connections_costs_no_time_but_only_once_around():
    machine = session()
    times = []
    now_s = 0.0
    while len(times) < 6:
        step = machine.next_step(now_s)
        if isinstance(step, Wait):
            now_s = step.until_s
            continue
        times.append(now_s)
        machine.probe_failed(step.address, now_s)
    assert times[0] == times[1] == times[2]
    assert 0.02 <= times[3] - times[2] <= 0.05
    assert times[3] == times[4] == times[5]


def test_loss_of_the_stream_is_followed_by_a_probe_at_once_lost_leader_last():
    machine = session()
    open_at(machine, "a:1")
    machine.stream_lost(100.0)
    asked = []
    now_s = 100.0
    for _ in range(3):
        step = machine.next_step(now_s)
        assert isinstance(step, Probe)
        asked.append(step.address)
        machine.probe_failed(step.address, now_s)
    assert asked[-1] == "a:1"


def test_probing_is_fast_again_after_each_loss():
    machine = session()
    probes(machine, 60.0, answer_s=0.001)
    open_at(machine, "a:1", 60.0)
    machine.stream_lost(70.0)
    assert isinstance(machine.next_step(70.0), Probe)
    step = machine.next_step(70.0)
    assert isinstance(step, Wait) and step.until_s <= 70.05


def test_gap_is_counted_from_loss_to_subscribed_also_over_failed_attempts():
    machine = session()
    open_at(machine, "a:1")
    assert (machine.failovers, machine.gaps_s) == (0, [])
    machine.stream_lost(10.0)
    machine.probe_answered("b:1", 405, None, 10.1)
    machine.subscribe_failed(10.2, may_happen=False)
    open_at(machine, "c:1", 10.5)
    assert (machine.failovers, machine.gaps_s) == (1, [0.5])
    assert machine.framework_id == "f-1"


def test_subscription_refused_for_good_ends_the_session():
    machine = session()
    machine.probe_answered("a:1", 405, None, 0.0)
    machine.subscribe_refused(400, "bad role", None, 0.1)
    assert machine.phase is Phase.ENDED
    assert isinstance(machine.error, ApiError)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_subscription_refused_for_now_is_tried_again(status):
    machine = session()
    machine.probe_answered("a:1", 405, None, 0.0)
    machine.subscribe_refused(status, "later", None, 0.1)
    assert machine.phase is Phase.SEEKING
    step = machine.next_step(0.1)
    assert isinstance(step, Wait) and step.until_s <= 0.15


def test_subscription_redirected_goes_to_the_node_named():
    machine = session()
    machine.probe_answered("a:1", 405, None, 0.0)
    machine.subscribe_refused(307, "", "c:1", 0.1)
    assert machine.next_step(0.1) == Probe("c:1")


def test_error_event_ends_the_session():
    machine = session()
    open_at(machine, "a:1")
    machine.error_received("Framework failed over", 1.0)
    assert machine.phase is Phase.ENDED
    assert isinstance(machine.error, FrameworkEndedError)


def test_failed_over_is_forgiven_once_after_a_doubtful_subscription():
    machine = session()
    machine.probe_answered("a:1", 405, None, 0.0)
    machine.subscribe_failed(3.0, may_happen=True)
    open_at(machine, "b:1", 4.0)
    machine.error_received("Framework failed over", 5.0)
    assert machine.phase is Phase.SEEKING
    open_at(machine, "b:1", 6.0)
    machine.error_received("Framework failed over", 7.0)
    assert machine.phase is Phase.ENDED


def test_failed_over_is_not_forgiven_long_after_a_doubtful_subscription():
    machine = session()
    machine.probe_answered("a:1", 405, None, 0.0)
    machine.subscribe_failed(3.0, may_happen=True)
    open_at(machine, "b:1", 4.0)
    machine.error_received("Framework failed over", 40.0)
    assert machine.phase is Phase.ENDED


def test_silence_is_measured_in_heartbeats():
    machine = session()
    machine.probe_answered("a:1", 405, None, 0.0)
    machine.subscribed(subscribed(heartbeat_s=5.0), 0.0)
    machine.heard(10.0)
    assert machine.silent_at_s == 12.0
    assert machine.lost_at_s == 25.0


def test_late_answers_of_probes_change_nothing_once_subscribed():
    machine = session()
    machine.next_step(0.0)
    open_at(machine, "a:1", 0.1)
    machine.probe_answered("b:1", 405, None, 0.2)
    machine.probe_answered("c:1", 307, "z:1", 0.2)
    assert machine.leader == "a:1"
    assert machine.phase is Phase.SUBSCRIBED
