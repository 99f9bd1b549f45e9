from __future__ import annotations

import random
from collections import Counter

from raftleader.allocator.drf import DrfAllocator
from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.interface import Allocator, Run
from raftleader.allocator.view import build_view
from raftleader.protocol.ids import AgentId
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resources import parse_resources
from raftleader.state import commands as c
from raftleader.state.operator_commands import SetQuotas
from raftleader.state.trial import Trial

ALLOCATOR: Allocator = DrfAllocator()


def _grants(
    trial: Trial,
    *,
    seed: int = 1,
    filters: ShortFilters | None = None,
    candidates: set[AgentId] | None = None,
) -> tuple[c.Grant, ...]:
    """One run with every agent connected and every framework streaming."""
    view = build_view(
        trial.state,
        connected_agents=set(trial.state.agents),
        streaming_frameworks=set(trial.state.frameworks),
        short_filters=filters or ShortFilters(),
        candidates=candidates,
    )
    now_ms = trial.state.clock_ms
    return ALLOCATOR.allocate(view, now_ms, random.Random(seed)).grants


def _commit(trial: Trial, grants: tuple[c.Grant, ...]) -> None:
    """Every grant must become an offer."""
    before = len(trial.state.offers)
    trial.accepted(c.GrantOffers(grants=grants, offer_timeout_ms=1_000))
    assert len(trial.state.offers) == before + len(grants)


