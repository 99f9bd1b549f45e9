"""What a leader node tells of its settings."""

from __future__ import annotations

from pathlib import Path

from raftleader.node_config import NodeConfig
from raftleader.protocol.agents import Domain


def test_flags_are_the_settings_as_text() -> None:
    config = NodeConfig(
        cluster_id="c",
        node_id="a",
        members={"b": "tcp://h:2", "a": "tcp://h:1"},
        http="h:5050",
        agents="tcp://h:5150",
        data_dir=Path("data"),
        weights={"prod": 2500},
        domain=Domain(region="eu", zone="b"),
    )
    flags = config.flags()
    assert flags["members"] == "a=tcp://h:1,b=tcp://h:2"
    assert flags["weights"] == "prod=2.5"
    assert flags["domain"] == "eu/b"
    assert flags["engine"] == "raft"
    assert flags["data_dir"] == "data"
    assert "http_advertise" not in flags
    assert "snapshot_entries" in flags
    assert all(isinstance(value, str) for value in flags.values())
