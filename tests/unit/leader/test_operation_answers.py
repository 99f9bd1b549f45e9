"""What a reconciliation of operations is answered, by what the log knows."""

from __future__ import annotations

import msgspec
import pytest

from raftleader.leader.operation_answers import operation_answers
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.offers import (
    OperationState,
    OperationStatus,
    UnsupportedOperation,
)
from raftleader.protocol.scheduler_api import ReconcileOperation
from raftleader.state.cluster import Agent, ClusterState, OperationRow


@pytest.fixture
def state() -> ClusterState:
    state = ClusterState(cluster_id="c")
    info = AgentInfo(hostname="h", ip="127.0.0.1", port=5051)
    here = Agent(id="here", key="k", info=info, registered_ms=0, reregistered_ms=0)
    state.agents["here"] = here
    state.agents["away"] = msgspec.structs.replace(here, id="away", unreachable_ms=5)
    state.gone_agents["gone"] = 5
    for name in ("z", "b"):
        state.operations["f", name] = OperationRow(
            framework_id="f",
            agent_id="here",
            operation=UnsupportedOperation(type="X"),
            status=OperationStatus(
                operation_id=name, state=OperationState.ERROR, uuid=b"u" * 16
            ),
            offer_ids=("o",),
            made_ms=0,
        )
        state.operations_by_framework.setdefault("f", {})["f", name] = None
    return state


def test_all_operations_are_told_oldest_first_without_uuid_when_none_is_named(
    state: ClusterState,
) -> None:
    answers = operation_answers(state, "f", [])
    assert [answer.operation_id for answer in answers] == ["z", "b"]
    assert {answer.uuid for answer in answers} == {None}
    assert operation_answers(state, "other", []) == ()


@pytest.mark.parametrize(
    ("operation_id", "agent_id", "told"),
    [
        ("b", None, OperationState.ERROR),
        ("b", "gone", OperationState.ERROR),
        ("unknown", "here", OperationState.UNKNOWN),
        ("unknown", "away", OperationState.UNREACHABLE),
        ("unknown", "gone", OperationState.GONE_BY_OPERATOR),
        ("unknown", "never seen", OperationState.UNKNOWN),
        ("unknown", None, OperationState.UNKNOWN),
    ],
)
def test_a_named_operation_is_answered_with_what_the_log_lets_us_conclude(
    state: ClusterState,
    operation_id: str,
    agent_id: str | None,
    told: OperationState,
) -> None:
    wanted = ReconcileOperation(operation_id=operation_id, agent_id=agent_id)
    (answer,) = operation_answers(state, "f", [wanted])
    assert (answer.operation_id, answer.state) == (operation_id, told)
    assert answer.uuid is None
