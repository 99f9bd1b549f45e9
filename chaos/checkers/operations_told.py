"""P6, of operations: their ends are told as the log has them, until acknowledged."""

from __future__ import annotations

from collections.abc import Iterable

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.offers import OperationStatus
from raftleader.state.cluster import ClusterState, OperationKey


class OperationsTold:
    """Knows from the log how operations ended, and compares what frameworks hear.

    Attributes:
        told: How many ends were heard for the first time.
    """

    name = "P6 operations are told"

    def __init__(self) -> None:
        self.told = 0
        self._ends: dict[bytes, tuple[OperationKey, OperationStatus]] = {}
        self._heard: set[bytes] = set()

    def applied(self, operations: Iterable[OperationKey], state: ClusterState) -> None:
        """``state`` after an entry that touched these rows."""
        for key in operations:
            row = state.operations.get(key)
            if row is not None and row.status.uuid is not None:
                self._ends.setdefault(row.status.uuid, (key, row.status))

    def heard(self, framework_id: FrameworkId, status: OperationStatus) -> list[str]:
        """A status with a uuid reaches its framework."""
        assert status.uuid is not None
        name = f"operation {status.operation_id} of {framework_id}"
        known = self._ends.get(status.uuid)
        if known is None:
            return [f"{name} {status.state.value} is in no log"]
        key, end = known
        if key != (framework_id, status.operation_id):
            return [f"the end of {key[1]} of {key[0]} came as that of {name}"]
        if status.uuid not in self._heard:
            self._heard.add(status.uuid)
            self.told += 1
        if status != end:
            return [f"{name} was told otherwise than the log has it"]
        return []

    def ended(self, waiting: Iterable[str]) -> list[str]:
        """The faults are long over; these ends were not told, or not acknowledged."""
        return [f"the end of operation {text} has not arrived" for text in waiting]
