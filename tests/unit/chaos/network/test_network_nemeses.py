"""Every nemesis of the network in real namespaces: what it says it did is measured,
and that nothing of it is left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.fake_world import FakeCluster, fake_world
from support.host_wires import (
    connections,
    hears_end,
    numbered,
    passing,
    round_trip_s,
)

from chaos.live.faults import Fault, Injection, Target
from chaos.live.seams import (
    DRIVER,
    ImpossibleError,
    Link,
    LinkFault,
    Nemesis,
    World,
    Wound,
)
from chaos.nemeses.network import flapping
from chaos.nemeses.network.catalog import network_nemeses
from chaos.network.hosted import HostedNetwork
from chaos.network.kinds import NetworkKind
from chaos.network.opening import open_network
from raftleader.cli.api_client import open_api_client

pytestmark = pytest.mark.usefixtures("own_network")

LEADERS = ("leader-1", "leader-2", "leader-3")
HOSTS = (*LEADERS, "agent-1", "agent-2", "framework-1", "framework-2")
EVERYBODY = (*HOSTS, DRIVER)
ALL_LINKS = {(a, b) for a in EVERYBODY for b in EVERYBODY if a != b}
BRIDGE, SWITCH = NetworkKind.BRIDGE, NetworkKind.SWITCH


class StatusCluster(FakeCluster):
    """Says how long the logs are; ``leader-1`` leads, as in any fake one."""

    first_index = 1
    last_index = 500

    async def statuses(self) -> Mapping[str, dict[str, Any] | None]:
        status = {
            "last_index": self.last_index,
            "commit_index": self.last_index,
            "log": {"first_index": self.first_index},
        }
        return {name: dict(status) for name in self.leaders}


@attrs.frozen
class Stage:
    """A world whose network is real."""

    network: HostedNetwork
    cluster: StatusCluster
    world: World

    async def inject(
        self, fault: Fault, target: Target, *, seed: int = 1, for_s: float = 3.0
    ) -> Wound:
        return await nemesis_of(fault).inject(
            Injection(
                number=7, fault=fault, target=target, at_s=0.0, for_s=for_s, seed=seed
            ),
            self.world,
        )

    async def is_whole(self) -> bool:
        assert self.network.names_in_force == ()
        return await passing(self.network, EVERYBODY) == ALL_LINKS


def nemesis_of(fault: Fault) -> Nemesis:
    return next(one for one in network_nemeses() if fault in one.faults)


@asynccontextmanager
async def stage(kind: NetworkKind, folder: Path) -> AsyncIterator[Stage]:
    async with (
        open_network(kind, HOSTS, 1) as network,
        open_api_client(["127.0.0.1:1"]) as client,
    ):
        assert isinstance(network, HostedNetwork)
        cluster = StatusCluster(folder, client)
        world = attrs.evolve(
            fake_world(folder, client), network=network, cluster=cluster
        )
        yield Stage(network, cluster, world)


def links_across(sides: list[list[str]]) -> set[Link]:
    return {
        (source, target)
        for one in sides
        for other in sides
        if one is not other
        for source in one
        for target in other
    }


def links_told(wound: Wound) -> set[Link]:
    """Which links a wound says are cut."""
    detail = wound.detail
    if "sides" in detail:
        return links_across(detail["sides"])
    if "ring" in detail:
        return links_across([[detail["ring"][0]], [detail["ring"][-1]]])
    if "last_index" in detail:
        rest = [name for name in HOSTS if name not in wound.targets]
        return links_across([list(wound.targets), rest])
    out = {(hit, far) for hit in wound.targets for far in detail["from"]}
    back = {link[::-1] for link in out}
    return {"not heard": out, "deaf": back, "both": out | back}[detail["direction"]]


@pytest.mark.parametrize(
    ("fault", "target", "kind"),
    [
        (Fault.PARTITION, Target.LEADER, BRIDGE),
        (Fault.PARTITION, Target.MAJORITY, SWITCH),
        (Fault.ONE_WAY, Target.LEADER, BRIDGE),
        (Fault.ONE_WAY, Target.ONE, SWITCH),
        (Fault.RING, Target.ALL, BRIDGE),
        (Fault.ISOLATION, Target.LEADER, BRIDGE),
        (Fault.AGENT_CUT, Target.AGENT, BRIDGE),
        (Fault.AGENT_CUT, Target.ALL, SWITCH),
        (Fault.FRAMEWORK_CUT, Target.FRAMEWORK, BRIDGE),
    ],
)
async def test_cut_stops_what_it_says_and_nothing_else_until_it_is_healed(
    fault: Fault, target: Target, kind: NetworkKind, tmp_path: Path
) -> None:
    async with stage(kind, tmp_path) as here:
        for seed in (1, 2):
            wound = await here.inject(fault, target, seed=seed)
            told = links_told(wound)
            assert told and wound.targets
            assert await passing(here.network, EVERYBODY) == ALL_LINKS - told
            await wound.heal()
            assert await here.is_whole()
        assert wound.means == ("nft" if kind is BRIDGE else "switch")
        if target is Target.LEADER:
            assert wound.targets == ("leader-1",)


@pytest.mark.parametrize(("seed", "way"), [(0, "swizzle"), (1, "together")])
async def test_flapping_cuts_and_mends_again_and_again_until_it_is_healed(
    seed: int, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flapping, "STEP_S", (0.05, 0.15))
    async with stage(BRIDGE, tmp_path) as here:
        wound = await here.inject(Fault.FLAPPING, Target.LEADER, seed=seed)
        assert wound.detail["way"] == way
        cut = {
            link for link in ALL_LINKS if "leader-1" in link and set(link) < {*LEADERS}
        }
        missing = [
            ALL_LINKS - await passing(here.network, EVERYBODY) for _ in range(10)
        ]
        assert all(links <= cut for links in missing)
        assert any(links == set() for links in missing)
        assert any(len(links) >= 2 for links in missing)
        healed = await wound.heal()
        assert healed["changes"] >= 5
        assert await here.is_whole()


async def test_isolation_tells_whether_the_node_will_need_a_snapshot(
    tmp_path: Path,
) -> None:
    async with stage(BRIDGE, tmp_path) as here:
        wound = await here.inject(Fault.ISOLATION, Target.ONE)
        assert wound.detail == {"last_index": 500}
        here.cluster.first_index, here.cluster.last_index = 502, 900
        assert await wound.heal() == {"snapshot_needed": True, "behind_entries": 400}
        wound = await here.inject(Fault.ISOLATION, Target.ONE)
        assert await wound.heal() == {"snapshot_needed": False, "behind_entries": 0}
        assert await here.is_whole()


@asynccontextmanager
async def hurt(
    here: Stage, fault: Fault, target: Target = Target.LEADER
) -> AsyncIterator[tuple[Link, dict[str, Any]]]:
    """A link that is hurt in its direction, and the numbers of the fault."""
    wound = await here.inject(fault, target, seed=3)
    hit = wound.targets[0]
    link = (hit, next(name for name in HOSTS if name not in wound.targets))
    if wound.detail["direction"] == "in":
        link = link[::-1]
    yield link, dict(wound.detail)
    assert await wound.heal() == {}
    assert await here.is_whole()
    assert [number for number, _ in await numbered(here.network, link, 200)] == list(
        range(200)
    )


@pytest.mark.parametrize("kind", [BRIDGE, SWITCH])
async def test_loss_loses_as_much_as_it_says(kind: NetworkKind, tmp_path: Path) -> None:
    async with stage(kind, tmp_path) as here, hurt(here, Fault.LOSS) as (link, how):
        arrived = len(await numbered(here.network, link, 600))
        # Eight deviations: at most 90 of 600.
        assert abs(arrived - 600 * (1 - how["loss"])) < 90 and arrived < 600


@pytest.mark.parametrize("kind", [BRIDGE, SWITCH])
async def test_bandwidth_lets_less_through_than_is_sent(
    kind: NetworkKind, tmp_path: Path
) -> None:
    async with (
        stage(kind, tmp_path) as here,
        hurt(here, Fault.BANDWIDTH) as (link, how),
    ):
        count = 2 * how["bytes_per_s"] // 1400
        arrived = await numbered(here.network, link, count, size=1400, wait_s=0.2)
        assert 10 < len(arrived) < 0.75 * count


async def test_delay_and_jitter_make_packets_late_by_what_they_say(
    tmp_path: Path,
) -> None:
    async with stage(SWITCH, tmp_path) as here:
        async with hurt(here, Fault.DELAY) as (link, how):
            assert how["delay_s"] <= await round_trip_s(here.network, link) < 0.5
        async with hurt(here, Fault.JITTER, Target.AGENT) as (link, how):
            arrived = await numbered(here.network, link, 20, wait_s=0.25)
            assert len(arrived) == 20
            assert how["jitter_s"] / 2 < arrived[-1][1] < how["jitter_s"] + 0.1


async def test_reorder_duplicate_and_corruption_do_what_they_say(
    tmp_path: Path,
) -> None:
    async with stage(SWITCH, tmp_path) as here:
        async with hurt(here, Fault.REORDER) as (link, _):
            numbers = [number for number, _ in await numbered(here.network, link, 300)]
            assert numbers != sorted(numbers) == list(range(300))
        async with hurt(here, Fault.DUPLICATE) as (link, how):
            count = len(await numbered(here.network, link, 300))
            assert abs(count - 300 * (1 + how["duplicate"])) < 70 and count > 300
        async with hurt(here, Fault.CORRUPTION, Target.FRAMEWORK) as (link, how):
            count = len(await numbered(here.network, link, 600))
            assert abs(count - 600 * (1 - how["corrupt"])) < 70 and count < 600


async def test_reset_ends_connections_of_the_hit_once_or_in_a_storm(
    tmp_path: Path,
) -> None:
    async with stage(BRIDGE, tmp_path) as here:
        async with connections(
            here.network, "leader-1", ("leader-2", "agent-1")
        ) as ends:
            wound = await here.inject(Fault.RESET, Target.LEADER, for_s=0.2)
            assert wound.detail["connections"] == 2 and not wound.detail["storm"]
            for pair in ends.values():
                assert await hears_end(pair[0]) and await hears_end(pair[1])
            assert await wound.heal() == {"resets": 1, "connections": 2}
        for seed in range(10):
            wound = await here.inject(Fault.RESET, Target.LEADER, seed=seed)
            if wound.detail["storm"]:
                break
            await wound.heal()
        async with connections(here.network, "leader-1", ("leader-2",)) as ends:
            assert await hears_end(ends["leader-2"][1], within_s=4.0)
        healed = await wound.heal()
        assert healed["resets"] >= 2 and healed["connections"] == 1


@pytest.mark.parametrize("kind", [BRIDGE, SWITCH])
async def test_half_open_ends_one_side_and_tells_the_other_nothing(
    kind: NetworkKind, tmp_path: Path
) -> None:
    async with (
        stage(kind, tmp_path) as here,
        connections(here.network, "leader-1", ("leader-2", "agent-1")) as ends,
    ):
        wound = await here.inject(Fault.HALF_OPEN, Target.LEADER)
        assert wound.detail["connections"] == 2
        own, far = ends["leader-2"]
        dead, deaf = (own, far) if wound.detail["side"] == "own" else (far, own)
        assert await hears_end(dead)
        assert not await hears_end(deaf, within_s=0.1)
        assert await here.is_whole()
        await deaf.send_all(b"are you there?")
        assert await hears_end(deaf)
        assert await wound.heal() == {}


async def test_nemesis_refuses_and_changes_nothing_when_the_network_cannot(
    tmp_path: Path,
) -> None:
    async with stage(BRIDGE, tmp_path) as here:
        for fault in (Fault.DELAY, Fault.CORRUPTION):
            with pytest.raises(ImpossibleError, match="--network bridge"):
                await here.inject(fault, Target.LEADER)
        here.cluster.leaders = ["leader-1"]
        for fault in (Fault.PARTITION, Fault.FLAPPING, Fault.ISOLATION, Fault.RING):
            with pytest.raises(ImpossibleError, match="leader node"):
                await here.inject(fault, Target.ALL)
        assert await here.is_whole()


async def test_nemesis_takes_back_what_it_began_when_it_is_cancelled(
    tmp_path: Path,
) -> None:
    async with stage(BRIDGE, tmp_path) as here:

        class SlowNetwork:
            """Is cancelled when a rule is in force already."""

            means, faults = here.network.means, here.network.faults
            clear = staticmethod(here.network.clear)
            reset = staticmethod(here.network.reset)

            async def apply(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
                await here.network.apply(name, rules)
                assert here.network.names_in_force == (name,)
                await trio.sleep_forever()

        world = attrs.evolve(here.world, network=SlowNetwork())  # type: ignore[arg-type]
        slow = Stage(here.network, here.cluster, world)
        for fault in (
            Fault.PARTITION,
            Fault.FLAPPING,
            Fault.HALF_OPEN,
            Fault.ISOLATION,
        ):
            with trio.move_on_after(0.1) as scope:
                await slow.inject(fault, Target.LEADER)
            assert scope.cancelled_caught
            assert here.network.names_in_force == ()
        assert await here.is_whole()
