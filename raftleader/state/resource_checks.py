"""What is wrong with resources that want to enter the tables, in words.

Each function answers None if nothing is. Keys are checked too: what an unknown key
would mean on another version of us is nothing to find out later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from raftleader.errors import InvalidInputError
from raftleader.protocol.frameworks import role_problem
from raftleader.protocol.ids import id_problem
from raftleader.protocol.resource_keys import ResourceKind, VolumeInfo, kind_of_key
from raftleader.protocol.resources import Resources, split_key
from raftleader.state.bounds import KEY_CHARS_MAX, SCALAR_MILLIS_MAX


def keys_of(resources: Resources) -> Iterator[str]:
    """All keys, those of scalars first."""
    yield from resources.scalars
    yield from resources.ranges
    yield from resources.sets


def resources_problem(resources: Resources) -> str | None:
    """Amounts must be canonical (``Resources.of``) and not absurdly large, and kinds
    must be possible."""
    for key, millis in resources.scalars.items():
        if not 0 < millis <= SCALAR_MILLIS_MAX:
            return f"{key}: {millis} thousandths is not a usable amount"
        if "(" in key or "|" in key:
            problem = key_problem(key)
            if problem is not None:
                return problem
    if not (resources.ranges or resources.sets):
        return None
    try:
        canonical = Resources.of(resources.scalars, resources.ranges, resources.sets)
    except InvalidInputError as error:
        return str(error)
    if canonical != resources:
        return "ranges and sets must be in ascending order and disjoint"
    for key in (*resources.ranges, *resources.sets):
        if "(" in key or "|" in key:
            problem = key_problem(key)
            if problem is not None:
                return problem
    return None


def is_plain(resources: Resources) -> bool:
    """Whether the keys say all there is: no volumes, nothing shared or revocable, no
    dynamic reservations. As nearly always: worth asking before one looks closer."""
    return not any(
        "|" in key for key in (*resources.scalars, *resources.ranges, *resources.sets)
    )


def parts_problem(resources: Resources) -> str | None:
    """As ``resources_problem``, for an operation: there must be something."""
    return "Resource cannot be empty" if not resources else resources_problem(resources)


@lru_cache(maxsize=65_536)
def key_problem(key: str) -> str | None:
    """Why the key names nothing that can be. The words are Mesos' own where it has
    them."""
    if len(key) > KEY_CHARS_MAX:
        return f"a resource's key is longer than {KEY_CHARS_MAX} characters"
    try:
        kind = kind_of_key(key)
    except InvalidInputError as error:
        return str(error)
    if "|" not in key:
        return None  # an agent's static reservation; its role is its agent's business
    problem = _reservations_problem(kind)
    if problem is not None:
        return f"Invalid ReservationInfo: {problem}"
    problem = _disk_problem(kind)
    return None if problem is None else f"Invalid DiskInfo: {problem}"


def _reservations_problem(kind: ResourceKind) -> str | None:
    outer: str | None = None
    for reservation in kind.reservations:
        role = reservation.role
        problem = "'*' cannot be reserved for" if role == "*" else role_problem(role)
        if problem is not None:
            return f"role '{role}' is invalid: {problem}"
        if outer is not None:
            if reservation.type == "STATIC":
                return "a refined reservation cannot be STATIC"
            if not role.startswith(outer + "/"):
                return f"role '{role}' is not a refinement of '{outer}'"
        outer = role
    if kind.is_dynamic and kind.is_revocable:
        return (
            f"Dynamically reserved resource {describe(kind)} cannot be created from"
            " revocable resources"
        )
    return None


def _disk_problem(kind: ResourceKind) -> str | None:
    volume = kind.volume
    if volume is None:
        if kind.is_shared:
            return "Only persistent volumes can be shared"
        if kind.source is not None and kind.name != "disk":
            return f"'disk' is set for {kind.name}"
        return None
    if kind.name != "disk":
        return f"'disk' is set for {kind.name}"
    if kind.is_revocable:
        return "Persistent volumes cannot be created from revocable resources"
    if not kind.reservations:
        return "Persistent volumes cannot be created from unreserved resources"
    if kind.source is not None and kind.source.type in ("BLOCK", "RAW"):
        return f"A {kind.source.type} disk cannot be a persistent volume"
    problem = id_problem(volume.id)
    if problem is not None:
        return f"Invalid persistence ID for persistent volume: {problem}"
    return _path_problem(volume)


def _path_problem(volume: VolumeInfo) -> str | None:
    path = volume.container_path
    if not path or path.startswith("/") or "\0" in path:
        return "'container_path' of a persistent volume must be relative to the sandbox"
    if not {"..", "."}.isdisjoint(path.split("/")):
        return "'container_path' of a persistent volume must not have '.' or '..'"
    return None


def describe(kind: ResourceKind) -> str:
    """The kind for people: ``disk(role)[id:path]``."""
    role = "" if kind.role == "*" else f"({kind.role})"
    volume = kind.volume
    disk = "" if volume is None else f"[{volume.id}:{volume.container_path}]"
    return f"{kind.name}{role}{disk}{'<SHARED>' if kind.is_shared else ''}"


def is_made(key: str) -> bool:
    """Whether the key names what was made of an agent's resources, and can be unmade:
    a dynamic reservation or a persistent volume."""
    if "|" not in key:
        return False
    kind = kind_of_key(key)
    return kind.is_dynamic or kind.volume is not None


def is_indivisible(key: str) -> bool:
    """Whether the key names a disk that is used as a whole or not at all."""
    if "|" not in key:
        return False
    kind = kind_of_key(key)
    if kind.volume is not None:
        return True
    return kind.source is not None and kind.source.type != "PATH"


def divided_part(part: Resources, whole: Resources) -> str | None:
    """What ``part`` has some of and ``whole`` has more of, and cannot be divided."""
    for key, millis in part.scalars.items():
        if is_indivisible(key) and millis != whole.scalars.get(key):
            return describe(kind_of_key(key))
    return None


def volumes(resources: Resources) -> list[tuple[str, ResourceKind]]:
    """Persistent volumes: key and kind of each, by key."""
    kinds = [(key, kind_of_key(key)) for key in sorted(resources.scalars) if "|" in key]
    return [(key, kind) for key, kind in kinds if kind.volume is not None]


def twin_volume(resources: Resources) -> str | None:
    """An id that two persistent volumes of one role have."""
    seen: set[tuple[str, str]] = set()
    for _, kind in volumes(resources):
        assert kind.volume is not None
        name = (kind.role, kind.volume.id)
        if name in seen:
            return kind.volume.id
        seen.add(name)
    return None


def revocable_twice(keys: Iterable[str]) -> str | None:
    """A name of which there is a revocable part, and one that is not."""
    found: dict[str, bool] = {}
    for key in keys:
        is_revocable = "|" in key and kind_of_key(key).is_revocable
        name = split_key(key)[0]
        if found.setdefault(name, is_revocable) != is_revocable:
            return name
    return None
