"""Dynamic reservations: what RESERVE and UNRESERVE take, and what becomes of it."""

from __future__ import annotations

from msgspec.structs import replace

from raftleader.protocol.offers import Reserve, Unreserve
from raftleader.protocol.resource_keys import ResourceKind, kind_of_key
from raftleader.protocol.resources import Resources
from raftleader.state.resource_checks import describe, keys_of, parts_problem


def plan_reserve(
    operation: Reserve, principal: str | None, role: str | None, *, is_operator: bool
) -> tuple[Resources, Resources] | str:
    """What is taken and what becomes of it, or why not: ``plan_conversion``."""
    resources, source = operation.resources, operation.source
    problem = parts_problem(resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    if source is not None:
        if not is_operator:
            return (
                "Operation attempted with invalid resources: Reservation updates are"
                " not yet implemented for the scheduler API."
            )
        problem = parts_problem(source) or _mixed(source)
        if problem is not None:
            return f"Invalid source: {problem}"
        problem = _mixed(resources)
        if problem is not None:
            return f"Invalid resources: {problem}"
    for key in keys_of(resources):
        kind = kind_of_key(key)
        problem = _reserved_problem(kind, principal, role)
        if problem is not None:
            return problem
    if source is None:
        return reserve_source(resources), resources
    before, after = (r.converted(_without_reservations) for r in (source, resources))
    if before != after:
        return (
            "Source and target resources should refer to identical resource"
            f" quantities: {before} vs. {after}"
        )
    if any(kind_of_key(key).volume is not None for key in keys_of(source)):
        return "A persistent volume cannot be reserved"
    return source, resources


def _mixed(resources: Resources) -> str | None:
    if len({kind_of_key(key).reservations for key in keys_of(resources)}) > 1:
        return f"Mixed reservations are not supported: {resources}"
    return None


def _reserved_problem(
    kind: ResourceKind, principal: str | None, role: str | None
) -> str | None:
    if not kind.is_dynamic:
        return f"Resource {describe(kind)} is not dynamically reserved"
    if kind.volume is not None:
        return f"A persistent volume {describe(kind)} cannot be reserved"
    reserved_by = kind.reservations[-1].principal
    if principal is not None and reserved_by is None:
        return (
            f"A reserve operation was attempted by principal '{principal}', but there"
            " is a reserved resource in the request with no principal set"
        )
    if principal not in (None, reserved_by):
        return (
            "A reserve operation was attempted by authenticated principal"
            f" '{principal}', which does not match a reserved resource in the request"
            f" with principal '{reserved_by}'"
        )
    if role not in (None, kind.role):
        return (
            "A reserve operation was attempted for a resource with role"
            f" '{kind.role}', but the resource was allocated to role '{role}'"
        )
    return None


def plan_unreserve(operation: Unreserve) -> tuple[Resources, Resources] | str:
    """As ``plan_reserve``."""
    problem = parts_problem(operation.resources)
    if problem is not None:
        return f"Invalid resources: {problem}"
    for key in keys_of(operation.resources):
        kind = kind_of_key(key)
        if not kind.is_dynamic:
            return f"Resource {describe(kind)} is not dynamically reserved"
        if kind.volume is not None:
            return (
                f"A dynamically reserved persistent volume {describe(kind)} cannot be"
                " unreserved directly. Please destroy the persistent volume first then"
                " unreserve the resource"
            )
    return operation.resources, reserve_source(operation.resources)


def reserve_source(resources: Resources) -> Resources:
    """``resources`` without their innermost reservations."""
    return resources.converted(_without_innermost)


def _without_innermost(kind: ResourceKind) -> ResourceKind:
    return replace(kind, reservations=kind.reservations[:-1])


def _without_reservations(kind: ResourceKind) -> ResourceKind:
    return replace(kind, reservations=())
