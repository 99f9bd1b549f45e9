"""P6: updates arrive in the order of the log, each until it is acknowledged."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.protocol.ids import FrameworkId, TaskKey
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState


class UpdatesDelivered:
    """Knows from the log which updates there are, and compares what frameworks hear.

    Attributes:
        delivered: How many updates were heard for the first time.
    """

    name = "P6 updates arrive in order"

    def __init__(self) -> None:
        self.delivered = 0
        self._places: dict[bytes, tuple[TaskKey, int]] = {}
        self._made: dict[TaskKey, int] = {}
        self._heard: dict[TaskKey, int] = {}
        self._orphans: set[bytes] = set()

    def applied(
        self,
        tasks: Iterable[TaskKey],
        frameworks: Iterable[FrameworkId],
        state: ClusterState,
    ) -> None:
        """``state`` after an entry that touched these rows."""
        for key in tasks:
            task = state.tasks.get(key)
            if task is None:
                continue
            for status in task.pending:
                uuid = status.uuid
                if uuid is not None and uuid not in self._places:
                    place = self._made[key] = self._made.get(key, 0) + 1
                    self._places[uuid] = (key, place)
        for framework_id in frameworks:
            framework = state.frameworks.get(framework_id)
            if framework is not None:
                for status in framework.orphan_updates:
                    if status.uuid is not None:
                        self._orphans.add(status.uuid)

    def heard(self, framework_id: FrameworkId, status: TaskStatus) -> list[str]:
        """An update with a uuid reaches its framework."""
        uuid = status.uuid
        assert uuid is not None
        if uuid in self._orphans:
            return []
        known = self._places.get(uuid)
        if known is None:
            return [f"{status.task_id} {status.state.value} is in no log"]
        key, place = known
        if key != (framework_id, status.task_id):
            return [f"an update of {key} came as one of {status.task_id}"]
        last = self._heard.get(key, 0)
        if place > last:
            self._heard[key] = place
            self.delivered += 1
        if place > last + 1:
            return [
                f"{status.task_id} of {framework_id}: update {place}"
                f" ({status.state.value}) came after update {last}"
            ]
        return []

    def ended(self, waiting: Iterable[str]) -> list[str]:
        """The faults are long over; these updates were not delivered."""
        return [f"{text} has not arrived" for text in waiting]
