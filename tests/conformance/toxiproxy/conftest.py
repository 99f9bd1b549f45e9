"""Two servers that must not differ: toxiproxy-server, and ours.

The real one runs where there is one: the binary named by TOXIPROXY_SERVER, or
toxiproxy-server on the PATH.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial

import pytest
import trio
from support.proxy_wire import Peers, ProxyApi, open_peers

from chaos.proxy.processes import find_real_server
from chaos.proxy.server import run_proxy
from raftleader.cli.local_ports import free_ports

MISSING = (
    "toxiproxy-server: neither on the PATH nor named by TOXIPROXY_SERVER; "
    "only our own server was held to what the real one does"
)


@pytest.fixture(scope="session")
def real_port() -> Iterator[int]:
    """Of the API of the real server, started once."""
    import random

    binary = find_real_server()
    if binary is None:
        pytest.skip(MISSING)
    port = free_ports(1, random.Random())[0]
    process = subprocess.Popen(
        [str(binary), "-port", str(port), "-proxy-metrics"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        trio.run(_wait_answers, port)
        yield port
    finally:
        process.kill()
        process.wait()


async def _wait_answers(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        with suppress(OSError):
            await ProxyApi(port).call("GET", "/version")
            return
        assert time.monotonic() < deadline
        await trio.sleep(0.02)


@pytest.fixture(params=["ours", "real"])
def server(request: pytest.FixtureRequest) -> int | None:
    """The port of the API of the real one; None is ours."""
    port: int | None = None
    if request.param == "real":
        port = request.getfixturevalue("real_port")
    return port


@pytest.fixture
async def api(server: int | None, nursery: trio.Nursery) -> AsyncIterator[ProxyApi]:
    """A server without proxies."""
    if server is None:
        run = partial(run_proxy, port=0, seed=1, proxy_metrics=True)
        bound = await nursery.start(run)
        yield ProxyApi(int(bound.rpartition(":")[2]))
        return
    api = ProxyApi(server)
    await api.clear()
    yield api
    await api.clear()


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    """What stands behind the proxies."""
    async with open_peers() as peers:
        yield peers
