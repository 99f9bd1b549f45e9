"""What waits on a framework's stream: names of rows, made into events when read.

A row's name costs little, and what it says is looked up at the moment of sending:
an offer consumed while it waited is not sent, an update acknowledged meanwhile is
not either.
"""

from __future__ import annotations

import attrs

from raftleader.protocol.ids import OfferId, TaskKey
from raftleader.protocol.offers import InverseOffer, Offer, OperationStatus
from raftleader.protocol.resources import EMPTY
from raftleader.protocol.scheduler_api import Event
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState, OperationKey
from raftleader.state.machines import unavailability_of
from raftleader.state.queries import executor_ids


@attrs.frozen
class DueOffer:
    """An offer to be sent, if it is still outstanding."""

    offer_id: OfferId

    def found(self, state: ClusterState) -> Offer | None:
        """The offer as its framework sees it now, or None if it is gone."""
        row = state.offers.get(self.offer_id)
        agent = state.agents.get(row.agent_id) if row is not None else None
        if row is None or agent is None:
            return None
        return Offer(
            id=row.id,
            framework_id=row.framework_id,
            agent_id=row.agent_id,
            role=row.role,
            resources=row.resources,
            agent=agent.info,
            executor_ids=executor_ids(state, row.framework_id, row.agent_id),
            unavailability=unavailability_of(state, agent.info),
        )


@attrs.frozen
class DueInverseOffer:
    """An inverse offer to be sent, if it still waits for an answer."""

    offer_id: OfferId

    def found(self, state: ClusterState) -> InverseOffer | None:
        """The inverse offer, or None if it is gone. It names no resources: all that
        the framework holds on the agent are asked for."""
        row = state.inverse_offers.get(self.offer_id)
        agent = state.agents.get(row.agent_id) if row is not None else None
        if row is None or agent is None:
            return None
        return InverseOffer(
            id=row.id,
            framework_id=row.framework_id,
            agent_id=row.agent_id,
            unavailability=row.unavailability,
            agent=agent.info,
            resources=EMPTY,
        )


@attrs.frozen
class DueUpdate:
    """The first pending update of a task, if it is still that.

    Only its name, not the status: that may carry data, and a retry may wait long
    after the update was acknowledged. ``key`` is None if it belongs to no task.
    """

    key: TaskKey | None
    uuid: bytes

    @property
    def name(self) -> TaskKey | bytes:
        """Of the updates with one name, one is on its way at a time."""
        return self.uuid if self.key is None else self.key

    def found(self, state: ClusterState) -> TaskStatus | None:
        """The status, or None if it was acknowledged; for a ``key`` that is set."""
        task = None if self.key is None else state.tasks.get(self.key)
        if task is None or not task.pending or task.pending[0].uuid != self.uuid:
            return None
        return task.pending[0]


@attrs.frozen
class DueOperation:
    """The end of an operation, until its framework has acknowledged it."""

    key: OperationKey
    uuid: bytes

    @property
    def name(self) -> bytes:
        """As of ``DueUpdate``."""
        return self.uuid

    def found(self, state: ClusterState) -> OperationStatus | None:
        """The status, or None if it was acknowledged."""
        row = state.operations.get(self.key)
        if row is None or row.status.uuid != self.uuid:
            return None
        return row.status


DueStatus = DueUpdate | DueOperation
"""What is sent again until it is acknowledged."""

Item = Event | DueOffer | DueInverseOffer | DueStatus
