"""toxiproxy-python, tamed: threads, limits, several servers, errors of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import trio
from support.proxy_wire import Stopwatch, dial, is_refused, open_peers
from toxiproxy.api import APIConsumer

from chaos.proxy.control import Control, ProxyError, Server, ToxicPlan
from chaos.proxy.server import run_proxy


async def started(nursery: trio.Nursery) -> Control:
    bound = await nursery.start(partial(run_proxy, port=0))
    return Control(Server("127.0.0.1", int(bound.rpartition(":")[2])))


@pytest.fixture
async def control(nursery: trio.Nursery) -> AsyncIterator[Control]:
    yield await started(nursery)


LATENCY = ToxicPlan(name="l", type="latency", attributes={"latency": 5, "jitter": 1})


async def test_proxies_and_toxics_come_and_go(control: Control) -> None:
    async with open_peers() as peers:
        upstream = f"127.0.0.1:{peers.port}"
        listen = await control.create("p", listen="127.0.0.1:0", upstream=upstream)
        port = int(listen.rpartition(":")[2])
        await dial(port)
        await peers.next()
        await control.add_toxic("p", LATENCY)
        assert await control.toxics("p") == {"l": LATENCY}
        changed = ToxicPlan(
            name="l",
            type="latency",
            toxicity=0.5,
            attributes={"latency": 7, "jitter": 0},
        )
        await control.update_toxic("p", changed)
        assert await control.toxics("p") == {"l": changed}
        await control.remove_toxic("p", "l")
        await control.remove_toxic("p", "l")
        assert await control.toxics("p") == {}
        await control.set_enabled("p", False)
        assert await is_refused(port)
        await control.reset()
        await dial(port)
        await control.destroy("p")
        await control.destroy("p")
        assert await is_refused(port)


async def test_refusals_are_told_with_their_status(control: Control) -> None:
    await control.create("p", listen="127.0.0.1:0", upstream="127.0.0.1:1")
    listen = f"127.0.0.1:{control.server.port}"
    nope = ToxicPlan(name="n", type="nope")
    for status, text, call in [
        (409, "exists", partial(control.create, "p", listen="", upstream="x:1")),
        (500, "in use", partial(control.create, "q", listen=listen, upstream="x:1")),
        (400, "invalid toxic type", partial(control.add_toxic, "p", nope)),
        (404, "proxy not found", partial(control.add_toxic, "zz", LATENCY)),
        (404, "toxic not found", partial(control.update_toxic, "p", LATENCY)),
        (404, "proxy not found", partial(control.set_enabled, "zz", True)),
    ]:
        with pytest.raises(ProxyError, match=text) as caught:
            await call()
        assert caught.value.status == status


async def test_two_servers_are_driven_at_once(nursery: trio.Nursery) -> None:
    one, other = await started(nursery), await started(nursery)
    defaults = APIConsumer.host, APIConsumer.port

    async def fill(control: Control, name: str) -> None:
        await control.create(name, listen="127.0.0.1:0", upstream="127.0.0.1:1")
        for number in range(10):
            toxic = ToxicPlan(name=f"{name}{number}", type="noop")
            await control.add_toxic(name, toxic)

    async with trio.open_nursery() as both:
        both.start_soon(fill, one, "a")
        both.start_soon(fill, other, "b")
    assert sorted(await one.toxics("a")) == [f"a{n}" for n in range(10)]
    assert sorted(await other.toxics("b")) == [f"b{n}" for n in range(10)]
    with pytest.raises(ProxyError):
        await one.toxics("b")
    assert defaults == (APIConsumer.host, APIConsumer.port)


async def test_server_that_says_nothing_is_given_up() -> None:
    async with open_peers() as peers:
        control = Control(Server("127.0.0.1", peers.port), timeout_s=0.1)
        watch = Stopwatch()
        with pytest.raises(ProxyError, match="no answer") as caught:
            await control.version()
        assert caught.value.status is None
        assert watch.s < 3


async def test_server_that_is_not_there_is_told() -> None:
    async with open_peers() as gone:
        pass
    with pytest.raises(ProxyError, match="refused"):
        await Control(Server("127.0.0.1", gone.port)).version()


async def test_proxies_of_the_environment_are_not_asked(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await control.version()
