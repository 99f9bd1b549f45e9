"""Real namespaces, on a bridge of the kernel and on our switch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from support.host_wires import (
    connections,
    hears_end,
    numbered,
    passing,
    round_trip_s,
)

import chaos
from chaos.live.seams import DRIVER, ImpossibleError, LinkFault
from chaos.machine import tools
from chaos.machine.capabilities import Ability, Machine
from chaos.machine.tools import namespace_flags
from chaos.network import bridge, hosts, namespaces
from chaos.network.kinds import NetworkKind
from chaos.network.namespaces import NetworkError
from chaos.network.opening import open_network

HOSTS = ("leader-1", "leader-2", "agent-1")
EVERYBODY = (*HOSTS, DRIVER)
ALL_LINKS = {(a, b) for a in EVERYBODY for b in EVERYBODY if a != b}
OUT, BACK = ("leader-1", "leader-2"), ("leader-2", "leader-1")
CUT = LinkFault(is_cut=True)

KINDS = pytest.mark.parametrize("kind", [NetworkKind.BRIDGE, NetworkKind.SWITCH])
pytestmark = pytest.mark.usefixtures("own_network")


def devices() -> set[str]:
    """Of the namespace in which this thread stands."""
    words = subprocess.run(
        ["ip", "-brief", "link"], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[0].partition("@")[0] for line in words.splitlines()}


@KINDS
async def test_network_joins_all_hosts_and_the_driver_until_it_is_closed(
    kind: NetworkKind,
) -> None:
    async with open_network(kind, HOSTS, 1) as network:
        assert network.means == kind.value
        assert await passing(network, EVERYBODY) == ALL_LINKS
        async with connections(network, "leader-1", ("leader-2", DRIVER)) as ends:
            for here, there in ends.values():
                await here.send_all(b"x" * 5000)
                await there.send_all(await there.receive_some(100))
                assert await here.receive_some(100)
        prefix = network.command_prefix("agent-1")
        told = await trio.run_process(
            [*prefix, "ip", "-o", "addr"], capture_stdout=True
        )
        assert network.ip("agent-1").encode() in told.stdout
        assert any(name.startswith("rlc") for name in devices())
    assert devices() == {"lo"}


@KINDS
async def test_cut_stops_one_direction_silently_until_it_is_cleared(
    kind: NetworkKind,
) -> None:
    async with open_network(kind, HOSTS, 1) as network:
        await network.apply("one", {OUT: CUT})
        assert await passing(network, EVERYBODY) == ALL_LINKS - {OUT}
        await network.clear("one")
        assert await passing(network, EVERYBODY) == ALL_LINKS


@KINDS
async def test_rules_of_another_name_stay_in_force_when_one_is_cleared(
    kind: NetworkKind,
) -> None:
    async with open_network(kind, HOSTS, 1) as network:
        await network.apply("one", {OUT: CUT, BACK: CUT})
        await network.apply("two", {OUT: CUT, ("agent-1", DRIVER): CUT})
        await network.clear("one")
        await network.clear("one")
        assert await passing(network, EVERYBODY) == ALL_LINKS - {
            OUT,
            ("agent-1", DRIVER),
        }
        await network.apply("two", {BACK: CUT})  # instead of what it was
        assert await passing(network, EVERYBODY) == ALL_LINKS - {BACK}


@KINDS
async def test_loss_loses_the_share_that_it_says(kind: NetworkKind) -> None:
    async with open_network(kind, HOSTS, 1) as network:
        assert len(await numbered(network, OUT, 500)) == 500
        await network.apply("loss", {OUT: LinkFault(loss=0.3)})
        # 350 on average; eight deviations of 10 either way.
        assert 270 < len(await numbered(network, OUT, 500)) < 430
        assert len(await numbered(network, BACK, 500)) == 500


@KINDS
async def test_bandwidth_lets_no_more_through_than_it_says(kind: NetworkKind) -> None:
    """The bridge lets a second's worth through first, the switch queues some."""
    async with open_network(kind, HOSTS, 1) as network:
        sent = 100 * 1400
        assert len(await numbered(network, OUT, 100, size=1400)) == 100
        await network.apply("slow", {OUT: LinkFault(bytes_per_s=70_000)})
        arrived = await numbered(network, OUT, 100, size=1400, wait_s=0.2)
        assert 0.2 * sent < len(arrived) * 1400 < 0.7 * sent
        assert len(await numbered(network, BACK, 100, size=1400)) == 100


@KINDS
async def test_reset_ends_connections_of_a_link_at_both_sides_and_no_others(
    kind: NetworkKind,
) -> None:
    async with (
        open_network(kind, HOSTS, 1) as network,
        connections(network, "leader-1", ("leader-2", "agent-1")) as ends,
    ):
        assert await network.reset([OUT]) == 1
        here, there = ends["leader-2"]
        assert await hears_end(here)
        assert await hears_end(there)
        assert not await hears_end(ends["agent-1"][1], within_s=0.05)


