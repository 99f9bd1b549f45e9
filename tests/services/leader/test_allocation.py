"""When the allocator runs, and what the leader keeps for it from run to run."""

from __future__ import annotations

import random

import attrs
import pytest
import trio

from raftleader.allocator.drf import DrfAllocator
from raftleader.leader.allocation import Allocation
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.submitting import Settled
from raftleader.leader.tickets import PendingTicket
from raftleader.protocol.agents import AgentInfo, Attribute, Domain
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.offers import Launch, LaunchGroup, Reserve
from raftleader.protocol.operator_values import Quota
from raftleader.protocol.resource_keys import Reservation, ResourceKind, key_of_kind
from raftleader.protocol.resources import Resources, parse_resources
from raftleader.protocol.tasks import ExecutorInfo, ExecutorType
from raftleader.state import commands as c
from raftleader.state import operator_commands as o
from raftleader.state.trial import Trial


@attrs.define
class World:
    """A replica that applies at once what the allocation submits."""

    region: str | None = None
    trial: Trial = attrs.field(factory=Trial)
    allocation: Allocation = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        clock = ClusterClock(monotonic_s=trio.current_time, wall_ms=lambda: 0)
        state = self.trial.state
        self.allocation = Allocation(
            state,
            allocator=DrfAllocator(),
            clock=clock,
            rng=random.Random(1),
            submit=self.submit,
            connected_agents=lambda: state.agents.keys(),
            streaming_frameworks=lambda: state.frameworks.keys(),
            region=self.region,
        )

    def submit(self, command: c.Command, told: Settled | None = None) -> PendingTicket:
        ticket = PendingTicket(command, 0, trio.current_time(), told)
        ticket.settle(self.apply(command))
        return ticket

    def apply(self, command: c.Command) -> object:
        applied = self.trial.apply(command)
        self.allocation.on_applied(applied.touched)
        return applied.outcomes[0]

    def call(self, command: c.Command) -> None:
        """A call of a framework's, or an operator's."""
        told = self.allocation.told_of(command)
        self.allocation.on_submitted(command)
        ticket = PendingTicket(command, 0, trio.current_time(), told)
        ticket.settle(self.apply(command))  # type: ignore[arg-type]

    def register(self, resources: str, key: str = "k1", **info: object) -> AgentId:
        machine = AgentInfo(
            hostname="h",
            ip="127.0.0.1",
            port=1,
            resources=parse_resources(resources),
            **info,  # type: ignore[arg-type]
        )
        self.apply(c.RegisterAgent(key=key, info=machine))
        return self.trial.state.agent_ids_by_key[key]

    def offers(self) -> list[str]:
        return [str(offer.resources) for offer in self.trial.state.offers.values()]

    def decline_all(self, framework: FrameworkId, refuse_ms: int) -> None:
        self.call(
            c.DeclineOffers(
                framework_id=framework,
                offer_ids=tuple(self.trial.state.offers),
                refuse_ms=refuse_ms,
            )
        )


