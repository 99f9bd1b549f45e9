"""Persistent volumes: what the operations on them take, and what becomes of it."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.offers import Create, Destroy, GrowVolume, ShrinkVolume
from raftleader.protocol.resource_keys import ResourceKind, key_of_kind, kind_of_key
from raftleader.protocol.resources import Resources
from raftleader.state.resource_checks import (
    describe,
    keys_of,
    parts_problem,
    resources_problem,
    twin_volume,
    volumes,
)


def plan_create(
    operation: Create,
    total: Resources,
    principal: str | None,
    framework: FrameworkInfo | None,
) -> tuple[Resources, Resources] | str:
    """What is taken and what becomes of it, or why not: ``plan_conversion``."""
    problem = _volumes_problem(operation.volumes)
    if problem is not None:
        return problem
    # Not as a sum: a volume must not be made twice, nor grow by being made again.
    present = {(k.role, k.volume.id) for _, k in volumes(total) if k.volume is not None}
    twin = twin_volume(operation.volumes)
    for _, kind in volumes(operation.volumes):
        assert kind.volume is not None
        if (kind.role, kind.volume.id) in present:
            twin = kind.volume.id
        if (
            kind.is_shared
            and framework is not None
            and not framework.is_capable("SHARED_RESOURCES")
        ):
            return (
                f"Create volume operation for '{describe(kind)}' has been attempted by"
                f" framework '{framework.id}' with no SHARED_RESOURCES capability"
            )
        made_by = kind.volume.principal
        if principal is not None and made_by is None:
            return (
                f"Create volume operation attempted by principal '{principal}', but"
                " there is a volume in the operation with no principal set in"
                " 'disk.persistence'"
            )
        if principal not in (None, made_by):
            return (
                "Create volume operation attempted by authenticated principal"
                f" '{principal}', which does not match a volume in the operation with"
                f" principal '{made_by}' set in 'disk.persistence'"
            )
    if twin is not None:
        return f"Persistence ID '{twin}' is not unique"
    return volume_source(operation.volumes), operation.volumes


def plan_destroy(
    operation: Destroy, total: Resources, in_use: Collection[str]
) -> tuple[Resources, Resources] | str:
    """What is taken and what becomes of it, or why not: ``plan_conversion``."""
    problem = _volumes_problem(operation.volumes)
    if problem is not None:
        return problem
    for key, _ in volumes(operation.volumes):
        if total.scalars.get(key) != operation.volumes.scalars[key]:
            return "Persistent volumes not found"
        if key in in_use:
            return "Persistent volumes in use"
    return operation.volumes, volume_source(operation.volumes)


def _volumes_problem(resources: Resources) -> str | None:
    problem = parts_problem(resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    for key in keys_of(resources):
        kind = kind_of_key(key)
        if kind.volume is None:
            return (
                f"Not a persistent volume: Resource {describe(kind)} does not have"
                " DiskInfo"
            )
        if kind.volume.mode == "RO":
            return "Not a persistent volume: Read-only persistent volume not supported"
    return None


def plan_grow(operation: GrowVolume) -> tuple[Resources, Resources] | str:
    """What is taken and what becomes of it, or why not: ``plan_conversion``."""
    found = _one_volume(operation.volume, "GrowVolume")
    if isinstance(found, str):
        return found
    key, kind = found
    addition = operation.addition
    problem = resources_problem(addition)
    if problem is not None:
        return f"Invalid resource in the 'GrowVolume.addition' field: {problem}"
    if not addition:
        return "The size of 'GrowVolume.addition' field must be greater than zero"
    if kind.is_shared:
        return "Growing a shared persistent volume is not supported"
    source = key_of_kind(_without_volume(kind))
    is_mount = kind.source is not None and kind.source.type == "MOUNT"
    if is_mount or list(keys_of(addition)) != [source]:
        return (
            "Incompatible resources in the 'GrowVolume.volume' and"
            " 'GrowVolume.addition' fields"
        )
    size = operation.volume.scalars[key] + addition.scalars[source]
    return operation.volume + addition, Resources.of({key: size})


def plan_shrink(operation: ShrinkVolume) -> tuple[Resources, Resources] | str:
    """What is taken and what becomes of it, or why not: ``plan_conversion``."""
    found = _one_volume(operation.volume, "ShrinkVolume")
    if isinstance(found, str):
        return found
    key, kind = found
    size = operation.volume.scalars[key]
    if operation.subtract_millis <= 0:
        return "Value of 'ShrinkVolume.subtract' must be greater than zero"
    if size <= operation.subtract_millis:
        return (
            "Value of 'ShrinkVolume.subtract' must be smaller than the size of"
            " 'ShrinkVolume.volume'"
        )
    if kind.source is not None and kind.source.type == "MOUNT":
        return "Shrinking a volume on a MOUNT disk is not supported"
    if kind.is_shared:
        return "Shrinking a shared persistent volume is not supported"
    left = size - operation.subtract_millis
    freed = key_of_kind(_without_volume(kind))
    return operation.volume, Resources.of({key: left, freed: operation.subtract_millis})


def _one_volume(resources: Resources, message: str) -> tuple[str, ResourceKind] | str:
    problem = resources_problem(resources)
    if problem is not None:
        return f"Invalid resource in the '{message}.volume' field: {problem}"
    keys = list(keys_of(resources))
    problem = "a single one is expected" if len(keys) != 1 else None
    problem = problem or _volumes_problem(resources)
    if problem is not None:
        return f"Invalid persistent volume in the '{message}.volume' field: {problem}"
    return keys[0], kind_of_key(keys[0])


def volume_source(resources: Resources) -> Resources:
    """The disk that volumes are made of, reserved as they are."""
    return resources.converted(_without_volume)


def _without_volume(kind: ResourceKind) -> ResourceKind:
    return replace(kind, volume=None, is_shared=False)
