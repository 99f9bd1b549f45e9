"""The schema of the Mesos v1 API: whole, consistent, and with the right numbers."""

from __future__ import annotations

import pytest

from raftleader.protocol.json_v1_frameworks import CAPABILITIES
from raftleader.protocol.offers import OperationState
from raftleader.protocol.tasks import Reason, Source, TaskState
from raftleader.protocol.wire.schema import (
    SCALARS,
    Field,
    fields_of,
    labels_of,
    schema,
)

KINDS = (
    "scheduler.Call",
    "scheduler.Event",
    "scheduler.Response",
    "executor.Call",
    "executor.Event",
    "master.Call",
    "master.Response",
    "master.Event",
    "agent.Call",
    "agent.Response",
    "agent.ProcessIO",
)


def test_schema_has_every_message_and_enum_of_the_api() -> None:
    assert len(schema().messages) == 339
    assert len(schema().enums) == 49
    assert set(KINDS) <= schema().messages.keys()


def test_every_type_is_known_and_no_number_is_used_twice() -> None:
    known = SCALARS | schema().messages.keys() | schema().enums.keys()
    for kind, fields in schema().messages.items():
        assert {field.type for field in fields.values()} <= known, kind
        numbers = [field.number for field in fields.values()]
        assert len(set(numbers)) == len(numbers), kind
        assert all(0 < number < 19_000 for number in numbers), kind
    for enum, labels in schema().enums.items():
        assert len(set(labels.values())) == len(labels), enum


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("mesos.Offer", Field(name="url", number=8, type="mesos.URL")),
        (
            "mesos.Filters",
            Field(name="refuse_seconds", number=1, type="double", default="5.0"),
        ),
        (
            "mesos.TaskInfo",
            Field(name="limits", number=15, type="mesos.Value.Scalar", is_map=True),
        ),
        (
            "mesos.Resource",
            Field(
                name="reservations",
                number=13,
                type="mesos.Resource.ReservationInfo",
                is_repeated=True,
            ),
        ),
        (
            "master.Call.DrainAgent",
            Field(name="max_grace_period", number=2, type="google.protobuf.Duration"),
        ),
        (
            "agent.ProcessIO.Data",
            Field(name="type", number=1, type="agent.ProcessIO.Data.Type"),
        ),
        (
            "scheduler.Call.Request",
            Field(name="requests", number=1, type="mesos.Request", is_repeated=True),
        ),
        (
            "scheduler.Call.Kill",
            Field(name="task_id", number=1, type="mesos.TaskID", is_required=True),
        ),
    ],
)
def test_notation_is_read_with_names_looked_for_from_the_inside_out(
    kind: str, field: Field
) -> None:
    assert fields_of(kind)[field.name] == field


def test_only_a_container_id_holds_one_of_its_own_kind() -> None:
    """Elsewhere it would be a name that was found too far inside: the ``requests`` of
    ``Call.Request`` are no ``Call.Request``."""
    of_themselves = [
        (kind, field.name)
        for kind, fields in schema().messages.items()
        for field in fields.values()
        if field.type == kind
    ]
    assert of_themselves == [("mesos.ContainerID", "parent")]


def test_our_enums_have_the_names_of_the_schema() -> None:
    assert {state.value for state in TaskState} == labels_of("mesos.TaskState").keys()
    assert {s.value for s in Source} == labels_of("mesos.TaskStatus.Source").keys()
    assert {r.value for r in Reason} == labels_of("mesos.TaskStatus.Reason").keys()
    states = labels_of("mesos.OperationState").keys()
    assert {state.value for state in OperationState} == states
    names = labels_of("mesos.FrameworkInfo.Capability.Type").keys()
    assert {*CAPABILITIES, "UNKNOWN"} == names