@pytest.fixture
async def world(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> World:
    world = World()
    nursery.start_soon(world.allocation.run)
    return world


async def _soon() -> None:
    """Well before the next look at everything."""
    await trio.sleep(0.02)


async def test_quota_holds_while_agents_come_and_go(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    world.trial.subscribe(roles=("eng/web",))
    world.apply(o.SetQuotas(quotas={"eng": Quota(limits={"cpus": 5_000})}))
    await _soon()
    for number in range(4):
        world.register("cpus:2", key=f"k{number}")
        await _soon()
    assert world.offers() == ["cpus:2", "cpus:2", "cpus:1"]
    world.apply(o.MarkAgentGone(agent_id=world.trial.state.agent_ids_by_key["k0"]))
    await trio.sleep(1.1)
    offered = [offer.resources for offer in world.trial.state.offers.values()]
    assert sum(part.total("cpus") for part in offered) == 5_000


async def test_guarantee_is_laid_aside_over_agents_that_did_not_change(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    world.apply(
        o.SetQuotas(quotas={"web": Quota(guarantees={"cpus": 3_000})}, is_forced=True)
    )
    world.trial.subscribe(roles=("batch",))
    world.register("cpus:2", key="k1")
    await _soon()
    assert world.offers() == []
    world.register("cpus:2", key="k2")
    await _soon()
    assert world.offers() == ["cpus:1"]


async def test_larger_limit_is_used_at_once(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    world.register("cpus:4")
    world.trial.subscribe(roles=("a",))
    world.call(o.SetQuotas(quotas={"a": Quota(limits={"cpus": 0})}))
    await trio.sleep(1.5)
    assert world.offers() == []
    world.call(o.SetQuotas(quotas={"a": Quota()}))
    await _soon()
    assert world.offers() == ["cpus:4"]


async def test_filters_are_forgotten_when_the_machine_changes(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    world.register("cpus:4")
    framework = world.trial.subscribe()
    await trio.sleep(1.1)
    world.decline_all(framework, 60_000)
    world.register("cpus:4")
    await trio.sleep(1.5)
    assert world.offers() == []
    world.register("cpus:4", attributes=(Attribute(name="rack", text="r"),))
    await _soon()
    assert world.offers() == ["cpus:4"]


async def test_filters_are_forgotten_when_a_role_is_no_longer_suppressed(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    world.register("cpus:4")
    framework = world.trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",))
    world.call(c.SuppressRoles(framework_id=framework, roles=("b",)))
    await trio.sleep(1.1)
    world.decline_all(framework, 60_000)
    info = world.trial.state.frameworks[framework].info

    def update(*suppressed: str) -> None:
        world.call(
            c.UpdateFramework(
                framework_id=framework, info=info, suppressed_roles=suppressed
            )
        )

    update("a", "b")
    await trio.sleep(1.5)
    assert world.offers() == []
    update("b")
    await _soon()
    assert world.offers() == ["cpus:4"]


def _reserved(millis: int) -> Resources:
    kind = ResourceKind(name="cpus", reservations=(Reservation("DYNAMIC", "a"),))
    return Resources.of({key_of_kind(kind): millis})


async def test_rest_of_an_accepted_offer_is_refused_for_a_while(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    agent = world.register("cpus:4;mem:400;disk:100")
    framework = world.trial.subscribe(roles=("a",))
    await trio.sleep(1.1)
    executor = ExecutorInfo(
        executor_id="e",
        type=ExecutorType.DEFAULT,
        framework_id=framework,
        resources=parse_resources("cpus:0.1;mem:32;disk:1"),
    )
    tasks = tuple(
        world.trial.task(name, agent, "cpus:1;mem:50", executor=executor)
        for name in ("g1", "g2")
    )
    single = world.trial.task("t1", agent, "cpus:0.5")
    world.call(
        c.AcceptOffers(
            framework_id=framework,
            offer_ids=tuple(world.trial.state.offers),
            operations=(
                LaunchGroup(executor=executor, tasks=tasks),
                Launch(tasks=(single,)),
                Reserve(resources=_reserved(1_000)),
            ),
            refuse_ms=30_000,
        )
    )
    assert len(world.trial.state.tasks) == 3
    await _soon()
    # What it reserved is no part of what it left; that comes with the rest.
    (offered,) = world.offers()
    assert offered.startswith("cpus:0.4;") and "cpus(a)" in offered


async def test_rest_without_news_is_not_offered_before_its_time(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    agent = world.register("cpus:4;mem:400")
    framework = world.trial.subscribe(roles=("a",))
    await trio.sleep(1.1)
    world.call(
        c.AcceptOffers(
            framework_id=framework,
            offer_ids=tuple(world.trial.state.offers),
            operations=(Launch(tasks=(world.trial.task("t1", agent),)),),
            refuse_ms=30_000,
        )
    )
    await trio.sleep(29)
    assert world.offers() == []
    await trio.sleep(2)
    assert world.offers() == ["cpus:3;mem:400"]


async def test_region_of_the_node_decides_what_is_near(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    world = World(region="eu")
    nursery.start_soon(world.allocation.run)
    near = world.register("cpus:1", domain=Domain(region="eu", zone="z"))
    world.register("cpus:2", key="k2", domain=Domain(region="us", zone="z"))
    world.call(
        c.SubscribeFramework(info=FrameworkInfo(user="u", name="n", roles=("a",)))
    )
    await trio.sleep(1.1)
    assert [o.agent_id for o in world.trial.state.offers.values()] == [near]


async def test_many_agents_are_looked_at_in_several_runs(
    world: World,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("raftleader.leader.allocation.CANDIDATES_MAX", 10)
    monkeypatch.setattr("raftleader.leader.allocation.STEPS_MAX", 20)
    for number in range(35):
        world.register("cpus:1", key=f"k{number}")
    world.trial.subscribe()
    world.allocation.look_at_all()
    await trio.sleep(0.004)
    assert 0 < len(world.trial.state.offers) <= 10
    await trio.sleep(0.1)
    assert len(world.trial.state.offers) == 35


async def test_ended_filters_are_looked_at_while_others_are_busy(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    world.register("cpus:4")
    framework = world.trial.subscribe()
    await trio.sleep(1.1)
    world.decline_all(framework, 3_000)
    for _ in range(12):
        await trio.sleep(0.4)
        world.register("cpus:0.001", key="busy")
    assert world.offers() == ["cpus:4"]


async def test_long_filter_ends_though_nothing_else_happens(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    for number in range(40):
        world.register("cpus:4", key=f"k{number}")
    framework = world.trial.subscribe()
    await trio.sleep(1.1)
    world.decline_all(framework, 90_000)
    await trio.sleep(89)
    assert world.offers() == []
    await trio.sleep(3)
    assert len(world.offers()) == 40
