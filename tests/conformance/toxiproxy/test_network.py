"""Faults on links of loopback, seen by who talks over them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from support.proxy_wire import Peers, ProxyApi, Stopwatch, Wire, open_peers

from chaos.live.seams import DRIVER, ImpossibleError, LinkFault
from chaos.network import proxy_network
from chaos.network.proxies import open_proxies_of
from chaos.network.proxy_network import ProxyNetwork
from chaos.proxy.control import Control, Server

CUT = LinkFault(is_cut=True)


@attrs.frozen
class Ground:
    """Leader nodes ``a`` and ``b`` that dial each other, agent ``x`` that dials a."""

    network: ProxyNetwork
    a: Peers
    b: Peers

    def address(self, source: str, target: str) -> str:
        """Where ``source`` must dial."""
        return self.network.via(source, target, f"127.0.0.1:{self.peers(target).port}")

    async def wire(self, source: str, target: str) -> tuple[Wire, Wire]:
        address = self.address(source, target)
        await self.network.apply("made", {})
        near = await dial_at(address)
        far = await self.peers(target).next()
        return near, far

    def peers(self, name: str) -> Peers:
        return self.a if name == "a" else self.b


@pytest.fixture
async def ground(api: ProxyApi) -> AsyncIterator[Ground]:
    control = Control(Server("127.0.0.1", api.port))
    hosts = ["a", "b", "x"]
    async with (
        open_peers() as a,
        open_peers() as b,
        open_proxies_of(control, "server", hosts, 5) as network,
    ):
        yield Ground(network, a, b)


async def dial_at(address: str) -> Wire:
    host, _, port = address.rpartition(":")
    return Wire(await trio.open_tcp_stream(host, int(port)))


async def arrives(one: Wire, other: Wire) -> bool:
    await one.send(b"x")
    with trio.move_on_after(0.15):
        return await other.read(1) == b"x"
    return False


async def test_one_way_cut_holds_bytes_until_it_is_over(ground: Ground) -> None:
    ab, ba_far = await ground.wire("a", "b")
    ba, ab_far = await ground.wire("b", "a")
    await ground.network.apply("one-way", {("a", "b"): CUT})
    # On links that a dialled, and on those that b dialled.
    assert not await arrives(ab, ba_far)
    assert not await arrives(ab_far, ba)
    assert await arrives(ba, ab_far)
    assert await arrives(ba_far, ab)
    await ground.network.clear("one-way")
    assert await ba_far.read(1) == b"x"
    assert await ba.read(1) == b"x"


async def test_end_of_a_connection_does_not_pass_a_cut(ground: Ground) -> None:
    near, far = await ground.wire("x", "a")
    await ground.network.apply("cut", {("x", "a"): CUT, ("a", "x"): CUT})
    await near.close()
    assert await far.is_silent(0.2)
    await ground.network.clear("cut")
    assert await far.end() in ("closed", "reset")


async def test_link_that_begins_in_a_cut_is_whole_after_it(ground: Ground) -> None:
    await ground.wire("x", "a")
    await ground.network.apply("cut", {("x", "a"): CUT, ("a", "x"): CUT})
    near, far = await ground.wire("x", "a")
    assert not await arrives(near, far)
    await ground.network.clear("cut")
    assert await far.read(1) == b"x"
    assert await arrives(far, near)


async def test_faults_of_several_names_add_up_and_end_one_by_one(
    ground: Ground,
) -> None:
    near, far = await ground.wire("x", "a")

    async def there_s() -> float:
        watch = Stopwatch()
        await near.send(b"x")
        await far.read(1)
        return watch.s

    await ground.network.apply("one", {("x", "a"): LinkFault(delay_s=0.1)})
    await ground.network.apply("two", {("x", "a"): LinkFault(delay_s=0.1)})
    assert ground.network.names_in_force == ("made", "one", "two")
    assert await there_s() > 0.195
    await ground.network.clear("two")
    assert 0.095 < await there_s() < 0.19
    await ground.network.apply("one", {("x", "a"): LinkFault(delay_s=0.01)})
    await ground.network.clear("two")
    assert 0.009 < await there_s() < 0.09
    await ground.network.clear("one")
    assert await arrives(near, far)


async def test_bandwidth_is_of_one_direction(ground: Ground) -> None:
    near, far = await ground.wire("x", "a")
    await ground.network.apply("slow", {("x", "a"): LinkFault(bytes_per_s=100_000)})
    watch = Stopwatch()
    await far.send(b"x" * 30_000)
    await near.read(30_000)
    fast_s = watch.s
    await near.send(b"x" * 30_000)
    await far.read(30_000)
    assert watch.s - fast_s > 0.25


async def test_reset_ends_what_is_there_and_resets_what_begins(
    ground: Ground,
) -> None:
    near, far = await ground.wire("x", "a")
    ends = []

    async def again_and_again() -> None:
        assert await near.end() in ("closed", "reset")
        assert await far.end() in ("closed", "reset")
        ends.append(await (await dial_at(ground.address("x", "a"))).end())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(again_and_again)
        assert await ground.network.reset([("x", "a")]) == 1
    assert ends == ["reset"]
    await ground.a.next()
    near, far = await ground.wire("x", "a")
    assert await arrives(near, far)


async def test_reset_behind_a_cut_leaves_the_other_side_in_the_dark(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_network, "HALF_OPEN_S", 1.0)
    monkeypatch.setattr(proxy_network, "RESET_S", 0.05)
    near, far = await ground.wire("x", "a")
    both = {("x", "a"): CUT, ("a", "x"): CUT}
    await ground.network.apply("half", both)
    await ground.network.reset([("x", "a")])
    await ground.network.clear("half")
    assert await near.end() in ("closed", "reset")
    await far.send(b"is anybody there")
    assert await far.is_silent(0.3)
    assert await far.end() in ("closed", "reset")
    near, far = await ground.wire("x", "a")
    assert await arrives(near, far)


async def test_driver_dials_directly_and_others_always_the_same_way(
    ground: Ground,
) -> None:
    network = ground.network
    address = f"127.0.0.1:{ground.a.port}"
    assert network.via(DRIVER, "a", address) == address
    assert network.via("a", DRIVER, address) == address
    assert network.via("x", "a", address) == network.via("x", "a", address)
    assert network.via("b", "a", address) != network.via("x", "a", address)
    assert network.ip("a") == "127.0.0.1"
    assert network.command_prefix("a") == ()
    assert network.means == "proxies"


async def test_links_that_nobody_uses_can_be_cut_too(ground: Ground) -> None:
    near, far = await ground.wire("x", "a")
    await ground.network.apply("cut", {("x", "b"): CUT, ("b", "x"): CUT})
    assert await arrives(near, far)


async def test_what_cannot_be_done_is_refused_and_changes_nothing(
    ground: Ground,
) -> None:
    near, far = await ground.wire("x", "a")
    for fault in (LinkFault(loss=0.1), LinkFault(corrupt=0.1), LinkFault(reorder=1)):
        with pytest.raises(ImpossibleError, match="proxies cannot do"):
            await ground.network.apply("bad", {("x", "a"): fault})
    with pytest.raises(ValueError, match="no link"):
        await ground.network.apply("bad", {("x", "nobody"): CUT})
    assert ground.network.names_in_force == ("made",)
    assert await arrives(near, far)
