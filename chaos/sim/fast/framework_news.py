"""What a framework does with news that are neither of offers nor of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.scheduler_api import (
    AcceptInverseOffers,
    AcknowledgeOperation,
    DeclineInverseOffers,
    InverseOffers,
    Message,
    OperationUpdate,
)

if TYPE_CHECKING:
    from chaos.sim.fast.framework import SimFramework
    from chaos.sim.fast.framework_calls import Calls


def take_news(
    framework: SimFramework, calls: Calls, framework_id: FrameworkId, event: Any
) -> None:
    """Ends of operations are acknowledged, inverse offers answered."""
    match event:
        case OperationUpdate(status=end):
            assert framework.work is not None and end.operation_id is not None
            framework.work.told(framework_id, end)
            if end.uuid is not None:
                calls.call(
                    AcknowledgeOperation(
                        framework_id=framework_id,
                        operation_id=end.operation_id,
                        uuid=end.uuid,
                    )
                )
        case InverseOffers(inverse_offers=asked):
            framework.counts["inverse offers"] += len(asked)
            ids = tuple(one.id for one in asked)
            is_yes = sum(ids[0].encode()) % 2 == 0
            answer = AcceptInverseOffers if is_yes else DeclineInverseOffers
            calls.call(answer(framework_id=framework_id, inverse_offer_ids=ids))
        case Message():
            framework.counts["messages from executors"] += 1
