"""Our server where no other is asked: limits, settings, and what it leaves behind."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio
from support.proxy_wire import ProxyApi, dial, is_refused, open_peers

from chaos.proxy import api as api_module
from chaos.proxy import proxies
from chaos.proxy.main import main
from chaos.proxy.server import run_proxy
from raftleader.errors import ConfigError


@pytest.fixture
async def api(nursery: trio.Nursery) -> AsyncIterator[ProxyApi]:
    bound = await nursery.start(partial(run_proxy, port=0))
    yield ProxyApi(int(bound.rpartition(":")[2]))


async def test_server_that_ends_closes_everything() -> None:
    async with open_peers() as peers:
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(run_proxy, port=0))
            port = await ProxyApi(int(bound.rpartition(":")[2])).proxy(peers.port)
            client, server = await dial(port), await peers.next()
            nursery.cancel_scope.cancel()
        assert await client.end() == "closed"
        assert await server.end() == "closed"
        assert await is_refused(port)


async def test_metrics_are_shown_only_when_asked_for(api: ProxyApi) -> None:
    assert (await api.ask("GET", "/metrics")).status == 404


async def test_metrics_of_the_process_are_shown(nursery: trio.Nursery) -> None:
    bound = await nursery.start(partial(run_proxy, port=0, runtime_metrics=True))
    answer = await ProxyApi(int(bound.rpartition(":")[2])).ask("GET", "/metrics")
    lines = answer.body.splitlines()
    assert "# TYPE process_resident_memory_bytes gauge" in lines
    assert any(line.startswith("process_open_fds ") for line in lines)


async def test_equal_seeds_draw_equally(nursery: trio.Nursery) -> None:
    drawn = []
    async with open_peers() as peers:
        for _ in range(2):
            bound = await nursery.start(partial(run_proxy, port=0, seed=5))
            api = ProxyApi(int(bound.rpartition(":")[2]))
            port = await api.proxy(peers.port)
            await api.add("limit_data", bytes=0, toxicity=0.5)
            hits = ""
            for _ in range(30):
                client, server = await dial(port), await peers.next()
                await server.send(b"x")
                hits += "x" if await client.read(1) else "-"
            drawn.append(hits)
    assert drawn[0] == drawn[1]
    assert {"x", "-"} <= set(drawn[0])


async def test_connections_beyond_the_limit_are_closed(
    api: ProxyApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxies, "CONNECTIONS_MAX", 2)
    async with open_peers() as peers:
        port = await api.proxy(peers.port)
        clients = [await dial(port) for _ in range(2)]
        servers = [await peers.next() for _ in clients]
        assert await (await dial(port)).end() == "closed"
        await clients[0].send(b"x")
        assert await servers[0].read(1) == b"x"


async def test_sender_waits_when_a_toxic_holds_what_it_sends(api: ProxyApi) -> None:
    """Buffers are bounded: the kernel's, and one chunk here and there."""
    async with open_peers() as peers:
        client = await dial(await api.proxy(peers.port))
        await peers.next()
        await api.add("bandwidth", stream="upstream", rate=0)
        sent = 0
        with trio.move_on_after(5):
            while True:
                with trio.fail_after(0.3):
                    await client.stream.send_all(b"x" * 65536)
                sent += 65536
        assert sent < 50_000_000


async def test_change_is_not_held_up_by_who_does_not_read(api: ProxyApi) -> None:
    """The real one hangs here."""
    async with open_peers() as peers:
        client = await dial(await api.proxy(peers.port))
        await peers.next()
        await api.add("latency", stream="upstream", latency=1)
        with trio.move_on_after(0.5):
            while True:
                await client.stream.send_all(b"x" * 65536)
        with trio.fail_after(2):
            await api.remove("latency_upstream")


async def test_call_that_takes_too_long_is_answered_and_goes_on(
    api: ProxyApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "ANSWER_TIMEOUT_S", 0.05)
    async with open_peers() as peers:
        port = await api.proxy(peers.port)
        name = await api.add("reset_peer", timeout=300)
        client, server = await dial(port), await peers.next()
        await server.send(b"x")
        await trio.sleep(0.02)
        answer = await api.ask("DELETE", f"/proxies/p/toxics/{name}")
        assert (answer.status, answer.body) == (503, "")
        assert await client.end() == "reset"
        assert await api.call("GET", "/proxies/p/toxics") == []


async def test_proxies_of_a_file_are_there_from_the_start(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "proxies.json"
    async with open_peers() as peers:
        upstream = f"127.0.0.1:{peers.port}"
        proxy = {"name": "p", "listen": "127.0.0.1:0", "upstream": upstream}
        file.write_text(json.dumps([proxy]))
        bound = await nursery.start(partial(run_proxy, port=0, config=file))
        shown = await ProxyApi(int(bound.rpartition(":")[2])).call("GET", "/proxies")
        await dial(int(shown["p"]["listen"].rpartition(":")[2]))
        await peers.next()


async def test_file_with_an_address_in_use_is_told_as_an_error(
    nursery: trio.Nursery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "proxies.json"
    async with open_peers() as peers:
        taken = f"127.0.0.1:{peers.port}"
        proxy = {"name": "p", "listen": taken, "upstream": "127.0.0.1:1"}
        file.write_text(json.dumps([proxy]))
        await nursery.start(partial(run_proxy, port=0, config=file))
    records = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [f"proxy p: listen tcp {taken}" in r.getMessage() for r in records] == [True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file"),
        ("[{}]", "missing required field: name at proxy 1"),
        ("{", "bad request body: unexpected EOF"),
    ],
)
async def test_file_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "proxies.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        await run_proxy(port=0, config=file)


async def test_api_address_in_use_is_told_alone(api: ProxyApi) -> None:
    with pytest.raises(OSError, match="in use"):
        await run_proxy(port=api.port)


def test_program_tells_what_is_wrong_with_its_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.json")
    assert main(["-port", "0", "--config", missing]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["-version"]) == 0
    assert "2.12" in capsys.readouterr().out
