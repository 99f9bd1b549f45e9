"""What a resource is besides its amount, in Mesos' messages: reservations, volumes.

Reservations are read in all three of Mesos' forms (``role``, ``role`` with
``reservation``, ``reservations``). Which one is written depends on who reads.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache

from raftleader.errors import InvalidInputError
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_labels import labels_to_json, read_labels
from raftleader.protocol.resource_keys import (
    CACHED_KINDS_MAX,
    DiskSource,
    DiskSourceType,
    Reservation,
    ReservationType,
    ResourceKind,
    VolumeInfo,
    kind_of_key,
)

_ROLE = re.compile(r"[^()|\s]{1,255}\Z")
_RESERVATION_TYPES: dict[str, ReservationType] = {
    "STATIC": "STATIC",
    "DYNAMIC": "DYNAMIC",
}
_SOURCE_TYPES: dict[str, DiskSourceType] = {
    "PATH": "PATH",
    "MOUNT": "MOUNT",
    "BLOCK": "BLOCK",
    "RAW": "RAW",
}


class InvalidResourceError(InvalidInputError):
    """A resource that is readable but cannot be: whoever names it is told so, the rest
    of the message is not to blame."""


class ReservationForm(enum.Enum):
    """How reservations are written.

    OLD: ``role`` and ``reservation``, which hold one reservation at most. REFINED:
    ``reservations``. BOTH: for the operator API, each as far as it goes.
    """

    OLD = "old"
    REFINED = "refined"
    BOTH = "both"


def form_for(capabilities: tuple[str, ...]) -> ReservationForm:
    """The form that a framework with these capabilities reads."""
    is_refined = "RESERVATION_REFINEMENT" in capabilities
    return ReservationForm.REFINED if is_refined else ReservationForm.OLD


def unfit(fields: Fields, name: str, problem: str) -> InvalidResourceError:
    """The error for this field of a resource."""
    return InvalidResourceError(fields.path(name), problem)


def checked_role(fields: Fields, role: str) -> str:
    """``role``, if it may be the role of a resource."""
    if not _ROLE.match(role):
        raise unfit(fields, "role", f"{role[:40]!r} is not a role")
    return role


def read_kind(item: Fields, name: str) -> ResourceKind:
    """The kind of a ``Resource`` called ``name``. Raises InvalidResourceError."""
    disk = item.child("disk")
    volume = _read_volume(disk) if disk is not None else None
    source = disk.child("source") if disk is not None else None
    is_shared = item.child("shared") is not None
    if disk is not None and name != "disk":
        raise unfit(item, "disk", f"DiskInfo should not be set for {name} resource")
    if is_shared and volume is None:
        raise unfit(item, "shared", "Only persistent volumes can be shared")
    return ResourceKind(
        name=name,
        reservations=_read_reservations(item),
        volume=volume,
        source=_read_source(source) if source is not None else None,
        is_shared=is_shared,
        is_revocable=item.child("revocable") is not None,
    )


def _read_reservations(item: Fields) -> tuple[Reservation, ...]:
    refined = item.children("reservations")
    if refined:
        reservations = tuple(map(_read_reservation, refined))
        for outer, inner, fields in zip(
            reservations, reservations[1:], refined[1:], strict=False
        ):
            if inner.type == "STATIC":
                raise unfit(fields, "type", "A refined reservation cannot be STATIC")
            if not inner.role.startswith(outer.role + "/"):
                problem = f"{inner.role!r} is not a refinement of {outer.role!r}"
                raise unfit(fields, "role", problem)
        return reservations
    role = item.text("role") or "*"
    old = item.child("reservation")
    if old is None:
        return () if role == "*" else (Reservation("STATIC", checked_role(item, role)),)
    # Mesos wants these two unset; taken as what they say.
    role = old.text("role") or role
    type_ = _RESERVATION_TYPES.get(old.text("type") or "DYNAMIC", "DYNAMIC")
    if role == "*":
        raise unfit(item, "reservation", 'role "*" cannot be dynamically reserved')
    return (
        Reservation(
            type_,
            checked_role(item, role),
            principal=old.text("principal"),
            labels=read_labels(old),
        ),
    )


def _read_reservation(fields: Fields) -> Reservation:
    type_ = _RESERVATION_TYPES.get(fields.text("type") or "")
    if type_ is None:
        raise unfit(fields, "type", "must be STATIC or DYNAMIC")
    role = fields.text("role")
    if role is None or role == "*":
        raise unfit(fields, "role", "must be set, and not '*'")
    return Reservation(
        type_,
        checked_role(fields, role),
        principal=fields.text("principal"),
        labels=read_labels(fields),
    )


def _read_volume(disk: Fields) -> VolumeInfo | None:
    persistence = disk.child("persistence")
    volume = disk.child("volume")
    if persistence is None:
        if volume is not None:
            raise unfit(disk, "volume", "Non-persistent volume not supported")
        return None
    if volume is None:
        problem = "Expecting 'volume' to be set for persistent volume"
        raise unfit(disk, "volume", problem)
    for name in ("host_path", "image", "source"):
        if volume.has(name):
            problem = f"Expecting '{name}' to be unset for persistent volume"
            raise unfit(volume, name, problem)
    mode = volume.required_text("mode")
    if mode not in ("RW", "RO"):
        raise volume.invalid("mode", f"{mode[:40]!r} is not RW or RO")
    return VolumeInfo(
        id=persistence.required_text("id"),
        container_path=volume.required_text("container_path"),
        principal=persistence.text("principal"),
        mode="RW" if mode == "RW" else "RO",
    )


def _read_source(source: Fields) -> DiskSource:
    type_ = source.required_text("type")
    known = _SOURCE_TYPES.get(type_)
    if known is None:
        raise unfit(source, "type", f"{type_[:40]!r} is not the type of a disk")
    place = source.child(known.lower()) if known in ("PATH", "MOUNT") else None
    return DiskSource(
        known,
        root=place.text("root") if place is not None else None,
        vendor=source.text("vendor"),
        id=source.text("id"),
        profile=source.text("profile"),
        metadata=read_labels(source, "metadata"),
    )


@lru_cache(maxsize=CACHED_KINDS_MAX)
def kind_to_json(key: str, form: ReservationForm) -> JsonObject:
    """The fields of a ``Resource`` that say its kind; not to be changed."""
    kind = kind_of_key(key)
    message: JsonObject = {"name": kind.name}
    if form is not ReservationForm.REFINED and len(kind.reservations) < 2:
        message["role"] = kind.role
        if kind.is_dynamic:
            message["reservation"] = _reservation_to_json(kind.reservations[0])
    elif form is ReservationForm.OLD:
        # Not offered to whoever cannot read it; the innermost says whose it is.
        message["role"] = kind.role
        message["reservation"] = _reservation_to_json(kind.reservations[-1])
    if form is not ReservationForm.OLD and kind.reservations:
        message["reservations"] = [
            {"type": each.type, "role": each.role} | _reservation_to_json(each)
            for each in kind.reservations
        ]
    disk = _disk_to_json(kind)
    if disk:
        message["disk"] = disk
    if kind.is_revocable:
        message["revocable"] = {}
    if kind.is_shared:
        message["shared"] = {}
    return message


def _reservation_to_json(reservation: Reservation) -> JsonObject:
    message: JsonObject = {}
    if reservation.principal is not None:
        message["principal"] = reservation.principal
    if reservation.labels:
        message["labels"] = labels_to_json(reservation.labels)
    return message


def _disk_to_json(kind: ResourceKind) -> JsonObject:
    message: JsonObject = {}
    if kind.volume is not None:
        message["persistence"] = {"id": kind.volume.id}
        if kind.volume.principal is not None:
            message["persistence"]["principal"] = kind.volume.principal
        message["volume"] = {
            "mode": kind.volume.mode,
            "container_path": kind.volume.container_path,
        }
    source = kind.source
    if source is not None:
        body: JsonObject = {"type": source.type}
        for name in ("vendor", "id", "profile"):
            text = getattr(source, name)
            if text is not None:
                body[name] = text
        if source.metadata:
            body["metadata"] = labels_to_json(source.metadata)
        if source.root is not None and source.type in ("PATH", "MOUNT"):
            body[source.type.lower()] = {"root": source.root}
        message["source"] = body
    return message
