"""What a framework put into a volume stays until it destroys the volume."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.protocol.agent_rpc import VolumeName
from raftleader.protocol.ids import AgentId
from raftleader.state.cluster import ClusterState
from raftleader.state.queries import volumes_of


class VolumesKept:
    """Told of every volume that an agent deletes; no two volumes may share a name."""

    name = "volumes are kept"

    def __init__(self) -> None:
        self.dropped_count = 0

    def dropped(
        self,
        agent_id: AgentId | None,
        volumes: Iterable[VolumeName],
        state: ClusterState | None,
    ) -> list[str]:
        """An agent deletes these; ``state`` is the newest there is."""
        if agent_id is None or state is None:
            return []
        kept = set(volumes_of(state, agent_id))
        problems = []
        for volume in volumes:
            self.dropped_count += 1
            if volume in kept:
                problems.append(
                    f"{agent_id} deletes volume {volume.id}, which was not destroyed"
                )
        return problems

    def ended(
        self, agent_id: AgentId, volumes: Iterable[VolumeName], state: ClusterState
    ) -> list[str]:
        """The faults are long over; these are on the agent's disk."""
        kept = set(volumes_of(state, agent_id))
        return [
            f"{agent_id} still has volume {volume.id}, which was destroyed"
            for volume in volumes
            if volume not in kept
        ]
