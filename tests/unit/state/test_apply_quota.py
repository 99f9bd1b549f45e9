from __future__ import annotations

import pytest

from raftleader.protocol.offers import Reserve
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resource_keys import Reservation, ResourceKind, key_of_kind
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.outcomes import Refusal, Rejected
from raftleader.state.roles import known_roles, role_holdings
from raftleader.state.trial import Trial


@pytest.fixture
def trial() -> Trial:
    return Trial()


def _refused(trial: Trial, role: str, **quota: dict[str, int]) -> Rejected:
    outcome = trial.one(o.SetQuotas(quotas={role: Quota(**quota)}))
    assert isinstance(outcome, Rejected)
    return outcome


def test_quota_is_set_and_an_empty_one_removes_it(trial: Trial) -> None:
    trial.register("cpus:4;mem:100")
    trial.accepted(
        o.SetQuotas(
            quotas={
                "web": Quota(limits={"cpus": 2_000}, guarantees={"cpus": 1_000}),
                "batch": Quota(limits={"mem": 0}),
            }
        )
    )
    assert list(trial.state.quotas) == ["batch", "web"]
    trial.accepted(o.SetQuotas(quotas={"web": Quota(guarantees={"cpus": 0})}))
    assert trial.state.quotas == {"batch": Quota(limits={"mem": 0})}


@pytest.mark.parametrize(
    ("role", "quota", "words"),
    [
        (
            "eng/web",
            {"limits": {"cpus": 1}},
            "Updating quota on nested role 'eng/web' is not supported yet",
        ),
        ("-x", {}, "Invalid QuotaConfig: Invalid 'QuotaConfig.role': must not begin"),
        (
            "a",
            {"limits": {"cpus": 1_000}, "guarantees": {"cpus": 2_000}},
            "Invalid QuotaConfig: 'QuotaConfig.guarantees' cpus:2 is not contained"
            " within the 'QuotaConfig.limits' cpus:1",
        ),
        ("a", {"limits": {"cpus": -1}}, "values must not be negative"),
        ("a", {"limits": {"mem": 2**41 * 1_000}}, "greater than 1 exabyte"),
        ("a", {"guarantees": {"cpus": 2 * 10**15}}, "greater than 1 trillion"),
        ("a", {"limits": {"cpus(b)": 1}}, "is no name of a resource"),
        ("a", {"limits": {str(n): 1 for n in range(65)}}, "more than 64 resources"),
    ],
)
def test_quota_is_refused_when_it_makes_no_sense(
    trial: Trial, role: str, quota: dict[str, dict[str, int]], words: str
) -> None:
    refused = _refused(trial, role, **quota)
    assert refused.refusal is Refusal.INVALID_QUOTA
    assert words in refused.message


def test_guarantees_beyond_capacity_need_force(trial: Trial) -> None:
    trial.register("cpus:4")
    trial.accepted(o.SetQuotas(quotas={"a": Quota(guarantees={"cpus": 3_000})}))
    refused = _refused(trial, "b", guarantees={"cpus": 2_000})
    assert refused.refusal is Refusal.QUOTA_EXCEEDS_CAPACITY
    assert refused.message == (
        "Invalid QuotaConfig: total quota guarantees 'cpus:5' exceed cluster capacity"
        " 'cpus:4' (use 'force' flag to bypass this check)"
    )
    forced = o.SetQuotas(
        quotas={"b": Quota(guarantees={"cpus": 2_000})}, is_forced=True
    )
    trial.accepted(forced)
    assert trial.state.quotas["b"] == Quota(guarantees={"cpus": 2_000})


def test_limits_below_consumption_need_force(trial: Trial) -> None:
    """What counts: tasks of the role and those below it, and its reservations."""
    agent = trial.register("cpus:8;cpus(eng):1")
    framework = trial.subscribe(roles=("eng/web", "eng"), capabilities=("MULTI_ROLE",))
    trial.launch(
        framework, trial.offer(framework, agent, "cpus:2", role="eng/web"), "t1", "t2"
    )
    kind = ResourceKind(name="cpus", reservations=(Reservation("DYNAMIC", "eng"),))
    reserve = Reserve(resources=Resources.of({key_of_kind(kind): 1_500}))
    trial.accepted(o.OperateOnAgent(agent_id=agent, operation=reserve))
    offered = trial.offer(framework, agent, "cpus:1", role="eng")

    holdings = role_holdings(trial.state, "eng")

    assert holdings.used == {"cpus": 2_000}
    assert holdings.offered == {"cpus": 1_000}
    assert holdings.reserved == holdings.unused_reserved == {"cpus": 2_500}
    assert holdings.consumed == {"cpus": 4_500}
    refused = _refused(trial, "eng", limits={"cpus": 4_499})
    assert refused.message == (
        "Invalid QuotaConfig: Role 'eng' is already consuming 'cpus:4.5'; this is more"
        " than the requested limits 'cpus:4.499' (use 'force' flag to bypass this"
        " check)"
    )
    trial.accepted(o.SetQuotas(quotas={"eng": Quota(limits={"cpus": 4_500})}))
    # The offer would break the limit if it were used.
    assert offered not in trial.state.offers


def test_offers_to_others_are_rescinded_for_a_guarantee(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    other = trial.subscribe()
    offers = [trial.offer(other, agent, "cpus:1") for _ in range(4)]
    trial.accepted(o.SetQuotas(quotas={"web": Quota(guarantees={"cpus": 2_000})}))
    assert list(trial.state.offers) == offers[2:]


def test_known_roles_are_all_that_anything_names_and_those_above(trial: Trial) -> None:
    trial.register("cpus:4;cpus(eng/db):1")
    trial.subscribe(roles=("a/b/c",))
    trial.accepted(o.SetQuotas(quotas={"web": Quota(limits={"cpus": 0})}))
    assert known_roles(trial.state) == [
        "*",
        "a",
        "a/b",
        "a/b/c",
        "eng",
        "eng/db",
        "web",
    ]


def test_offers_decided_before_a_limit_was_set_do_not_exceed_it(trial: Trial) -> None:
    agent = trial.register("cpus:8;cpus(eng):4")
    framework = trial.subscribe(roles=("eng/web",))
    trial.accepted(o.SetQuotas(quotas={"eng": Quota(limits={"cpus": 6_000})}))
    grants = tuple(
        c.Grant(
            framework_id=framework,
            role="eng/web",
            agent_id=agent,
            resources=parse_resources(resources),
        )
        for resources in ("cpus:3", "cpus:2", "cpus:2", "cpus:1", "cpus(eng):4")
    )
    trial.accepted(c.GrantOffers(grants=grants, offer_timeout_ms=1_000))
    made = [str(offer.resources) for offer in trial.state.offers.values()]
    # What is reserved is the role's, whatever its limit.
    assert made == ["cpus:3", "cpus:2", "cpus:1", "cpus(eng):4"]
