"""The agent's identity, and the lock on its work folder."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from agent.files import lock_file
from agent.identity import load_identity, save_identity
from agent.records import Identity
from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.protocol.ids import AgentId


def test_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    first = load_identity(path, cluster_id="", rng=random.Random(1))
    second = load_identity(path, cluster_id="", rng=random.Random(2))

    assert first == second
    assert len(first.key) == 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_identity_keeps_what_the_leader_gave(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    given = Identity(key="k", agent_id=AgentId("a1"), cluster_id="c")
    save_identity(path, given)

    assert load_identity(path, cluster_id="", rng=random.Random(1)) == given
    assert load_identity(path, cluster_id="c", rng=random.Random(1)) == given
    assert os.listdir(tmp_path) == ["identity.json"]


def test_identity_of_another_cluster_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    save_identity(path, Identity(key="k", cluster_id="c"))

    with pytest.raises(ConfigError, match=r"cluster_id: 'd' .* belongs to 'c'"):
        load_identity(path, cluster_id="d", rng=random.Random(1))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"key": 1}', b"\xff"])
def test_identity_that_cannot_be_read_is_damage_and_not_replaced(
    tmp_path: Path, text: bytes
) -> None:
    path = tmp_path / "identity.json"
    path.write_bytes(text)

    with pytest.raises(JournalDamagedError, match=r"identity\.json"):
        load_identity(path, cluster_id="", rng=random.Random(1))
    assert path.read_bytes() == text


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = lock_file(path)
    with pytest.raises(ConfigError, match="work_dir: another agent runs"):
        lock_file(path)
    os.close(lock)
    os.close(lock_file(path))
