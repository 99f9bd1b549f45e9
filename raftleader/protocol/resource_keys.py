"""What a resource is besides its amount, as the text of a key.

``Resources`` sums amounts by key, so whatever makes two amounts different things
stands in the key: reservations, volumes, shared, revocable. Most are short:

    cpus                unreserved
    cpus(prod)          reserved statically for ``prod``, and nothing else to say
    disk(prod)|{...}    anything else: the rest as canonical JSON after the bar

Equal kinds have equal keys on every replica. The role in brackets is that of the
innermost reservation, so who may use a resource is read without the JSON.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.labels import Label

ReservationType = Literal["STATIC", "DYNAMIC"]
DiskSourceType = Literal["PATH", "MOUNT", "BLOCK", "RAW"]


class Reservation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Resources held for a role; refinements stack on each other.

    Attributes:
        type: STATIC is the agent's configuration, DYNAMIC was reserved later.
        principal: Who reserved it, if that is known.
    """

    type: ReservationType
    role: str
    principal: str | None = None
    labels: tuple[Label, ...] = ()


class DiskSource(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The disk a disk resource is of; without one it is the agent's own."""

    type: DiskSourceType
    root: str | None = None
    vendor: str | None = None
    id: str | None = None
    profile: str | None = None
    metadata: tuple[Label, ...] = ()


class VolumeInfo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A persistent volume: which, and where its tasks see it.

    Attributes:
        id: Unique among the volumes of its role on one agent.
        container_path: Relative to the sandbox.
    """

    id: str
    container_path: str
    principal: str | None = None
    mode: Literal["RW", "RO"] = "RW"


class ResourceKind(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
):
    """Everything a resource is besides its amount.

    Attributes:
        reservations: Outermost first; empty is unreserved.
        volume: Set for a persistent volume: then the amount cannot be divided.
        is_shared: Many tasks may use it at once; it is never used up.
    """

    name: str
    reservations: tuple[Reservation, ...] = ()
    volume: VolumeInfo | None = None
    source: DiskSource | None = None
    is_shared: bool = False
    is_revocable: bool = False

    @property
    def role(self) -> str:
        """Whom it is reserved for; ``*`` is nobody."""
        return self.reservations[-1].role if self.reservations else "*"

    @property
    def is_dynamic(self) -> bool:
        """Whether the innermost reservation may be undone."""
        return bool(self.reservations) and self.reservations[-1].type == "DYNAMIC"

    def base(self) -> ResourceKind:
        """What an agent must have for this to be made of: without volume, sharing
        and dynamic reservations."""
        return ResourceKind(
            name=self.name,
            reservations=tuple(r for r in self.reservations if r.type == "STATIC"),
            source=self.source,
            is_revocable=self.is_revocable,
        )


KIND_BYTES_MAX = 2048
"""Most that may be said of a resource: it stands in a key, wherever it is summed."""
CACHED_KINDS_MAX = 16_384
"""Kinds whose keys are remembered; a cluster has some per volume and reservation."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(ResourceKind)


@lru_cache(maxsize=CACHED_KINDS_MAX)
def key_of_kind(kind: ResourceKind) -> str:
    """The key of this kind. Its only one: equal kinds, equal text."""
    prefix = kind.name if kind.role == "*" else f"{kind.name}({kind.role})"
    if kind == _plain(kind.name, kind.role):
        return prefix
    return f"{prefix}|{_encoder.encode(kind).decode()}"


@lru_cache(maxsize=CACHED_KINDS_MAX)
def kind_of_key(key: str) -> ResourceKind:
    """The kind a key names. Raises InvalidInputError for what is no key."""
    prefix, bar, text = key.partition("|")
    name, bracket, role = prefix.partition("(")
    kind = _plain(name, role[:-1] if bracket else "*")
    if bar:
        try:
            kind = _decoder.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidInputError("resource key", str(error)) from error
    if key_of_kind(kind) != key:
        raise InvalidInputError("resource key", f"{key!r} is not canonical")
    return kind


@lru_cache(maxsize=CACHED_KINDS_MAX)
def base_key(key: str) -> str:
    """The key of the base of the kind that ``key`` names."""
    return key_of_kind(kind_of_key(key).base()) if "|" in key else key


def is_too_long(kind: ResourceKind) -> bool:
    """Whether more is said of the resource than may be."""
    return len(_encoder.encode(kind)) > KIND_BYTES_MAX


def _plain(name: str, role: str) -> ResourceKind:
    reserved = () if role == "*" else (Reservation("STATIC", role),)
    return ResourceKind(name=name, reservations=reserved)


def is_shared_key(key: str) -> bool:
    """Whether the key names something that is never used up."""
    return "|" in key and kind_of_key(key).is_shared


def is_exclusive_key(key: str) -> bool:
    """Whether whoever uses it has it alone."""
    return "|" not in key or not kind_of_key(key).is_shared


def may_use(role: str, reserved_for: str) -> bool:
    """Whether a framework may use for ``role`` what is reserved so: unreserved, its
    own role's, or that of a role above it (``eng`` for ``eng/web``)."""
    return reserved_for in ("*", role) or role.startswith(reserved_for + "/")
