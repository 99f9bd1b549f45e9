"""What the whole level is for: a bug that is planted anywhere in the house is found."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import attrs
import msgspec
import pytest
import trio

from agent.containerizer.fake import FakeContainerizer
from chaos.checkers.accepts_once import AcceptsOnce
from chaos.checkers.equal_digests import EqualDigests
from chaos.checkers.launches_once import LaunchesOnce
from chaos.checkers.no_resource_twice import NoResourceTwice
from chaos.checkers.offers_accounted import OffersAccounted
from chaos.results import Verdict
from chaos.sim.disk import SimFile
from chaos.sim.options import Fault, Options
from chaos.sim.whole.history import FAILED
from chaos.sim.whole.judging import ANSWERED, ARRIVED, DONE
from chaos.sim.whole.node import Timeouts
from chaos.sim.whole.offers_judge import NAME as OFFERS
from chaos.sim.whole.run import run_options
from raftleader.leader.agent_duties import AgentDuties
from raftleader.leader.deliveries import Deliveries
from raftleader.leader.replica import Replica
from raftleader.leader.timers import Timers
from raftleader.protocol.resources import EMPTY
from raftleader.state import apply, apply_time, tables
from raftleader.state.outcomes import Accepted, Outcome

OPTIONS = Options(
    seed=2,
    level="whole",
    faults=(Fault.CRASH, Fault.CRASH_ALL, Fault.LOST_WRITES, Fault.FRAMEWORK_CRASH),
    nodes=3,
    agents=3,
    frameworks=3,
    seconds=10.0,
    pause_s=1.5,
    heartbeat_s=0.15,
    latency_s=(0.0005, 0.005),
    snapshot_entries=20,
    keep_entries=5,
)


def found(
    options: Options = OPTIONS,
    *,
    timeouts: Timeouts | None = None,
    liveness_s: float = 10.0,
) -> dict[str, str]:
    """The checkers that have found something, each with what it found first."""
    report = run_options(options, timeouts=timeouts, liveness_s=liveness_s)
    problems: dict[str, str] = {}
    for violation in report.violations:
        problems.setdefault(violation.checker, violation.message)
    return problems


def after_each_entry(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """``change(replica)`` is done by each node after each entry."""
    apply = Replica.apply

    def apply_and_change(self: Replica, index: int, term: int, data: bytes) -> object:
        result = apply(self, index, term, data)
        change(self)
        return result

    monkeypatch.setattr(Replica, "apply", apply_and_change)


def test_nothing_is_found_when_nothing_is_planted() -> None:
    assert found(liveness_s=90.0) == {}


def test_a_node_with_a_state_of_its_own_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = itertools.count(1)

    def change(replica: Replica) -> None:
        replica.state.weights["mine"] = next(numbers)

    after_each_entry(monkeypatch, change)
    assert "has digest" in found()[EqualDigests.name]


def test_an_account_that_forgets_offers_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def add_offer(state: Any, ctx: Any, offer: Any) -> None:
        original(state, ctx, offer)
        agent = state.agents[offer.agent_id]
        forgetful = msgspec.structs.replace(agent, offered=EMPTY)
        state.agents[offer.agent_id] = forgetful

    original = tables.add_offer
    monkeypatch.setattr("raftleader.state.apply_offers.add_offer", add_offer)
    assert "the account says" in found()[NoResourceTwice.name]


def test_a_task_that_is_started_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    start = FakeContainerizer.start_nowait

    def start_twice(self: FakeContainerizer, launch: Any) -> object:
        with_delay.append(launch)
        if len(with_delay) > 3:
            start(self, with_delay.pop(0))
        return start(self, launch)

    with_delay: list[Any] = []
    monkeypatch.setattr(FakeContainerizer, "start_nowait", start_twice)
    assert "again; it did at" in found()[LaunchesOnce.name]


def test_a_journal_that_does_not_sync_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered is in no file when the power goes everywhere at once."""
    monkeypatch.setattr(SimFile, "sync", lambda self: None)
    many = attrs.evolve(OPTIONS, faults=(Fault.CRASH_ALL, Fault.LOST_WRITES))
    assert found(attrs.evolve(many, seconds=20.0))


def test_an_offer_taken_back_without_a_word_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drop_silently(state: Any, ctx: Any, offer_ids: Any) -> None:
        for offer_id in sorted(offer_ids):
            tables.drop_offer(state, ctx, state.offers[offer_id])

    monkeypatch.setattr(apply_time, "rescind_offers", drop_silently)
    problems = found(timeouts=Timeouts(offer_s=1.0))
    assert "forgets offer" in problems[OffersAccounted.name]


def test_an_offer_that_is_not_sent_again_after_a_failover_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def greet_without_offers(self: Any, stream: Any, framework: Any) -> None:
        offers = self._state.offers_by_framework
        self._state.offers_by_framework = {}
        greet(self, stream, framework)
        self._state.offers_by_framework = offers

    greet = Deliveries.begin
    monkeypatch.setattr(Deliveries, "begin", greet_without_offers)
    calm = attrs.evolve(OPTIONS, faults=(Fault.TRANSFER,), pause_s=8.0, seconds=40.0)
    assert "was never sent offer" in found(calm)[OFFERS]


def test_updates_that_are_never_taken_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AgentDuties, "take_updates", lambda *arguments: None)
    problems = found()
    assert "never arrived" in problems[ARRIVED]
    assert "has not ended" in problems[DONE]


def test_an_answered_launch_that_is_in_no_log_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def apply_accept(state: Any, ctx: Any, command: Any) -> Outcome:
        return Accepted() if ctx.index % 2 == 0 else original(state, ctx, command)

    original = apply.apply_accept_offers
    monkeypatch.setattr(apply, "apply_accept_offers", apply_accept)
    problems = found()
    assert "was answered and is unknown now" in problems[ANSWERED]
    assert "neither launched nor refused" in problems[AcceptsOnce.name]


def test_a_service_that_dies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: Timers) -> None:
        await trio.sleep(1.0)
        raise ValueError("planted")

    monkeypatch.setattr(Timers, "run", run)
    assert "died: ValueError: planted" in found()[FAILED]


def test_an_error_in_the_log_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(replica: Replica) -> None:
        if replica.state.index == 5:
            logging.getLogger("raftleader.planted").error("planted")

    after_each_entry(monkeypatch, change)
    assert found()[FAILED] == "ERROR raftleader.planted: planted"


def test_a_run_in_which_nothing_happens_has_shown_nothing() -> None:
    quiet = attrs.evolve(OPTIONS, seconds=0.5, faults=())
    report = run_options(quiet)
    assert report.verdict is Verdict.UNKNOWN
    assert any(text.startswith("elections") for text in report.lacking)
