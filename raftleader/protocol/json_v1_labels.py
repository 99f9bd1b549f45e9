"""Labels, times and ids in Mesos' messages: what nearly every other message holds."""

from __future__ import annotations

from raftleader.protocol.json_v1_fields import (
    MESSAGE_CHARS_MAX,
    Fields,
    JsonObject,
)
from raftleader.protocol.labels import Label
from raftleader.protocol.offers import Unavailability


def read_labels(fields: Fields, name: str = "labels") -> tuple[Label, ...]:
    """The labels in this field."""
    labels = fields.child(name)
    if labels is None:
        return ()
    return tuple(
        Label(
            key=item.required_text("key"),
            value=item.text("value", chars_max=MESSAGE_CHARS_MAX),
        )
        for item in labels.children("labels")
    )


def labels_to_json(labels: tuple[Label, ...]) -> JsonObject:
    """A ``Labels``."""
    return {
        "labels": [
            {"key": label.key}
            if label.value is None
            else {"key": label.key, "value": label.value}
            for label in labels
        ]
    }


def id_to_json(value: str) -> JsonObject:
    """An id of any kind."""
    return {"value": value}


def ids_to_json(values: tuple[str, ...]) -> list[JsonObject]:
    """A list of ids."""
    return [{"value": value} for value in values]


def read_nanoseconds(fields: Fields, name: str) -> int | None:
    """The ``TimeInfo`` or ``DurationInfo`` in this field."""
    child = fields.child(name)
    if child is None:
        return None
    nanoseconds = child.integer("nanoseconds")
    if nanoseconds is None:
        raise child.invalid("nanoseconds", "is required")
    return nanoseconds


def read_ms(fields: Fields, name: str) -> int | None:
    """The same, in whole milliseconds."""
    nanoseconds = read_nanoseconds(fields, name)
    return None if nanoseconds is None else nanoseconds // 10**6


def ms_to_json(ms: int) -> JsonObject:
    """A ``TimeInfo`` or ``DurationInfo``."""
    return {"nanoseconds": ms * 10**6}


def read_unavailability(fields: Fields) -> Unavailability:
    """An ``Unavailability``."""
    start_ns = read_nanoseconds(fields, "start")
    if start_ns is None:
        raise fields.invalid("start", "is required")
    return Unavailability(
        start_ns=start_ns, duration_ns=read_nanoseconds(fields, "duration")
    )


def unavailability_to_json(unavailability: Unavailability) -> JsonObject:
    """An ``Unavailability``."""
    message: JsonObject = {"start": {"nanoseconds": unavailability.start_ns}}
    if unavailability.duration_ns is not None:
        message["duration"] = {"nanoseconds": unavailability.duration_ns}
    return message