@KINDS
async def test_reset_is_not_heard_where_the_link_is_cut(kind: NetworkKind) -> None:
    async with (
        open_network(kind, HOSTS, 1) as network,
        connections(network, "leader-1", ("leader-2",)) as ends,
    ):
        await network.apply("cut", {OUT: CUT})
        assert await network.reset([OUT]) == 1
        await network.clear("cut")
        here, there = ends["leader-2"]
        assert await hears_end(here)
        assert not await hears_end(there, within_s=0.1)
        await there.send_all(b"are you there?")
        assert await hears_end(there)


async def test_switch_delays_and_scatters_as_it_is_told() -> None:
    async with open_network(NetworkKind.SWITCH, HOSTS, 1) as network:
        assert await round_trip_s(network, OUT) < 0.02
        await network.apply("late", {OUT: LinkFault(delay_s=0.08)})
        assert 0.08 <= await round_trip_s(network, OUT) < 0.15
        await network.apply("late", {OUT: LinkFault(jitter_s=0.1)})
        arrived = await numbered(network, OUT, 20, wait_s=0.2)
        assert [number for number, _ in arrived] == list(range(20))
        assert 0.03 < arrived[-1][1] < 0.2


async def test_switch_reorders_repeats_and_breaks_packets_as_it_is_told() -> None:
    async with open_network(NetworkKind.SWITCH, HOSTS, 1) as network:
        await network.apply("order", {OUT: LinkFault(reorder=0.2)})
        numbers = [number for number, _ in await numbered(network, OUT, 300)]
        assert numbers != sorted(numbers) and sorted(numbers) == list(range(300))
        await network.apply("order", {OUT: LinkFault(duplicate=0.2)})
        assert 320 < len(await numbered(network, OUT, 300)) < 400
        await network.apply("order", {OUT: LinkFault(corrupt=0.2)})
        # A checksum finds every broken one.
        arrived = [number for number, _ in await numbered(network, OUT, 300)]
        assert 200 < len(arrived) < 280 and arrived == sorted(arrived)


async def test_fault_is_refused_when_the_network_cannot_make_it() -> None:
    async with open_network(NetworkKind.BRIDGE, HOSTS, 1) as network:
        with pytest.raises(ImpossibleError, match="by bridge cannot do: delay"):
            await network.apply("late", {OUT: LinkFault(delay_s=0.1)})
        with pytest.raises(ValueError, match="no link"):
            await network.apply("far", {("leader-1", "leader-9"): CUT})
        assert await passing(network, EVERYBODY) == ALL_LINKS


@pytest.mark.parametrize("name", ["nft", "ss"])
async def test_network_is_refused_and_nothing_left_when_a_tool_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*names: str) -> str | None:
        return None if name in names else tools.find_tool(*names)

    for module in (bridge, hosts, namespaces):
        monkeypatch.setattr(module, "find_tool", find)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NetworkError, match=f"{name} is not installed"):
        async with open_network(NetworkKind.BRIDGE, HOSTS, 1):
            raise AssertionError
    assert devices() == {"lo"}
    assert len(os.listdir("/proc/self/fd")) == before


async def test_block_is_ended_when_the_switch_dies() -> None:
    with pytest.raises(NetworkError, match="ended by itself: signal SIGKILL"):
        async with open_network(NetworkKind.SWITCH, HOSTS, 1) as network:
            os.kill(network.joint.process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            await trio.sleep(10)
    assert devices() == {"lo"}


PROGRAM = """
import sys, trio
from chaos.live.seams import LinkFault
from chaos.network.opening import open_network

async def main(kind, is_held):
    async with open_network(kind, ["leader-1"], 1) as network:
        address = network.ip("leader-1")
        words = f"import socket; socket.create_server(({address!r}, 99))"
        prefix = network.command_prefix("leader-1")
        await trio.run_process([*prefix, sys.executable, "-c", words])
        await network.apply("cut", {("leader-1", "driver"): LinkFault(is_cut=True)})
        print(kind, flush=True)
        if is_held:
            await trio.sleep_forever()

for kind in sys.argv[2:]:
    trio.run(main, kind, sys.argv[1] == "hold")
"""


def program_environment() -> dict[str, str]:
    root = Path(chaos.__file__).resolve().parents[1]
    return {**os.environ, "PYTHONPATH": str(root)}


@KINDS
def test_killed_run_leaves_no_device_behind(kind: NetworkKind) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, "hold", kind.value],
        stdout=subprocess.PIPE,
        env=program_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert devices() > {"lo"}
        process.kill()
    deadline = time.monotonic() + 5.0
    while devices() != {"lo"} and time.monotonic() < deadline:
        time.sleep(0.02)
    assert devices() == {"lo"}


def test_networks_work_in_a_namespace_of_users(machine: Machine) -> None:
    if why := machine.missing(Ability.USER_NAMESPACES):
        pytest.skip(f"a capability is missing: {why}")
    done = subprocess.run(
        ["unshare", *namespace_flags(is_user=True),
         sys.executable, "-P", "-c", PROGRAM, "pass", "bridge", "switch"],
        capture_output=True,
        text=True,
        env=program_environment(),
        timeout=30,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["bridge", "switch"], "")
