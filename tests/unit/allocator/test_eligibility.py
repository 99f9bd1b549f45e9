"""Who is offered what kind of resources, and of which machines."""

from __future__ import annotations

import random

from raftleader.allocator.drf import DrfAllocator
from raftleader.allocator.filters import ShortFilters
from raftleader.allocator.view import build_view
from raftleader.protocol.agents import AgentInfo, Attribute, Domain
from raftleader.protocol.constraints import Constraint, Predicate
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.offers import Create, Reserve
from raftleader.protocol.resource_keys import (
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.outcomes import Subscription
from raftleader.state.trial import Trial


def _grants(trial: Trial, *, region: str | None = None) -> tuple[c.Grant, ...]:
    view = build_view(
        trial.state,
        connected_agents=set(trial.state.agents),
        streaming_frameworks=set(trial.state.frameworks),
        short_filters=ShortFilters(),
        region=region,
    )
    now_ms = trial.state.clock_ms
    return DrfAllocator().allocate(view, now_ms, random.Random(1)).grants


def _commit(trial: Trial, grants: tuple[c.Grant, ...]) -> None:
    before = len(trial.state.offers)
    trial.accepted(c.GrantOffers(grants=grants, offer_timeout_ms=1_000))
    assert len(trial.state.offers) == before + len(grants)


def _kind(kind: ResourceKind, millis: int) -> Resources:
    return Resources.of({key_of_kind(kind): millis})


def test_machines_with_gpus_are_kept_for_those_who_handle_them(trial: Trial) -> None:
    trial.register("cpus:4;gpus:1", key="k1")
    plain = trial.register("cpus:4", key="k2")
    trial.subscribe()
    assert [g.agent_id for g in _grants(trial)] == [plain]
    able = trial.subscribe(capabilities=("GPU_RESOURCES",))
    grants = _grants(trial)
    assert len(grants) == 2
    (with_gpus,) = [g for g in grants if g.resources.total("gpus")]
    assert with_gpus.framework_id == able


def test_machine_whose_gpus_are_taken_is_kept_too(trial: Trial) -> None:
    agent = trial.register("cpus:4;gpus(web):1")
    framework = trial.subscribe(roles=("web",), capabilities=("GPU_RESOURCES",))
    trial.subscribe()
    trial.offer(framework, agent, "cpus:1;gpus(web):1", role="web")
    assert {g.framework_id for g in _grants(trial)} == {framework}


def test_other_regions_are_for_region_aware_frameworks(trial: Trial) -> None:
    eu, us = Domain(region="eu", zone="a"), Domain(region="us", zone="a")
    near = trial.register("cpus:4", key="k1", domain=eu)
    far = trial.register("cpus:4", key="k2", domain=us)
    nowhere = trial.register("cpus:4", key="k3")
    home = trial.subscribe()
    assert {g.agent_id for g in _grants(trial, region="eu")} == {near, nowhere}
    assert {g.agent_id for g in _grants(trial)} == {near, far, nowhere}
    aware = trial.subscribe(capabilities=("REGION_AWARE",))
    grants = {g.agent_id: g.framework_id for g in _grants(trial, region="eu")}
    assert grants[far] == aware
    assert set(grants.values()) <= {home, aware}


def test_revocable_and_refined_resources_are_for_those_who_know_them(
    trial: Trial,
) -> None:
    revocable = _kind(ResourceKind(name="cpus", is_revocable=True), 2_000)
    refined = _kind(
        ResourceKind(
            name="cpus",
            reservations=(
                Reservation("STATIC", "eng"),
                Reservation("DYNAMIC", "eng/web"),
            ),
        ),
        3_000,
    )
    plain = parse_resources("cpus:4;mem:100")
    machine = AgentInfo(
        hostname="h",
        ip="1.2.3.4",
        port=1,
        resources=plain + revocable + parse_resources("cpus(eng):3"),
    )
    trial.accepted(c.RegisterAgent(key="k", info=machine))
    (agent,) = trial.state.agents
    trial.accepted(
        o.OperateOnAgent(agent_id=agent, operation=Reserve(resources=refined))
    )
    for capabilities, seen in (
        ((), plain),
        (("REVOCABLE_RESOURCES",), plain + revocable),
        (("RESERVATION_REFINEMENT",), plain + refined),
    ):
        framework = trial.subscribe(roles=("eng/web",), capabilities=capabilities)
        (grant,) = _grants(trial)
        assert grant.resources == seen
        trial.accepted(c.TeardownFramework(framework_id=framework))


def test_shared_volume_is_offered_again_and_again_to_those_who_share(
    trial: Trial,
) -> None:
    volume = _kind(
        ResourceKind(
            name="disk",
            reservations=(Reservation("DYNAMIC", "a"),),
            volume=VolumeInfo(id="v", container_path="data"),
            is_shared=True,
        ),
        10_000,
    )
    agent = trial.register("cpus:4;disk:100")
    _make_shared(trial, agent, volume)
    trial.subscribe(roles=("a",))
    (grant,) = _grants(trial)
    assert grant.resources == parse_resources("cpus:4;disk:90")
    trial.accepted(c.TeardownFramework(framework_id=grant.framework_id))
    sharing = trial.subscribe(roles=("a",), capabilities=("SHARED_RESOURCES",))

    trial.offer(sharing, agent, "cpus:1", role="a")
    (grant,) = _grants(trial)

    assert grant.resources == parse_resources("cpus:3;disk:90") + volume
    _commit(trial, (grant,))
    assert trial.state.agents[agent].offered == parse_resources("cpus:4;disk:90")
    assert _grants(trial) == ()  # the volume alone is worth no offer


def _make_shared(trial: Trial, agent: AgentId, volume: Resources) -> None:
    reserved = _kind(
        ResourceKind(name="disk", reservations=(Reservation("DYNAMIC", "a"),)), 10_000
    )
    for operation in (Reserve(resources=reserved), Create(volumes=volume)):
        trial.accepted(o.OperateOnAgent(agent_id=agent, operation=operation))


def test_reservations_are_for_the_roles_below_too(trial: Trial) -> None:
    agent = trial.register("cpus(eng):4")
    trial.subscribe(roles=("ops",))
    assert _grants(trial) == ()
    below = trial.subscribe(roles=("eng/web",))
    (grant,) = _grants(trial)
    assert (grant.framework_id, grant.agent_id) == (below, agent)
    _commit(trial, (grant,))


def test_agents_are_hidden_from_roles_whose_constraints_exclude_them(
    trial: Trial,
) -> None:
    rack = (Attribute(name="rack", text="r1"),)
    one = trial.register("cpus:4", key="k1", attributes=rack)
    trial.register("cpus:4", key="k2")
    in_rack = Constraint(
        predicate=Predicate.TEXT_MATCHES, attribute="rack", text="r[0-9]"
    )
    value = trial.accepted(
        c.SubscribeFramework(
            info=FrameworkInfo(user="u", name="n", roles=("a",)),
            offer_constraints={"a": ((in_rack,),)},
        )
    ).value
    assert isinstance(value, Subscription)
    assert [g.agent_id for g in _grants(trial)] == [one]


def _subscribe_with(trial: Trial, *least: dict[str, int]) -> FrameworkId:
    return trial.subscribe(roles=("a",), offer_filters={"a": least})


def test_smallest_offer_is_what_the_framework_says(trial: Trial) -> None:
    trial.register("cpus:4;mem:100", key="k1")
    _subscribe_with(trial, {"cpus": 8_000}, {"mem": 200_000})
    assert _grants(trial) == ()
    big = trial.register("mem:200", key="k2")
    assert [g.agent_id for g in _grants(trial)] == [big]


def test_crumbs_are_offered_to_those_who_ask_for_them(trial: Trial) -> None:
    agent = trial.register("ports:[1-9]")
    trial.subscribe()
    assert _grants(trial) == ()
    modest = _subscribe_with(trial)
    (grant,) = _grants(trial)
    assert (grant.framework_id, grant.agent_id) == (modest, agent)
