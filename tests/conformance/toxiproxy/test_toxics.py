"""What each toxic does on the wire, seen through the real server and through ours.

Times are real: bounds from below are what the toxic promises, those from above leave
room for a machine with other work.
"""

from __future__ import annotations

import pytest
import trio
from support.proxy_wire import Peers, ProxyApi, Stopwatch, Wire, dial

SLACK_S = 2.0


async def pair(
    api: ProxyApi, peers: Peers, port: int | None = None
) -> tuple[Wire, Wire]:
    """Client and server, with the proxy p between."""
    port = port or await api.proxy(peers.port)
    return await dial(port), await peers.next()


async def test_bytes_go_both_ways_unchanged(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    data = bytes(range(256)) * 4096
    async with trio.open_nursery() as nursery:
        for one, other in ((client, server), (server, client)):
            nursery.start_soon(one.send, data)

            async def check(end: Wire = other) -> None:
                assert await end.read(len(data)) == data

            nursery.start_soon(check)


async def test_half_a_close_closes_both_directions(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await client.send(b"last words")
    await client.stream.send_eof()
    assert await server.read(100) == b"last words"
    assert await client.end() in ("closed", "reset")


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
async def test_latency_delays_one_direction_only(
    api: ProxyApi, peers: Peers, stream: str
) -> None:
    client, server = await pair(api, peers)
    await api.add("latency", stream=stream, latency=150)
    ends = (client, server) if stream == "upstream" else (server, client)

    async def times(one: Wire, other: Wire) -> list[float]:
        times = []
        for _ in range(3):
            watch = Stopwatch()
            await one.send(b"x")
            assert await other.read(1) == b"x"
            times.append(watch.s)
        return times

    assert 0.145 <= min(await times(*ends)) < 0.15 + SLACK_S
    assert min(await times(*ends[::-1])) < 0.1


async def test_latency_does_not_add_up_over_a_stream(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    await api.add("latency", latency=150)
    watch = Stopwatch()
    for number in range(10):
        await server.send(bytes([number]))
        await trio.sleep(0.01)
    assert await client.read(10) == bytes(range(10))
    assert 0.2 < watch.s < 0.9


async def test_jitter_keeps_the_order_and_its_bounds(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    await api.add("latency", latency=60, jitter=50)
    times = []
    for number in range(12):
        watch = Stopwatch()
        await server.send(bytes([number]))
        assert await client.read(1) == bytes([number])
        times.append(watch.s)
    assert min(times) >= 0.009
    assert max(times) - min(times) > 0.02


async def test_latency_can_be_changed_and_taken_away_under_a_connection(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)

    async def echo_s() -> float:
        watch = Stopwatch()
        await server.send(b"x")
        await client.read(1)
        return watch.s

    name = await api.add("latency", latency=100)
    assert await echo_s() >= 0.095
    await api.change(name, latency=250)
    assert await echo_s() >= 0.245
    await api.remove(name)
    assert await echo_s() < 0.09


async def test_bytes_under_way_arrive_at_once_when_latency_is_taken_away(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    name = await api.add("latency", latency=60_000)
    for number in range(5):
        await server.send(bytes([number]))
        await trio.sleep(0.02)
    assert await client.is_silent(0.05)
    await api.remove(name)
    assert await client.read(5) == bytes(range(5))


async def test_bandwidth_is_kept(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await api.add("bandwidth", rate=100)
    watch = Stopwatch()
    await server.send(b"x" * 40_000)
    assert len(await client.read(40_000)) == 40_000
    assert 0.33 < watch.s < 0.4 + SLACK_S


async def test_bandwidth_of_nothing_holds_bytes_and_loses_none(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    name = await api.add("bandwidth", rate=0)
    await server.send(b"x" * 1000)
    assert await client.is_silent(0.3)
    await api.remove(name)
    assert await client.read(1000) == b"x" * 1000
    assert await client.is_silent(0.05)


async def test_slow_close_delays_the_end(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await api.add("slow_close", delay=300)
    await server.send(b"last words")
    await server.close()
    watch = Stopwatch()
    assert await client.read(10) == b"last words"
    assert watch.s < 0.28
    assert await client.end() == "closed"
    assert 0.28 < watch.s < 0.3 + SLACK_S


async def test_end_that_is_held_comes_when_slow_close_is_taken_away(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    name = await api.add("slow_close", delay=60_000)
    await server.close()
    assert await client.is_silent(0.1)
    await api.remove(name)
    assert await client.end() == "closed"


async def test_timeout_swallows_and_closes(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await api.add("timeout", timeout=150)
    await server.send(b"lost")
    watch = Stopwatch()
    assert await client.read(4) == b""
    assert 0.14 < watch.s < 0.15 + SLACK_S
    assert await server.end() in ("closed", "reset")


async def test_timeout_begins_anew_with_every_byte(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await api.add("timeout", timeout=250)
    for _ in range(4):
        await trio.sleep(0.1)
        await server.send(b"lost")
    watch = Stopwatch()
    assert await client.read(4) == b""
    assert watch.s > 0.2


async def test_timeout_of_nothing_swallows_until_it_goes_and_then_closes(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    name = await api.add("timeout", timeout=0, stream="upstream")
    await client.send(b"lost")
    assert await server.is_silent(0.2)
    await server.send(b"heard")
    assert await client.read(5) == b"heard"
    await api.remove(name)
    assert await server.end() == "closed"
    assert await client.end() in ("closed", "reset")


async def test_reset_peer_resets_connections_that_begin_then(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    await api.add("reset_peer", timeout=0)
    client, server = await pair(api, peers, port)
    assert await client.is_silent(0.05)
    await server.send(b"x")
    assert await client.end() == "reset"
    assert await server.end() == "reset"


async def test_reset_peer_only_closes_connections_that_were_there(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    await api.add("reset_peer", timeout=0)
    await server.send(b"x")
    assert await client.end() == "closed"


async def test_reset_peer_waits_for_its_time_and_cannot_be_stopped_then(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    name = await api.add("reset_peer", timeout=200)
    client, server = await pair(api, peers, port)
    watch = Stopwatch()
    await server.send(b"x")
    await trio.sleep(0.05)
    await api.remove(name)
    assert watch.s > 0.19
    assert await client.end() == "reset"


async def test_slicer_slices(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await api.add("slicer", average_size=100, size_variation=20, delay=20_000)
    data = bytes(range(250)) * 4
    watch = Stopwatch()
    await server.send(data)
    sizes, got = [], b""
    while len(got) < len(data):
        piece = await client.read_now()
        sizes.append(len(piece))
        got += piece
    assert got == data
    assert watch.s > 0.12
    assert len(sizes) >= 6
    assert max(sizes[:3]) <= 200


@pytest.mark.parametrize("limit", [0, 50, 100])
async def test_limit_data_ends_after_its_bytes(
    api: ProxyApi, peers: Peers, limit: int
) -> None:
    client, server = await pair(api, peers)
    await server.send(b"before")
    await client.read(6)
    await api.add("limit_data", bytes=limit)
    await server.send(b"x" * 30)
    if limit > 30:
        assert await client.read(30) == b"x" * 30
        assert await client.is_silent(0.05)
        await server.send(b"y" * 70)
    assert len(await client.read(1000)) == limit - (30 if limit > 30 else 0)


async def test_limit_data_counts_on_when_it_is_changed(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    name = await api.add("limit_data", bytes=50)
    await server.send(b"x" * 30)
    assert len(await client.read(30)) == 30
    await api.change(name, bytes=40)
    await server.send(b"y" * 30)
    assert await client.read(30) == b"y" * 10


@pytest.mark.parametrize(
    ("toxicity", "low", "high"), [(0, 0, 0), (0.5, 5, 35), (1, 40, 40)]
)
async def test_toxicity_is_drawn_for_each_connection(
    api: ProxyApi, peers: Peers, toxicity: float, low: int, high: int
) -> None:
    port = await api.proxy(peers.port)
    await api.add("limit_data", bytes=0, toxicity=toxicity)
    hit = 0
    for _ in range(40):
        client, server = await pair(api, peers, port)
        await server.send(b"x")
        hit += await client.read(1) == b""
        await client.close()
        await server.close()
    assert low <= hit <= high


async def test_toxics_act_in_the_order_they_came(api: ProxyApi, peers: Peers) -> None:
    client, server = await pair(api, peers)
    await api.add("limit_data", bytes=10, name="first")
    await api.add("latency", latency=150, name="second")
    watch = Stopwatch()
    await server.send(b"x" * 20)
    assert await client.read(20) == b"x" * 10
    assert 0.14 < watch.s < 0.15 + SLACK_S


async def test_toxic_in_the_middle_can_go_without_loss(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    for name in ("a", "b", "c"):
        await api.add("latency", latency=100, name=name)
    await server.send(b"1")
    await api.remove("b")
    await server.send(b"2")
    assert await client.read(2) == b"12"


async def test_toxics_change_at_full_speed_without_loss(
    api: ProxyApi, peers: Peers
) -> None:
    client, server = await pair(api, peers)
    data = bytes(range(256)) * 8000
    got = b""

    async def read() -> None:
        nonlocal got
        got = await client.read(len(data), timeout_s=30)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(server.stream.send_all, data)
        for turn in range(15):
            await api.add("latency", latency=turn % 3, name="l")
            await api.add("slicer", average_size=9000, delay=0, name="s")
            await api.change("l", latency=1)
            await api.add("bandwidth", rate=50_000, name="b")
            for name in ("s", "b", "l"):
                await api.remove(name)
    assert got == data
