"""The tree of roles, limits and guarantees."""

from __future__ import annotations

import random
from collections import Counter

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from raftleader.allocator.drf import DrfAllocator
from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.quota import QuotaAccounts
from raftleader.allocator.view import build_view
from raftleader.protocol.offers import Reserve
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resource_keys import Reservation, ResourceKind, key_of_kind
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.roles import role_holdings
from raftleader.state.trial import Trial


def _grants(trial: Trial, *, seed: int = 1) -> tuple[c.Grant, ...]:
    view = build_view(
        trial.state,
        connected_agents=set(trial.state.agents),
        streaming_frameworks=set(trial.state.frameworks),
        short_filters=ShortFilters(),
    )
    now_ms = trial.state.clock_ms
    return DrfAllocator().allocate(view, now_ms, random.Random(seed)).grants


def _commit(trial: Trial, grants: tuple[c.Grant, ...]) -> None:
    """Every grant must become an offer."""
    before = len(trial.state.offers)
    trial.accepted(c.GrantOffers(grants=grants, offer_timeout_ms=1_000))
    assert len(trial.state.offers) == before + len(grants)


def _agents(trial: Trial, count: int, resources: str = "cpus:4") -> None:
    for number in range(count):
        trial.register(resources, key=f"k{number}")


def _quota(trial: Trial, role: str, **quota: dict[str, int]) -> None:
    trial.accepted(o.SetQuotas(quotas={role: Quota(**quota)}, is_forced=True))


def _cpus(grants: tuple[c.Grant, ...]) -> Counter[str]:
    held: Counter[str] = Counter()
    for grant in grants:
        held[grant.role] += grant.resources.total("cpus")
    return held


def test_roles_above_compete_before_the_roles_below(trial: Trial) -> None:
    _agents(trial, 12)
    for role in ("eng/a", "eng/b", "eng/c", "ops"):
        trial.subscribe(roles=(role,))
    assert Counter(g.role for g in _grants(trial)) == {
        "ops": 6,
        "eng/a": 2,
        "eng/b": 2,
        "eng/c": 2,
    }


def test_weights_count_on_every_level(trial: Trial) -> None:
    _agents(trial, 12)
    for role in ("eng/a", "eng/b", "ops"):
        trial.subscribe(roles=(role,))
    trial.accepted(c.SetWeights(weights={"eng": 2_000, "eng/a": 3_000}))
    assert Counter(g.role for g in _grants(trial)) == {
        "ops": 4,
        "eng/a": 6,
        "eng/b": 2,
    }


def test_own_frameworks_of_a_role_compete_with_the_roles_below_it(
    trial: Trial,
) -> None:
    _agents(trial, 12)
    trial.accepted(c.SetWeights(weights={"eng": 5_000}))
    trial.subscribe(roles=("eng",))
    trial.subscribe(roles=("eng/a",))
    trial.subscribe(roles=("eng/a/x",))
    assert Counter(g.role for g in _grants(trial)) == {
        "eng": 6,
        "eng/a": 3,
        "eng/a/x": 3,
    }


def test_what_absent_frameworks_hold_counts_for_the_roles_above(trial: Trial) -> None:
    agent = trial.register("cpus:8", key="big")
    absent = trial.subscribe(roles=("eng/gone",))
    offer = trial.offer(absent, agent, "cpus:8", role="eng/gone")
    trial.launch(absent, offer, "t", resources="cpus:8")
    trial.accepted(c.SuppressRoles(framework_id=absent))
    _agents(trial, 2)
    trial.subscribe(roles=("eng/a",))
    trial.subscribe(roles=("ops",))
    assert Counter(g.role for g in _grants(trial)) == {"ops": 2}


def test_limit_is_never_exceeded_by_a_role_and_those_below_it(trial: Trial) -> None:
    _agents(trial, 5)
    _quota(trial, "eng", limits={"cpus": 10_000})
    for role in ("eng", "eng/a", "eng/b"):
        trial.subscribe(roles=(role,))
    grants = _grants(trial)
    assert sum(_cpus(grants).values()) == 10_000
    assert sorted(g.resources.total("cpus") for g in grants) == [2_000, 4_000, 4_000]
    _commit(trial, grants)
    assert _grants(trial) == ()


def test_limit_of_nothing_leaves_what_is_not_limited(trial: Trial) -> None:
    _agents(trial, 1, "cpus:4;mem:100;ports:[1-9]")
    _quota(trial, "a", limits={"cpus": 0})
    trial.subscribe(roles=("a",))
    (grant,) = _grants(trial)
    assert grant.resources == parse_resources("mem:100;ports:[1-9]")


def test_reservations_count_towards_the_limit_and_are_offered(trial: Trial) -> None:
    _agents(trial, 1, "cpus:8")
    kind = ResourceKind(name="cpus", reservations=(Reservation("DYNAMIC", "a"),))
    reserved = Resources.of({key_of_kind(kind): 3_000})
    trial.accepted(
        o.OperateOnAgent(agent_id="c-S2-0", operation=Reserve(resources=reserved))
    )
    _quota(trial, "a", limits={"cpus": 4_000})
    trial.subscribe(roles=("a",))
    (grant,) = _grants(trial)
    assert grant.resources == reserved + parse_resources("cpus:1")
    _commit(trial, (grant,))
    assert _grants(trial) == ()


