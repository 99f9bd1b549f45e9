"""Who the agent is, in ``meta/identity.json``."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from agent.files import replace_file
from agent.records import Identity
from raftleader.errors import ConfigError, JournalDamagedError


def load_identity(
    path: Path, *, cluster_id: str, rng: random.Random, is_fsync_on: bool = True
) -> Identity:
    """Read who we are; at the first start make it up and keep it.

    ``cluster_id`` is what the configuration says, "" for "whichever takes me".
    Raises JournalDamagedError, or ConfigError if we belong to another cluster.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        identity = Identity(key=rng.randbytes(16).hex(), cluster_id=cluster_id)
        save_identity(path, identity, is_fsync_on=is_fsync_on)
        return identity
    try:
        identity = msgspec.json.decode(text, type=Identity)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamagedError(str(path), 0, str(error)) from error
    if cluster_id and identity.cluster_id not in ("", cluster_id):
        raise ConfigError(
            f"cluster_id: {cluster_id!r} is configured, but the agent in"
            f" {path.parent.parent} belongs to {identity.cluster_id!r}"
        )
    return msgspec.structs.replace(
        identity, cluster_id=identity.cluster_id or cluster_id
    )


def save_identity(path: Path, identity: Identity, *, is_fsync_on: bool = True) -> None:
    """On disk when it returns."""
    replace_file(path, msgspec.json.encode(identity), is_fsync_on=is_fsync_on)
