"""Addresses of hosts, kinds of networks, and rules as text."""

from __future__ import annotations

import pytest

from chaos.live.faults import Fault
from chaos.live.seams import DRIVER, ImpossibleError, LinkFault
from chaos.network.kinds import NetworkKind, choose_network, needs_switch
from chaos.network.layout import lay_out
from chaos.network.nft import table_text
from chaos.network.opening import open_network


def test_layout_gives_every_host_an_address_by_its_kind_and_place() -> None:
    layout = lay_out(["leader-1", "leader-2", "agent-1", "framework-1", "odd"])
    found = {name: host.ip for name, host in layout.hosts.items()}
    assert found == {
        "driver": "10.77.0.1",
        "leader-1": "10.77.1.1",
        "leader-2": "10.77.1.2",
        "agent-1": "10.77.2.1",
        "framework-1": "10.77.3.1",
        "odd": "10.77.9.1",
    }
    assert layout.hosts["leader-2"].mac == "02:00:0a:4d:01:02"
    assert DRIVER not in [host.name for host in layout.others(DRIVER)]


def test_layout_is_refused_when_a_name_comes_twice_or_too_many_come() -> None:
    with pytest.raises(ValueError, match="two hosts are called 'agent-1'"):
        lay_out(["agent-1", "agent-1"])
    with pytest.raises(ValueError, match="more than 254"):
        lay_out([f"agent-{number}" for number in range(255)])


def test_table_replaces_the_whole_table_in_one_text() -> None:
    layout = lay_out(["leader-1", "leader-2"])
    there, back = ("leader-1", "leader-2"), ("leader-2", "leader-1")
    text = table_text(
        {
            there: LinkFault(is_cut=True, loss=0.5),
            back: LinkFault(loss=0.25, bytes_per_s=9000),
        },
        layout,
    )
    one, two = "02:00:0a:4d:01:01", "02:00:0a:4d:01:02"
    assert text.index("delete table bridge") < text.index("chain links")
    assert f"{{ {one} . {two} }} drop" in text
    match = f"ether saddr {two} ether daddr {one}"
    assert f"{match} numgen random mod 1000000 < 250000 drop" in text
    assert f"{match} limit rate over 9000 bytes/second drop" in text
    assert text.count(" drop") == 3  # what is cut need not be lost as well
    assert " drop" not in table_text({}, layout)


def test_network_is_chosen_by_what_the_faults_need_and_the_machine_has() -> None:
    everything = list(NetworkKind)
    assert choose_network([Fault.PARTITION], everything) is NetworkKind.BRIDGE
    assert choose_network([Fault.POWER_CUT], everything) is NetworkKind.BRIDGE
    late = [Fault.PARTITION, Fault.JITTER]
    assert needs_switch(late) and not needs_switch([Fault.LOSS, Fault.KILL])
    assert choose_network(late, everything) is NetworkKind.SWITCH
    few = [NetworkKind.PROXIES, NetworkKind.LOOPBACK]
    assert choose_network(late, few) is NetworkKind.PROXIES
    without_nft = [NetworkKind.SWITCH, NetworkKind.PROXIES]
    assert choose_network([Fault.PARTITION], without_nft) is NetworkKind.SWITCH
    assert choose_network(late, []) is NetworkKind.LOOPBACK


async def test_loopback_refuses_every_fault_and_has_one_address() -> None:
    async with open_network("loopback", ["leader-1", "leader-2"], 1) as network:
        assert network.ip("leader-1") == network.ip("driver") == "127.0.0.1"
        assert not network.command_prefix("leader-1") and not network.faults
        await network.apply("nothing", {("leader-1", "leader-2"): LinkFault()})
        with pytest.raises(ImpossibleError, match="by loopback cannot do: partition"):
            await network.apply(
                "cut", {("leader-1", "leader-2"): LinkFault(is_cut=True)}
            )
        assert await network.reset([("leader-1", "leader-2")]) == 0


async def test_network_of_proxies_is_opened_elsewhere() -> None:
    with pytest.raises(ValueError, match=r"chaos\.network\.proxies"):
        async with open_network("proxies", ["leader-1"], 1):
            raise AssertionError
