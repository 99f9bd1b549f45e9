"""Persistent volumes among resources."""

from __future__ import annotations

from collections.abc import Iterator

from agent.machine.launches import volumes_of
from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.resource_keys import kind_of_key
from raftleader.protocol.resources import Resources


def volume_names(resources: Resources) -> Iterator[VolumeName]:
    """The volumes that a task with these resources uses."""
    for key in volumes_of(resources).scalars:
        kind = kind_of_key(key)
        assert kind.volume is not None
        yield VolumeName(role=kind.role, id=kind.volume.id)
