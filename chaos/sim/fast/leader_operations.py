"""What a scripted leader's streams carry beside offers and updates of tasks.

Ends of operations, until they are acknowledged; inverse offers, and that they are
taken back. As ``raftleader.leader.deliveries``, from the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftleader.limits import UPDATE_RETRY_S
from raftleader.protocol.ids import OfferId
from raftleader.protocol.offers import InverseOffer
from raftleader.protocol.resources import EMPTY
from raftleader.protocol.scheduler_api import (
    InverseOffers,
    OperationUpdate,
    RescindInverseOffer,
)
from raftleader.state.cluster import OperationKey
from raftleader.state.outcomes import Touched
from raftleader.state.queries import unacknowledged_operations

if TYPE_CHECKING:
    from chaos.sim.fast.leader import LeaderTerm
    from chaos.sim.fast.leader_streams import Stream, Streams


class OperationNews:
    """Those of one term."""

    def __init__(self, leader: LeaderTerm, streams: Streams) -> None:
        self._leader = leader
        self._state = leader.state
        self._streams = streams
        self._asked_on: dict[OfferId, Stream] = {}

    def begin(self, stream: Stream) -> None:
        """Put all on a new stream that its framework must know."""
        framework_id = stream.framework_id
        for row in unacknowledged_operations(self._state, framework_id):
            assert row.status.operation_id is not None
            self._send(stream, (framework_id, row.status.operation_id))
        for offer_id in self._state.inverse_offers_by_framework.get(framework_id, ()):
            self._ask(offer_id)

    def applied(self, touched: Touched) -> None:
        """Put what this entry made due on the streams."""
        for key in touched.operations:
            stream = self._streams.by_framework.get(key[0])
            if stream is not None:
                self._send(stream, key)
        for offer_id in touched.inverse_offers:
            if offer_id in self._state.inverse_offers:
                self._ask(offer_id)
            else:
                self._take_back(offer_id)

    def look(self) -> None:
        """Once a second: what was sent long ago is sent again."""
        due_s = self._leader.node.agenda.now_s - UPDATE_RETRY_S
        for stream in list(self._streams.by_framework.values()):
            for key, sent_s in list(stream.operations.items()):
                if sent_s <= due_s:
                    del stream.operations[key]
                    self._send(stream, key)

    def _send(self, stream: Stream, key: OperationKey) -> None:
        row = self._state.operations.get(key)
        if row is None:
            stream.operations.pop(key, None)
        elif key not in stream.operations:
            stream.operations[key] = self._leader.node.agenda.now_s
            self._streams.put(stream, OperationUpdate(status=row.status))

    def _ask(self, offer_id: OfferId) -> None:
        row = self._state.inverse_offers[offer_id]
        stream = self._streams.by_framework.get(row.framework_id)
        if stream is None or self._asked_on.get(offer_id) is stream:
            return
        self._asked_on[offer_id] = stream
        offer = InverseOffer(
            id=row.id,
            framework_id=row.framework_id,
            agent_id=row.agent_id,
            unavailability=row.unavailability,
            agent=self._state.agents[row.agent_id].info,
            resources=EMPTY,
        )
        self._streams.put(stream, InverseOffers(inverse_offers=(offer,)))

    def _take_back(self, offer_id: OfferId) -> None:
        stream = self._asked_on.pop(offer_id, None)
        if stream is not None:
            event = RescindInverseOffer(inverse_offer_id=offer_id)
            self._streams.put(stream, event)
