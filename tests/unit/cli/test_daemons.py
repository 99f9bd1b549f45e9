"""From settings to a daemon's configuration, and how it begins and ends."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest
import trio

from raftleader.cli.daemon_leader import node_config_of
from raftleader.cli.daemons import taken_ports_named
from raftleader.cli.sections import LeaderSection
from raftleader.errors import ConfigError
from transports.errors import BadAddressError


def test_leader_section_becomes_a_node_config(tmp_path: Path) -> None:
    config = node_config_of(
        LeaderSection(
            node_id="a",
            data_dir=tmp_path / "deep" / "a",
            peers=("a=tcp://h:1", "b=tcp://h:2"),
            weights=("web=2",),
        )
    )
    assert config.members == {"a": "tcp://h:1", "b": "tcp://h:2"}
    assert config.weights == {"web": 2000}
    assert (tmp_path / "deep" / "a").is_dir()


def test_leader_without_peers_is_a_cluster_of_one(tmp_path: Path) -> None:
    assert list(node_config_of(LeaderSection(data_dir=tmp_path)).members) == ["leader"]


def test_settings_that_make_no_node_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match=r"^data_dir: .*file: File exists"):
        node_config_of(LeaderSection(data_dir=file))
    with pytest.raises(ConfigError, match=r"engine: 'paxos' is none of auto, pysync"):
        node_config_of(LeaderSection(data_dir=tmp_path, engine="paxos"))
    with pytest.raises(BadAddressError, match="no transport for 'udp'"):
        node_config_of(LeaderSection(data_dir=tmp_path, agents="udp://h:1"))


async def test_taken_port_is_named_by_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = {"http": "127.0.0.1:0", "agents": f"tcp://127.0.0.1:{port}"}
        with pytest.raises(OSError, match=f"agents: tcp://127.0.0.1:{port} is already"):
            async with taken_ports_named(addresses), trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_tcp, trio.sleep, port)
        with pytest.raises(OSError, match="no space"):
            async with taken_ports_named(addresses):
                raise OSError(errno.ENOSPC, "no space")
