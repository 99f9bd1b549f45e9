"""What operations take and make, as their framework understands them."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.offers import Conversion, Create, Destroy, Reserve, Unreserve
from raftleader.protocol.resource_keys import ResourceKind, kind_of_key
from raftleader.protocol.resources import Resources


def is_volume(key: str) -> bool:
    """Whether it is the key of a persistent volume."""
    return "|" in key and kind_of_key(key).volume is not None


def sides(operation: Conversion) -> tuple[Resources, Resources]:
    """What an operation takes, and what it makes of that."""
    match operation:
        case Reserve(resources=resources):
            return resources.converted(_unreserved), resources
        case Unreserve(resources=resources):
            return resources, resources.converted(_unreserved)
        case Create(volumes=volumes):
            return volumes.converted(_plain_disk), volumes
        case Destroy(volumes=volumes):
            return volumes, volumes.converted(_plain_disk)
    raise AssertionError(operation)


def _unreserved(kind: ResourceKind) -> ResourceKind:
    return replace(kind, reservations=())


def _plain_disk(kind: ResourceKind) -> ResourceKind:
    return replace(kind, volume=None)