def test_guarantee_is_laid_aside_while_nobody_takes_it(trial: Trial) -> None:
    _agents(trial, 5)
    _quota(trial, "web", guarantees={"cpus": 9_000})
    greedy = trial.subscribe(roles=("batch",))
    grants = _grants(trial)
    assert {g.framework_id for g in grants} == {greedy}
    assert sum(_cpus(grants).values()) == 11_000
    _commit(trial, grants)
    assert _grants(trial) == ()
    trial.subscribe(roles=("web",))
    grants = _grants(trial)
    assert _cpus(grants) == {"web": 9_000}


def test_guarantee_comes_before_fairness(trial: Trial) -> None:
    _agents(trial, 3)
    trial.accepted(c.SetWeights(weights={"batch": 1_000_000}))
    _quota(trial, "web", guarantees={"cpus": 6_000})
    for role in ("batch", "web"):
        trial.subscribe(roles=(role,))
    assert _cpus(_grants(trial)) == {"web": 6_000, "batch": 6_000}


def test_guarantee_is_met_by_reservations_too(trial: Trial) -> None:
    _agents(trial, 1, "cpus:4;cpus(web):4")
    _quota(trial, "web", guarantees={"cpus": 4_000})
    trial.subscribe(roles=("batch",))
    assert _cpus(_grants(trial)) == {"batch": 4_000}


def test_guarantees_of_others_do_not_keep_a_role_from_its_own(trial: Trial) -> None:
    """Too much is guaranteed; who comes first gets what is there."""
    _agents(trial, 1, "cpus:4")
    _quota(trial, "a", guarantees={"cpus": 4_000})
    _quota(trial, "b", guarantees={"cpus": 4_000})
    trial.subscribe(roles=("b",))
    assert _cpus(_grants(trial)) == {"b": 4_000}


def test_accounts_follow_the_agents_that_change(trial: Trial) -> None:
    _agents(trial, 3, "cpus:4;cpus(a/b):2")
    framework = trial.subscribe(roles=("a/b",))
    accounts = QuotaAccounts()
    agents = sorted(trial.state.agents)
    accounts.refresh(trial.state, agents[:2], None)
    assert (accounts.unheld, accounts.free) == (
        {"a": {"cpus": 6_000}},
        {"cpus": 8_000},
    )
    trial.offer(framework, agents[0], "cpus:1;cpus(a/b):2", role="a/b")
    trial.accepted(o.MarkAgentGone(agent_id=agents[2]))
    accounts.refresh(trial.state, agents[:2], [agents[0], agents[2]])
    assert (accounts.unheld, accounts.free) == (
        {"a": {"cpus": 2_000}},
        {"cpus": 7_000},
    )
    fresh = QuotaAccounts()
    fresh.refresh(trial.state, agents[:2], None)
    assert (fresh.unheld, fresh.free) == (accounts.unheld, accounts.free)


AMOUNTS = st.dictionaries(
    st.sampled_from(["cpus", "mem"]), st.sampled_from([0, 500, 3_000, 20_000])
)
RESOURCES = st.sampled_from(
    ["cpus:4;mem:40", "cpus:1", "mem:90", "cpus:2;cpus(a):2", "cpus(a/x):3;mem:9"]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    agents=st.lists(RESOURCES, min_size=1, max_size=6),
    roles=st.lists(
        st.sampled_from(["a", "a/x", "a/y", "b", "b/z"]), min_size=1, max_size=4
    ),
    limits=AMOUNTS,
    guarantees=AMOUNTS,
    seed=st.integers(0, 3),
)
def test_run_keeps_within_limits_and_keeps_guarantees(
    agents: list[str],
    roles: list[str],
    limits: dict[str, int],
    guarantees: dict[str, int],
    seed: int,
) -> None:
    trial = Trial()
    for number, resources in enumerate(agents):
        trial.register(resources, key=f"k{number}")
    for role in roles:
        trial.subscribe(roles=(role,))
    before = role_holdings(trial.state, "a").consumed
    _quota(trial, "a", limits=limits)
    _quota(trial, "b", guarantees=guarantees)

    grants = _grants(trial, seed=seed)
    _commit(trial, grants)

    holdings = role_holdings(trial.state, "a")
    for name, most in limits.items():
        offered = holdings.offered.get(name, 0)
        reserved = holdings.unused_reserved.get(name, 0)
        unreserved = offered - sum(
            millis
            for offer in trial.state.offers.values()
            if offer.role.startswith("a")
            for key, millis in offer.resources.scalars.items()
            if key.startswith(f"{name}(")
        )
        assert unreserved + reserved <= max(most, before.get(name, 0))
    # Of what is guaranteed to b it holds its part, or it is still there.
    unreserved_free: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for agent in trial.state.agents.values():
        for key, millis in agent.free.scalars.items():
            if "(" not in key:
                unreserved_free[key] += millis
        for key, millis in agent.total.scalars.items():
            if "(" not in key:
                there[key] += millis
    held = role_holdings(trial.state, "b").offered
    for name, millis in guarantees.items():
        kept = held.get(name, 0) + unreserved_free[name]
        assert kept >= min(millis, there[name])
