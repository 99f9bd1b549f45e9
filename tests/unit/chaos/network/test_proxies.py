"""A network of proxies as a run opens it, and what it can do."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
import trio
from support.proxy_wire import Wire, open_peers

from chaos.live.faults import Fault, Group
from chaos.live.seams import LinkFault
from chaos.network import proxies, proxy_network
from chaos.network.namespaces import NetworkError
from chaos.network.proxies import NOT_BY_PROXIES, PROXIES_FAULTS, open_proxies
from chaos.proxy import processes


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of servers that were started."""
    pids: list[int] = []
    spawn = processes._spawn

    async def noted(*arguments: object) -> trio.Process:
        process = await spawn(*arguments)  # type: ignore[arg-type]
        pids.append(process.pid)
        return process

    monkeypatch.setattr(processes, "_spawn", noted)
    return pids


async def test_network_has_proxies_of_its_own_process(pids: list[int]) -> None:
    async with (
        open_peers() as peers,
        open_proxies(["a", "b"], 5, is_ours_preferred=True) as network,
    ):
        host, _, port = network.via("a", "b", f"127.0.0.1:{peers.port}").rpartition(":")
        await network.apply("nothing", {})
        await trio.open_tcp_stream(host, int(port))
        await peers.next()
        assert network.server_name.startswith("raftleader chaos proxy 2.12")
        assert len(pids) == 1


async def test_end_of_the_server_ends_the_block(pids: list[int]) -> None:
    with pytest.raises(NetworkError, match="ended with"):
        async with open_proxies(["a"], 5, is_ours_preferred=True):
            os.kill(pids[0], signal.SIGKILL)
            await trio.sleep(10)


async def test_server_that_hangs_is_replaced_by_ours(
    pids: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "toxiproxy-server"
    foreign.write_text(f'#!/bin/sh\nexec {sys.executable} -m chaos.proxy.main "$@"\n')
    foreign.chmod(0o755)
    monkeypatch.setenv("TOXIPROXY_SERVER", str(foreign))
    monkeypatch.setattr(proxies, "REPLACEABLE_CALL_TIMEOUT_S", 1.0)
    monkeypatch.setattr(proxy_network, "REPLACE_AFTER_S", 0.1)
    async with open_peers() as peers, open_proxies(["a", "b"], 5) as network:
        host, _, port = network.via("a", "b", f"127.0.0.1:{peers.port}").rpartition(":")
        await network.apply("cut", {("a", "b"): LinkFault(is_cut=True)})
        assert network.server_name.startswith("toxiproxy-server")
        hung = psutil.Process(pids[0])
        for process in (hung, *hung.children(recursive=True)):
            if "-m" in process.cmdline():
                process.suspend()
        await network.apply("slow", {("b", "a"): LinkFault(bytes_per_s=5000)})
        assert network.server_name.startswith("raftleader chaos proxy")
        assert not hung.is_running()
        client = Wire(await trio.open_tcp_stream(host, int(port)))
        server = await peers.next()
        await client.send(b"x")
        assert await server.is_silent(0.1)
        await network.clear("cut")
        assert await server.read(1) == b"x"


def test_every_class_of_network_faults_can_be_made_or_it_is_said_why_not() -> None:
    of_network = {fault for fault in Fault if fault.group is Group.NETWORK}
    assert PROXIES_FAULTS.keys() | NOT_BY_PROXIES.keys() == of_network
    assert not PROXIES_FAULTS.keys() & NOT_BY_PROXIES.keys()
