"""What becomes of listeners and connections, with the real server and with ours."""

from __future__ import annotations

import pytest
import trio
from support.proxy_wire import Peers, ProxyApi, dial, is_refused, open_peers


async def test_proxy_that_is_down_closes_and_keeps_its_port(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    client, server = await dial(port), await peers.next()
    await api.call("POST", "/proxies/p", {"enabled": False})
    assert await client.end() == "closed"
    assert await server.end() == "closed"
    assert await is_refused(port)
    await api.call("POST", "/proxies/p", {"enabled": True})
    client, server = await dial(port), await peers.next()
    await client.send(b"again")
    assert await server.read(5) == b"again"


async def test_proxy_that_is_made_disabled_listens_when_it_is_enabled(
    api: ProxyApi, peers: Peers
) -> None:
    shown = await api.call(
        "POST",
        "/proxies",
        {
            "name": "p",
            "listen": "127.0.0.1:0",
            "upstream": f"127.0.0.1:{peers.port}",
            "enabled": False,
        },
    )
    assert shown["listen"] == "127.0.0.1:0"
    shown = await api.call("PATCH", "/proxies/p", {"enabled": True})
    await dial(int(shown["listen"].rpartition(":")[2]))
    await peers.next()


async def test_deleted_proxy_is_gone_with_its_connections(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    client, server = await dial(port), await peers.next()
    await api.call("DELETE", "/proxies/p")
    assert await client.end() == "closed"
    assert await server.end() == "closed"
    assert await is_refused(port)


async def test_client_is_closed_when_nobody_listens_behind(api: ProxyApi) -> None:
    async with open_peers() as gone:
        pass
    client = await dial(await api.proxy(gone.port))
    assert await client.end() == "closed"


async def test_other_upstream_closes_and_redirects(api: ProxyApi, peers: Peers) -> None:
    port = await api.proxy(peers.port)
    client = await dial(port)
    await peers.next()
    async with open_peers() as others:
        shown = await api.call(
            "POST", "/proxies/p", {"upstream": f"127.0.0.1:{others.port}"}
        )
        assert shown["enabled"] is True
        assert await client.end() == "closed"
        await dial(port)
        await others.next()


async def test_update_without_a_difference_keeps_connections(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    client, server = await dial(port), await peers.next()
    same = {"listen": f"localhost:{port}", "enabled": True}
    await api.call("POST", "/proxies/p", same)
    await client.send(b"still")
    assert await server.read(5) == b"still"


async def test_reset_enables_and_clears(api: ProxyApi, peers: Peers) -> None:
    port = await api.proxy(peers.port)
    await api.add("latency", latency=10_000)
    await api.call("POST", "/proxies/p", {"enabled": False})
    await api.call("POST", "/reset")
    client, server = await dial(port), await peers.next()
    await server.send(b"now")
    assert await client.read(3, timeout_s=5) == b"now"
    assert (await api.call("GET", "/proxies/p"))["toxics"] == []


async def test_populate_leaves_what_is_as_it_should_be(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    client, server = await dial(port), await peers.next()
    await api.add("latency", latency=1)
    same = {
        "name": "p",
        "listen": f"127.0.0.1:{port}",
        "upstream": f"127.0.0.1:{peers.port}",
        "enabled": False,
    }
    shown = (await api.call("POST", "/populate", [same]))["proxies"][0]
    assert shown["enabled"] is True
    assert len(shown["toxics"]) == 1
    await client.send(b"still")
    assert await server.read(5) == b"still"


async def test_populate_replaces_what_differs(api: ProxyApi, peers: Peers) -> None:
    port = await api.proxy(peers.port)
    client = await dial(port)
    await peers.next()
    await api.add("latency", latency=1)
    other = {"name": "p", "listen": f"127.0.0.1:{port}", "upstream": "127.0.0.1:1"}
    shown = (await api.call("POST", "/populate", [other]))["proxies"][0]
    assert shown["toxics"] == []
    assert await client.end() == "closed"


async def test_toxics_stay_while_a_proxy_is_down(api: ProxyApi, peers: Peers) -> None:
    port = await api.proxy(peers.port)
    await api.add("limit_data", bytes=3)
    await api.call("POST", "/proxies/p", {"enabled": False})
    await api.call("POST", "/proxies/p", {"enabled": True})
    client, server = await dial(port), await peers.next()
    await server.send(b"four")
    assert await client.read(4) == b"fou"


@pytest.mark.parametrize("ends", ["client", "server"])
async def test_end_of_either_side_ends_the_other(
    api: ProxyApi, peers: Peers, ends: str
) -> None:
    client, server = await dial(await api.proxy(peers.port)), await peers.next()
    one, other = (client, server) if ends == "client" else (server, client)
    await one.send(b"last words")
    await one.close()
    assert await other.read(100) == b"last words"


async def test_many_connections_at_once_do_not_mix(api: ProxyApi, peers: Peers) -> None:
    port = await api.proxy(peers.port)
    clients = [await dial(port) for _ in range(50)]
    for number, client in enumerate(clients):
        await client.send(bytes([number]) * 1000)

    async def echo() -> None:
        server = await peers.next()
        await server.send(await server.read(1000))

    async with trio.open_nursery() as nursery:
        for _ in clients:
            nursery.start_soon(echo)
    for number, client in enumerate(clients):
        assert await client.read(1000) == bytes([number]) * 1000
