"""From settings to a daemon's configuration, and how it begins and ends."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest
import trio

from raftleader.cli.daemon_leader import node_config_of
from raftleader.cli.daemons import bad_addresses_named, serve
from raftleader.cli.exit_codes import sole_error
from raftleader.cli.sections import LeaderSection
from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.node import Engine
from raftleader.replication import raft_log, single_node
from raftleader.replication.pysyncobj_backend import log as pysyncobj_log


def test_leader_section_becomes_a_node_config(tmp_path: Path) -> None:
    config = node_config_of(
        LeaderSection(
            node_id="a",
            data_dir=tmp_path / "deep" / "a",
            peers=("a=tcp://h:1", "b=tcp://h:2"),
            peer_via=("b=tcp://proxy:3",),
            weights=("web=2",),
        )
    )
    assert config.members == {"a": "tcp://h:1", "b": "tcp://h:2"}
    assert config.peer_via == {"b": "tcp://proxy:3"}
    assert config.flags()["peer_via"] == "b=tcp://proxy:3"
    assert config.weights == {"web": 2000}
    assert (tmp_path / "deep" / "a").is_dir()


def test_snapshot_settings_reach_the_engine(tmp_path: Path) -> None:
    config = node_config_of(
        LeaderSection(data_dir=tmp_path, snapshot_entries=500, keep_entries=20)
    )
    assert (config.raft.snapshot_entries, config.raft.keep_entries) == (500, 20)


def test_engines_are_called_in_journals_as_in_settings() -> None:
    """What a journal says it was written by can be given to ``--engine``."""
    written = {pysyncobj_log.ENGINE, raft_log.ENGINE, single_node.ENGINE}
    assert written == {engine.value for engine in Engine} - {"auto"}


@pytest.mark.parametrize("address", ["tcp://h", "tcp://h:70000", "foo://h:1"])
def test_peer_address_that_cannot_be_dialled_is_refused(
    tmp_path: Path, address: str
) -> None:
    section = LeaderSection(
        node_id="a", data_dir=tmp_path, peers=("a=tcp://h:1", f"b={address}")
    )
    with pytest.raises(ConfigError, match=r"^peers: "):
        node_config_of(section)


def test_address_behind_which_a_peer_stands_is_checked(tmp_path: Path) -> None:
    section = LeaderSection(
        node_id="a", data_dir=tmp_path, peers=("a=tcp://h:1",), peer_via=("b=h:1",)
    )
    with pytest.raises(ConfigError, match=r"^peer_via: "):
        node_config_of(section)


def test_leader_without_peers_is_a_cluster_of_one(tmp_path: Path) -> None:
    assert list(node_config_of(LeaderSection(data_dir=tmp_path)).members) == ["leader"]


def test_settings_that_make_no_node_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match=r"^data_dir: .*file: File exists"):
        node_config_of(LeaderSection(data_dir=file))
    with pytest.raises(ConfigError, match=r"engine: 'paxos' is none of auto, pysync"):
        node_config_of(LeaderSection(data_dir=tmp_path, engine="paxos"))
    with pytest.raises(ConfigError, match="agents: 'udp://h:1': no transport for 'udp"):
        node_config_of(LeaderSection(data_dir=tmp_path, agents="udp://h:1"))
    with pytest.raises(ConfigError, match="http: 'h' is not HOST:PORT"):
        node_config_of(LeaderSection(data_dir=tmp_path, http="h"))
    with pytest.raises(ConfigError, match="cluster_id: must not contain '/'"):
        node_config_of(LeaderSection(data_dir=tmp_path, cluster_id="a/b"))


async def test_taken_port_is_named_by_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = {"http": "127.0.0.1:0", "agents": f"tcp://127.0.0.1:{port}"}
        with pytest.raises(OSError, match=f"agents: tcp://127.0.0.1:{port} is already"):
            async with bad_addresses_named(addresses), trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_tcp, trio.sleep, port)
        with pytest.raises(OSError, match="no space"):
            async with bad_addresses_named(addresses):
                raise OSError(errno.ENOSPC, "no space")


async def test_address_of_another_machine_is_named_by_its_key() -> None:
    with pytest.raises(OSError, match=r"http: 192\.0\.2\.1:1 is no address of this"):
        async with bad_addresses_named({"http": "192.0.2.1:1"}):
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")


async def test_serving_is_logged_with_the_addresses_once_it_began(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def service(*, task_status: trio.TaskStatus[None]) -> None:
        assert caplog.messages == []
        task_status.started()

    with caplog.at_level("INFO"):
        await serve(
            service, addresses={"http": "h:1"}, after_damage="", lifeline_fd=None
        )
    assert caplog.messages == ["serving", "stopped"]
    assert vars(caplog.records[0])["http"] == "h:1"


async def test_damaged_file_comes_with_advice() -> None:
    async def service(*, task_status: trio.TaskStatus[None]) -> None:
        raise JournalDamagedError("journal", 7, "torn")

    with pytest.raises(ExceptionGroup) as caught:
        await serve(service, addresses={}, after_damage="do this", lifeline_fd=None)
    error = sole_error(caught.value)
    assert isinstance(error, JournalDamagedError)
    assert error.__notes__ == ["do this"]
