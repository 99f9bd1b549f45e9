"""What the simulation is for: a bug that is planted anywhere in the house is found."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import attrs
import msgspec
import pytest
import trio

from agent.containerizer.fake import FakeContainerizer
from chaos.results import Verdict
from chaos.sim.whole.world import Plan, simulate
from raftleader.leader.agent_duties import AgentDuties
from raftleader.leader.replica import Replica
from raftleader.leader.term import LeaderSettings
from raftleader.leader.timers import Timers
from raftleader.protocol.resources import EMPTY
from raftleader.replication.old_journal import Journal
from raftleader.state import apply_time, tables

SHORT = Plan(fault_s=6.0, settle_s=20.0)
SEED = 3


def found(plan: Plan = SHORT) -> dict[str, str]:
    """The checkers that have found something, each with its first problem."""
    report = simulate(SEED, plan)
    return {
        one.checker: one.problems[0]
        for one in report.results
        if one.verdict is Verdict.INVALID
    }


def after_each_entry(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """``change(replica)`` is done by each node after each entry."""
    apply = Replica.apply

    def apply_and_change(self: Replica, index: int, term: int, data: bytes) -> object:
        result = apply(self, index, term, data)
        change(self)
        return result

    monkeypatch.setattr(Replica, "apply", apply_and_change)


def test_nothing_is_found_when_nothing_is_planted() -> None:
    assert found(attrs.evolve(SHORT, settle_s=150.0)) == {}


def test_a_node_with_a_state_of_its_own_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = itertools.count(1)

    def change(replica: Replica) -> None:
        replica.state.weights.setdefault("mine", next(numbers))

    after_each_entry(monkeypatch, change)
    assert "the digests differ" in found()["replicas_agree"]


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
    assert "not the sum of offers" in found()["invariants_hold"]


def test_a_task_that_is_started_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    start = FakeContainerizer.start_nowait

    def start_twice(self: FakeContainerizer, launch: Any) -> object:
        start(self, launch)
        return start(self, launch)

    monkeypatch.setattr(FakeContainerizer, "start_nowait", start_twice)
    assert "was started 2 times" in found()["no_double_launch"]


def test_a_journal_that_does_not_write_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Journal, "sync", lambda self: None)
    assert set(found()) & {"nothing_answered_lost", "replicas_agree", "nothing_failed"}


def test_an_offer_taken_back_without_a_word_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drop_silently(state: Any, ctx: Any, offer_ids: Any) -> None:
        for offer_id in sorted(offer_ids):
            tables.drop_offer(state, ctx, state.offers[offer_id])

    monkeypatch.setattr(apply_time, "rescind_offers", drop_silently)
    hasty = LeaderSettings(offer_timeout_s=1.0, agent_timeout_s=8.0)
    problems = found(attrs.evolve(SHORT, fault_s=10.0, leaders=hasty))
    assert "silently forgotten" in problems["offers_survive"]


def test_updates_that_are_never_taken_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AgentDuties, "take_updates", lambda *arguments: None)
    problems = found()
    assert "never arrived" in problems["updates_in_order"]
    assert "has not ended" in problems["all_done"]


def test_a_service_that_dies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: Timers) -> None:
        await trio.sleep(1.0)
        raise ValueError("planted")

    monkeypatch.setattr(Timers, "run", run)
    assert "died: ValueError: planted" in found()["nothing_failed"]


def test_an_error_in_the_log_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(replica: Replica) -> None:
        if replica.state.index == 5:
            logging.getLogger("raftleader.planted").error("planted")

    after_each_entry(monkeypatch, change)
    assert found()["nothing_failed"] == "ERROR raftleader.planted: planted"


def test_a_run_in_which_nothing_breaks_has_shown_nothing() -> None:
    report = simulate(SEED, Plan(fault_s=0.01))
    assert report.verdict is Verdict.UNKNOWN
    assert "crashes: 0, want 1" in str(report)
