from __future__ import annotations

import pytest

from raftleader.limits import RESCIND_MEMORY_S
from raftleader.state import commands as c
from raftleader.state import queries
from raftleader.state.outcomes import Refusal, Rejected
from raftleader.state.trial import OFFER_TIMEOUT_MS, Trial


def test_begin_term_gives_connected_frameworks_a_minute_or_their_own_time(
    trial: Trial,
) -> None:
    short = trial.subscribe(failover_timeout_ms=0)
    long = trial.subscribe(failover_timeout_ms=600_000)

    trial.begin_term(2, "n2")

    frameworks = trial.state.frameworks
    assert not frameworks[short].connected
    assert frameworks[short].deadline_ms == 1_000 + 60_000
    assert frameworks[long].deadline_ms == 1_000 + 600_000


def test_begin_term_leaves_running_deadlines_alone(trial: Trial) -> None:
    framework = trial.subscribe(failover_timeout_ms=30_000)
    subscription = trial.state.frameworks[framework].subscription
    trial.accepted(
        c.DisconnectFramework(framework_id=framework, subscription=subscription)
    )
    trial.now_ms += 29_000

    trial.begin_term(2, "n2")

    assert trial.state.frameworks[framework].deadline_ms == 31_000
    trial.pass_time(1_000)
    assert framework in trial.state.removed_frameworks


def test_begin_term_keeps_outstanding_offers(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    trial.begin_term(2, "n2")
    assert list(trial.state.offers) == [offer]


def test_pass_time_rescinds_an_offer_at_its_time_and_not_before(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")
    assert queries.next_deadline_ms(trial.state) == 1_000 + OFFER_TIMEOUT_MS

    trial.pass_time(OFFER_TIMEOUT_MS - 1)
    assert offer in trial.state.offers
    applied = trial.pass_time(1)

    assert applied.touched.offers == {offer}
    assert not trial.state.offers
    (rescinded,) = trial.state.frameworks[framework].rescinds
    assert (rescinded.offer_id, rescinded.at_ms) == (offer, 1_000 + OFFER_TIMEOUT_MS)
    assert trial.state.agents[agent].free.scalars == {"cpus": 4000}


def test_pass_time_forgets_old_rescinds_and_filters(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    trial.offer(framework, agent, "cpus:2")
    trial.pass_time(OFFER_TIMEOUT_MS)
    offer = trial.offer(framework, agent, "cpus:2")
    trial.accepted(
        c.DeclineOffers(framework_id=framework, offer_ids=(offer,), refuse_ms=90_000)
    )

    trial.pass_time(89_999)
    assert trial.state.frameworks[framework].filters
    trial.pass_time(1)
    assert not trial.state.frameworks[framework].filters
    assert trial.state.frameworks[framework].rescinds
    trial.pass_time(int(RESCIND_MEMORY_S * 1000))
    assert not trial.state.frameworks[framework].rescinds


def test_next_deadline_is_none_when_nothing_waits(trial: Trial) -> None:
    trial.subscribe()
    assert queries.next_deadline_ms(trial.state) is None


def test_update_of_weights_leaves_those_that_it_does_not_name(trial: Trial) -> None:
    """Each is made of what the log says, not of what its sender had read: a change
    whose answer was lost is not undone by the next."""
    trial.accepted(c.SetWeights(weights={"web": 2000, "db": 500}))
    trial.accepted(c.SetWeights(weights={"api": 3000}, is_update=True))
    trial.accepted(c.SetWeights(weights={"db": 700}, is_update=True))
    assert trial.state.weights == {"api": 3000, "db": 700, "web": 2000}


def test_set_weights_replaces_all_weights(trial: Trial) -> None:
    trial.accepted(c.SetWeights(weights={"web": 2000, "db": 500}))
    assert trial.state.weights == {"db": 500, "web": 2000}
    trial.accepted(c.SetWeights(weights={"web": 3000}))
    assert trial.state.weights == {"web": 3000}


@pytest.mark.parametrize(
    "weights", [{"web": 0}, {"web": -5}, {"a//b": 1000}, {"web": 10**12}]
)
def test_set_weights_is_rejected_when_one_is_unusable(
    trial: Trial, weights: dict[str, int]
) -> None:
    outcome = trial.one(c.SetWeights(weights=weights))
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.INVALID_WEIGHTS
    assert trial.state.weights == {}