def test_all_of_an_agent_goes_to_one_framework(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100;ports:[1-9]")
    framework = trial.subscribe()
    trial.subscribe()
    assert _grants(trial) == (
        c.Grant(
            framework_id=framework,
            role="*",
            agent_id=agent,
            resources=parse_resources("cpus:4;mem:100;ports:[1-9]"),
        ),
    )


def test_nothing_is_granted_when_nothing_is_free_or_nobody_asks(trial: Trial) -> None:
    assert _grants(trial) == ()
    trial.register("cpus:4")
    assert _grants(trial) == ()
    trial.subscribe()
    _commit(trial, _grants(trial))
    assert _grants(trial) == ()


def test_equal_frameworks_get_equal_parts(trial: Trial) -> None:
    for number in range(12):
        trial.register("cpus:4;mem:100", key=f"k{number}")
    frameworks = [trial.subscribe() for _ in range(3)]

    grants = _grants(trial)

    assert Counter(g.framework_id for g in grants) == dict.fromkeys(frameworks, 4)
    _commit(trial, grants)


def test_what_a_framework_holds_counts(trial: Trial) -> None:
    for number in range(4):
        trial.register("cpus:4", key=f"k{number}")
    rich, poor = trial.subscribe(), trial.subscribe()
    trial.launch(rich, trial.offer(rich, "c-S2-0", "cpus:2"), "t", resources="cpus:2")
    trial.offer(rich, "c-S2-0", "cpus:2")

    grants = _grants(trial)

    assert Counter(g.framework_id for g in grants) == {poor: 2, rich: 1}


def test_shares_are_of_the_dominant_resource(trial: Trial) -> None:
    """The example of the paper: 9 CPUs, 18 GB; A holds 3/9 CPU, B 12/18 memory."""
    agent = trial.register("cpus:9;mem:18000", key="k1")
    a, b = trial.subscribe(), trial.subscribe()
    trial.offer(a, agent, "cpus:3;mem:1000")
    trial.offer(b, agent, "cpus:1;mem:12000")
    (grant,) = _grants(trial)
    assert grant.framework_id == a


def test_roles_share_by_weight(trial: Trial) -> None:
    for number in range(12):
        trial.register("cpus:4", key=f"k{number}")
    trial.accepted(c.SetWeights(weights={"heavy": 3000}))
    trial.subscribe(roles=("light",))
    heavy = [trial.subscribe(roles=("heavy",)) for _ in range(2)]

    grants = _grants(trial)

    assert Counter(g.role for g in grants) == {"heavy": 9, "light": 3}
    parts = Counter(g.framework_id for g in grants if g.role == "heavy")
    assert sorted(parts.values()) == [4, 5]
    assert set(parts) == set(heavy)


def test_more_frameworks_do_not_make_a_role_richer(trial: Trial) -> None:
    for number in range(12):
        trial.register("cpus:4", key=f"k{number}")
    trial.subscribe(roles=("alone",))
    for _ in range(5):
        trial.subscribe(roles=("crowd",))
    assert Counter(g.role for g in _grants(trial)) == {"alone": 6, "crowd": 6}


def test_shares_are_compared_exactly(trial: Trial) -> None:
    """As floats, 1/3 of one resource and 1/3 of another may differ in the last bit."""
    agent = trial.register("cpus:0.003;mem:3000000000;disk:33", key="k1")
    a, b = trial.subscribe(), trial.subscribe()
    trial.offer(a, agent, "mem:1000000000")
    trial.offer(b, agent, "cpus:0.001")
    (grant,) = _grants(trial)
    assert grant.framework_id == a  # equal shares: the smaller id
    trial.offer(a, agent, "mem:0.001")
    (grant,) = _grants(trial)
    assert grant.framework_id == b  # the other's share is larger by 1/3e12


def test_reserved_resources_go_to_their_role_only(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100;cpus(web):2;ports(web):[1-5]")
    web = trial.subscribe(roles=("web",))
    other = trial.subscribe(roles=("*",))
    trial.accepted(c.SuppressRoles(framework_id=web))
    (grant,) = _grants(trial)
    assert (grant.framework_id, grant.resources) == (
        other,
        parse_resources("cpus:4;mem:100"),
    )
    _commit(trial, (grant,))
    trial.accepted(c.ReviveRoles(framework_id=web))

    (grant,) = _grants(trial)

    assert (grant.framework_id, grant.agent_id) == (web, agent)
    assert grant.resources == parse_resources("cpus(web):2;ports(web):[1-5]")
    _commit(trial, (grant,))


def test_what_one_role_leaves_goes_to_the_next_in_the_same_run(trial: Trial) -> None:
    trial.register("cpus:4;cpus(b):2")
    trial.subscribe(roles=("a",))
    trial.subscribe(roles=("b",))
    grants = _grants(trial)
    assert [(g.role, str(g.resources)) for g in grants] == [
        ("a", "cpus:4"),
        ("b", "cpus(b):2"),
    ]
    _commit(trial, grants)


def test_suppressed_roles_are_passed_over(trial: Trial) -> None:
    trial.register("cpus:4")
    framework = trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",))
    trial.accepted(c.SuppressRoles(framework_id=framework, roles=("a",)))
    (grant,) = _grants(trial)
    assert grant.role == "b"


def test_short_filters_are_honoured_until_they_end(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100")
    first, second = trial.subscribe(), trial.subscribe()
    filters = ShortFilters()
    for framework in (first, second):
        filters.add(framework, "*", agent, parse_resources("cpus:4;mem:100"), 6_000)
    trial.now_ms = 5_999
    trial.apply(c.PassTime())
    assert _grants(trial, filters=filters) == ()
    trial.now_ms = 6_000
    trial.apply(c.PassTime())
    assert len(_grants(trial, filters=filters)) == 1


def test_filter_hides_only_what_was_refused(trial: Trial) -> None:
    agent = trial.register("cpus:4;mem:100")
    framework = trial.subscribe()
    filters = ShortFilters()
    filters.add(framework, "*", agent, parse_resources("cpus:4;mem:99"), 6_000)
    assert len(_grants(trial, filters=filters)) == 1


def test_long_filters_are_honoured(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    shy, keen = trial.subscribe(), trial.subscribe()
    offer = trial.offer(shy, agent, "cpus:4")
    trial.accepted(
        c.DeclineOffers(framework_id=shy, offer_ids=(offer,), refuse_ms=90_000)
    )
    (grant,) = _grants(trial)
    assert grant.framework_id == keen
    trial.accepted(c.TeardownFramework(framework_id=keen))
    assert _grants(trial) == ()
    trial.now_ms += 90_000
    trial.apply(c.SetWeights(weights={}))  # not PassTime, which would drop the filter
    assert len(_grants(trial)) == 1


def test_only_candidates_are_visited(trial: Trial) -> None:
    trial.register("cpus:4", key="k1")
    changed = trial.register("cpus:4", key="k2")
    trial.subscribe()
    (grant,) = _grants(trial, candidates={changed})
    assert grant.agent_id == changed


def test_grants_follow_from_the_seed(trial: Trial) -> None:
    for number in range(9):
        trial.register("cpus:4", key=f"k{number}")
    for _ in range(3):
        trial.subscribe()
    assert _grants(trial, seed=5) == _grants(trial, seed=5)
    first_agents = {_grants(trial, seed=seed)[0].agent_id for seed in range(20)}
    assert len(first_agents) > 3


def test_run_ends_when_it_has_taken_so_many_steps(trial: Trial) -> None:
    agents = [trial.register("cpus:4", key=f"k{number}") for number in range(50)]
    for _ in range(3):
        trial.subscribe()
    view = build_view(
        trial.state,
        connected_agents=set(agents),
        streaming_frameworks=set(trial.state.frameworks),
        short_filters=ShortFilters(),
    )

    def run(steps_max: int | None) -> Run:
        return ALLOCATOR.allocate(view, 0, random.Random(1), steps_max=steps_max)

    part, whole = run(100), run(None)
    assert 5 < len(part.grants) < 45
    assert part.grants == whole.grants[: len(part.grants)]
    granted = {grant.agent_id for grant in part.grants}
    assert granted.isdisjoint(part.unvisited)
    assert granted | set(part.unvisited) == set(agents)
    assert whole.unvisited == ()
    assert run(1).grants


def test_run_with_guarantees_ends_too(trial: Trial) -> None:
    agents = [trial.register("cpus:4", key=f"k{number}") for number in range(50)]
    for role in ("a", "b"):
        trial.subscribe(roles=(role,))
    quota = SetQuotas(quotas={"a": Quota(guarantees={"cpus": 100_000})})
    trial.accepted(quota)
    view = build_view(
        trial.state,
        connected_agents=set(agents),
        streaming_frameworks=set(trial.state.frameworks),
        short_filters=ShortFilters(),
    )
    run = ALLOCATOR.allocate(view, 0, random.Random(1), steps_max=40)
    assert len(run.grants) == 10
    assert len(run.unvisited) == 40
