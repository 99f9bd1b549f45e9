from __future__ import annotations

from typing import Any

import pytest

from raftleader.protocol.resources import Resources, parse_resources
from raftleader.state import commands as c
from raftleader.state.trial import OFFER_TIMEOUT_MS, Trial


def _grant(framework: str, agent: str, resources: str, role: str = "*") -> c.Grant:
    return c.Grant(
        framework_id=framework,
        agent_id=agent,
        role=role,
        resources=parse_resources(resources),
    )


def test_grant_offers_makes_one_offer_for_each_grant(trial: Trial) -> None:
    one = trial.register("cpus:4", key="k1")
    two = trial.register("cpus:2", key="k2")
    framework = trial.subscribe()

    trial.accepted(
        c.GrantOffers(
            grants=(_grant(framework, one, "cpus:4"), _grant(framework, two, "cpus:2")),
            offer_timeout_ms=OFFER_TIMEOUT_MS,
        )
    )

    assert list(trial.state.offers) == ["c-O5-0-0", "c-O5-0-1"]
    offer = trial.state.offers["c-O5-0-1"]
    assert (offer.agent_id, offer.granted_ms, offer.expires_ms) == (two, 1_000, 301_000)
    assert not trial.state.agents[two].free


@pytest.mark.parametrize(
    "change",
    [
        {"agent_id": "c-S9-9"},
        {"framework_id": "c-F9-9"},
        {"role": "db"},
        {"resources": parse_resources("cpus:5")},
        {"resources": parse_resources("gpus:1")},
        {"resources": Resources()},
        {"resources": Resources(scalars={"cpus": -1})},
        {"resources": parse_resources("cpus(db):1")},
    ],
)
def test_grant_offers_leaves_out_what_does_not_fit(
    trial: Trial, change: dict[str, Any]
) -> None:
    agent = trial.register("cpus:4;cpus(db):1")
    framework = trial.subscribe()
    fields = {
        "framework_id": framework,
        "agent_id": agent,
        "role": "*",
        "resources": parse_resources("cpus:1"),
    }
    bad = c.Grant(**{**fields, **change})
    good = c.Grant(**fields)

    trial.accepted(c.GrantOffers(grants=(bad, good), offer_timeout_ms=1_000))

    assert list(trial.state.offers) == ["c-O4-0-1"]


def test_grant_offers_gives_nothing_twice(trial: Trial) -> None:
    agent = trial.register("cpus:4;ports:[1-9]")
    framework = trial.subscribe()
    grants = (
        _grant(framework, agent, "cpus:3;ports:[1-5]"),
        _grant(framework, agent, "cpus:3"),
        _grant(framework, agent, "cpus:1;ports:[5-9]"),
        _grant(framework, agent, "cpus:1;ports:[6-9]"),
    )
    trial.accepted(c.GrantOffers(grants=grants, offer_timeout_ms=1_000))
    assert [key[-1] for key in trial.state.offers] == ["0", "3"]


@pytest.mark.parametrize("how", ["disconnected", "suppressed", "unreachable"])
def test_grant_offers_leaves_out_who_cannot_be_offered_now(
    trial: Trial, how: str
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    if how == "disconnected":
        trial.begin_term(2, "n2")
    elif how == "suppressed":
        trial.accepted(c.SuppressRoles(framework_id=framework))
    else:
        trial.accepted(c.MarkUnreachable(agent_ids=(agent,)))

    trial.accepted(
        c.GrantOffers(grants=(_grant(framework, agent, "cpus:1"),), offer_timeout_ms=1)
    )

    assert not trial.state.offers


@pytest.mark.parametrize(
    ("refuse_ms", "until_ms"),
    [
        (-5, None),
        (0, None),
        (60_000, None),
        (60_001, 61_001),
        (2**62, 1_000 + 365 * 24 * 3_600_000),
    ],
)
def test_decline_installs_a_durable_filter_when_it_is_long(
    trial: Trial, refuse_ms: int, until_ms: int | None
) -> None:
    agent = trial.register("cpus:4")
    framework = trial.subscribe()
    offer = trial.offer(framework, agent, "cpus:4")

    trial.accepted(
        c.DeclineOffers(
            framework_id=framework,
            offer_ids=(offer, offer, "c-O1-0-0"),
            refuse_ms=refuse_ms,
        )
    )

    filters = trial.state.frameworks[framework].filters
    assert [f.until_ms for f in filters] == ([] if until_ms is None else [until_ms])
    assert trial.state.agents[agent].free == parse_resources("cpus:4")


def test_decline_ignores_offers_of_other_frameworks(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    owner, other = trial.subscribe(), trial.subscribe()
    offer = trial.offer(owner, agent, "cpus:4")
    trial.accepted(c.DeclineOffers(framework_id=other, offer_ids=(offer,)))
    assert list(trial.state.offers) == [offer]
