"""Each operation does what it says, and says why not in Mesos' words."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.labels import Label
from raftleader.protocol.offers import (
    Create,
    Destroy,
    GrowVolume,
    Reserve,
    ShrinkVolume,
    Unreserve,
)
from raftleader.protocol.resource_keys import (
    DiskSource,
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import EMPTY, Resources, parse_resources
from raftleader.state.conversions import Converted, plan_conversion


def _key(
    name: str,
    *roles: str,
    principal: str | None = None,
    static: str | None = None,
    volume: str | None = None,
    **fields: Any,
) -> str:
    stack = [] if static is None else [Reservation("STATIC", static)]
    stack += [Reservation("DYNAMIC", role, principal) for role in roles]
    info = None if volume is None else VolumeInfo(volume, "data", principal)
    return key_of_kind(
        ResourceKind(name=name, reservations=tuple(stack), volume=info, **fields)
    )


CPUS, DISK = _key("cpus", "a"), _key("disk", "a")
VOLUME = _key("disk", "a", volume="v")
SHARED = _key("disk", "a", volume="s", is_shared=True)
MOUNT = DiskSource("MOUNT", "/mnt/d1")
MOUNTED = _key("disk", "a", source=MOUNT)
TOTAL = Resources.of(
    {
        "cpus": 4000,
        "disk": 900,
        "cpus(r)": 1000,
        CPUS: 2000,
        DISK: 500,
        VOLUME: 100,
        SHARED: 200,
        MOUNTED: 1000,
        "mem|" + _key("mem", is_revocable=True).partition("|")[2]: 64,
    },
    {"ports": [(1, 9)]},
)


def _of(**scalars: int) -> Resources:
    return Resources.of(scalars)


def _plan(operation: Any, **options: Any) -> Converted:
    plan = plan_conversion(TOTAL, TOTAL, operation, **options)
    assert isinstance(plan, Converted), plan
    assert plan.total == plan.applied_to(TOTAL)
    base = TOTAL.converted(ResourceKind.base)
    assert plan.total.converted(ResourceKind.base) == base
    return plan


def test_reserve_takes_what_is_unreserved() -> None:
    ports = {_key("ports", "a"): [(2, 3)]}
    plan = _plan(Reserve(resources=Resources.of({CPUS: 1000}, ports)))

    assert plan.consumed == parse_resources("cpus:1;ports:[2-3]")
    assert plan.total.scalars[CPUS] == 3000
    assert plan.total.ranges == {"ports": ((1, 1), (4, 9)), **dict(ports)} | {
        _key("ports", "a"): ((2, 3),)
    }
    assert plan.dynamic.scalars.keys() == {CPUS, DISK, VOLUME, SHARED, MOUNTED}


def test_reserve_refines_a_reservation_of_any_type() -> None:
    on_static = _key("cpus", "r/x", static="r")
    assert _plan(Reserve(resources=_of(**{on_static: 1}))).consumed == _of(
        **{"cpus(r)": 1}
    )
    on_dynamic = _key("cpus", "a", "a/x")
    assert _plan(Reserve(resources=_of(**{on_dynamic: 1}))).consumed == _of(**{CPUS: 1})


def test_operators_move_reservations_and_frameworks_do_not() -> None:
    target = _key("cpus", "b")
    move = Reserve(resources=_of(**{target: 500}), source=_of(**{CPUS: 500}))

    assert _plan(move, is_operator=True).consumed == _of(**{CPUS: 500})
    assert "not yet implemented for the scheduler" in str(
        plan_conversion(TOTAL, TOTAL, move)
    )


def test_unreserve_takes_the_innermost_reservation_off() -> None:
    plan = _plan(Unreserve(resources=_of(**{CPUS: 2000})))

    assert plan.converted == _of(cpus=2000)
    assert CPUS not in plan.dynamic.scalars


def test_a_volume_is_made_grown_shrunk_and_destroyed() -> None:
    new = _key("disk", "a", volume="w")
    assert _plan(Create(volumes=_of(**{new: 300}))).consumed == _of(**{DISK: 300})
    grow = GrowVolume(volume=_of(**{VOLUME: 100}), addition=_of(**{DISK: 50}))
    assert _plan(grow).converted == _of(**{VOLUME: 150})
    shrink = ShrinkVolume(volume=_of(**{VOLUME: 100}), subtract_millis=30)
    assert _plan(shrink).converted == _of(**{VOLUME: 70, DISK: 30})
    destroy = Destroy(volumes=_of(**{VOLUME: 100, SHARED: 200}))
    assert _plan(destroy).converted == _of(**{DISK: 300})


def test_a_mount_disk_becomes_a_volume_as_a_whole() -> None:
    volume = _key("disk", "a", volume="m", source=MOUNT)
    assert _plan(Create(volumes=_of(**{volume: 1000}))).consumed == _of(
        **{MOUNTED: 1000}
    )
    part = plan_conversion(TOTAL, TOTAL, Create(volumes=_of(**{volume: 600})))
    assert part == "disk(a) cannot be divided"


def test_only_what_is_available_is_taken() -> None:
    plan = plan_conversion(
        TOTAL, _of(cpus=1000), Reserve(resources=_of(**{CPUS: 1500}))
    )
    assert plan == "cpus:1 does not contain cpus:1.5"


PRINCIPAL = _key("cpus", "a", principal="p")
NESTED = _key("cpus", "a", "b")
MADE = VolumeInfo("w", "data", "p")


@pytest.mark.parametrize(
    ("operation", "options", "words"),
    [
        (Reserve(resources=EMPTY), {}, "cannot be empty"),
        (Reserve(resources=_of(cpus=1)), {}, "cpus is not dynamically reserved"),
        (Reserve(resources=_of(**{"cpus(r)": 1})), {}, "is not dynamically reserved"),
        (Reserve(resources=_of(**{NESTED: 1})), {}, "not a refinement of 'a'"),
        (Reserve(resources=_of(**{_key("cpus", "*"): 1})), {}, "'*' is invalid"),
        (Reserve(resources=_of(**{_key("cpus", "a/../b"): 1})), {}, "is invalid"),
        (
            Reserve(resources=_of(**{_key("mem", "a", is_revocable=True): 1})),
            {},
            "cannot be created from revocable resources",
        ),
        (
            Reserve(resources=_of(**{CPUS: 1})),
            {"principal": "p"},
            "with no principal set",
        ),
        (
            Reserve(resources=_of(**{PRINCIPAL: 1})),
            {"principal": "q"},
            "does not match a reserved resource in the request with principal 'p'",
        ),
        (
            Reserve(resources=_of(**{CPUS: 1})),
            {"role": "b"},
            "with role 'a', but the resource was allocated to role 'b'",
        ),
        (
            Reserve(resources=_of(**{_key("disk", "a", "a/b", volume="v"): 1})),
            {},
            "persistent volume disk(a/b)[v:data] cannot be reserved",
        ),
        (
            Reserve(resources=_of(**{CPUS: 1}), source=_of(cpus=2)),
            {"is_operator": True},
            "identical resource quantities",
        ),
        (
            Reserve(resources=_of(**{CPUS: 2}), source=_of(cpus=1, **{NESTED: 1})),
            {"is_operator": True},
            "Invalid source",
        ),
        (
            Reserve(resources=_of(**{CPUS: 1, DISK: 1}), source=EMPTY),
            {"is_operator": True},
            "Invalid source: Resource cannot be empty",
        ),
        (
            Reserve(
                resources=_of(**{CPUS: 1, _key("disk", "b"): 1}),
                source=_of(cpus=1, disk=1),
            ),
            {"is_operator": True},
            "Invalid resources: Mixed reservations",
        ),
        (
            Reserve(resources=_of(**{CPUS: 1}), source=_of(**{"cpus(r)": 1})),
            {"is_operator": True},
            "Static reservations cannot be changed",
        ),
        (Unreserve(resources=EMPTY), {}, "cannot be empty"),
        (Unreserve(resources=_of(cpus=1)), {}, "is not dynamically reserved"),
        (
            Unreserve(resources=_of(**{"cpus(r)": 1})),
            {},
            "is not dynamically reserved",
        ),
        (
            Unreserve(resources=_of(**{VOLUME: 100})),
            {},
            "cannot be unreserved directly. Please destroy",
        ),
        (Create(volumes=EMPTY), {}, "cannot be empty"),
        (Create(volumes=_of(**{DISK: 1})), {}, "Not a persistent volume"),
        (Create(volumes=_of(**{VOLUME: 1})), {}, "Persistence ID 'v' is not unique"),
        (
            Create(
                volumes=_of(
                    **{
                        _key("disk", "a", volume="w"): 1,
                        _key("disk", "a", volume="w", is_shared=True): 1,
                    }
                )
            ),
            {},
            "Persistence ID 'w' is not unique",
        ),
        (
            Create(volumes=_of(**{_key("disk", volume="w"): 1})),
            {},
            "cannot be created from unreserved resources",
        ),
        (
            Create(volumes=_of(**{_key("disk", "a", volume="a/b"): 1})),
            {},
            "Invalid persistence ID",
        ),
        (
            Create(volumes=_of(**{_key("cpus", "a", volume="w"): 1})),
            {},
            "'disk' is set for cpus",
        ),
        (
            Create(volumes=_of(**{_key("disk", "a", volume="w"): 1})),
            {"principal": "p"},
            "no principal set in 'disk.persistence'",
        ),
        (
            Create(volumes=_of(**{_key("disk", "a", volume="w", principal="p"): 1})),
            {"principal": "q"},
            "principal 'p' set in 'disk.persistence'",
        ),
        (
            Create(volumes=_of(**{_key("disk", "a", volume="w", is_shared=True): 1})),
            {"framework": FrameworkInfo(user="u", name="n")},
            "with no SHARED_RESOURCES capability",
        ),
        (Destroy(volumes=_of(**{DISK: 1})), {}, "Not a persistent volume"),
        (Destroy(volumes=_of(**{VOLUME: 60})), {}, "Persistent volumes not found"),
        (
            Destroy(volumes=_of(**{_key("disk", "a", volume="x"): 1})),
            {},
            "Persistent volumes not found",
        ),
        (
            Destroy(volumes=_of(**{SHARED: 200})),
            {"in_use": {SHARED}},
            "Persistent volumes in use",
        ),
        (
            GrowVolume(volume=_of(**{DISK: 1}), addition=_of(**{DISK: 1})),
            {},
            "Invalid persistent volume in the 'GrowVolume.volume'",
        ),
        (
            GrowVolume(volume=_of(**{VOLUME: 100}), addition=EMPTY),
            {},
            "must be greater than zero",
        ),
        (
            GrowVolume(volume=_of(**{VOLUME: 100}), addition=_of(disk=1)),
            {},
            "Incompatible resources",
        ),
        (
            GrowVolume(volume=_of(**{SHARED: 200}), addition=_of(**{DISK: 1})),
            {},
            "Growing a shared",
        ),
        (
            GrowVolume(volume=_of(**{VOLUME: 60}), addition=_of(**{DISK: 1})),
            {},
            "disk(a)[v:data] cannot be divided",
        ),
        (
            ShrinkVolume(volume=_of(**{VOLUME: 100}), subtract_millis=0),
            {},
            "greater than zero",
        ),
        (
            ShrinkVolume(volume=_of(**{VOLUME: 100}), subtract_millis=100),
            {},
            "smaller than the size",
        ),
        (
            ShrinkVolume(volume=_of(**{SHARED: 200}), subtract_millis=1),
            {},
            "Shrinking a shared",
        ),
        (
            ShrinkVolume(
                volume=_of(**{_key("disk", "a", volume="m", source=MOUNT): 9}),
                subtract_millis=1,
            ),
            {},
            "on a MOUNT disk is not supported",
        ),
        (
            ShrinkVolume(volume=_of(**{VOLUME: 100, SHARED: 200}), subtract_millis=1),
            {},
            "a single one is expected",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    operation: Any, options: dict[str, Any], words: str
) -> None:
    plan = plan_conversion(TOTAL, TOTAL, operation, **options)
    assert isinstance(plan, str) and words in plan, plan


@pytest.mark.parametrize("path", ["", "/abs", "../up", "a/./b"])
def test_a_volume_stays_in_the_sandbox(path: str) -> None:
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", "a"),),
        volume=VolumeInfo("w", path),
    )
    plan = plan_conversion(TOTAL, TOTAL, Create(volumes=_of(**{key_of_kind(kind): 1})))
    assert isinstance(plan, str) and "'container_path'" in plan


def test_a_read_only_volume_is_refused() -> None:
    kind = ResourceKind(
        name="disk",
        reservations=(Reservation("DYNAMIC", "a"),),
        volume=VolumeInfo("w", "data", mode="RO"),
    )
    plan = plan_conversion(TOTAL, TOTAL, Create(volumes=_of(**{key_of_kind(kind): 1})))
    assert isinstance(plan, str) and "Read-only" in plan


def test_an_agent_is_not_cut_into_any_number_of_pieces() -> None:
    total = Resources.of({"cpus": 10_000})
    labels = [
        Reservation("DYNAMIC", "a", labels=(Label(str(number)),))
        for number in range(1_001)
    ]
    many = {
        key_of_kind(ResourceKind(name="cpus", reservations=(one,))): 1 for one in labels
    }
    plan = plan_conversion(total, total, Reserve(resources=Resources.of(many)))
    assert isinstance(plan, str) and "more than 1000 different" in plan
