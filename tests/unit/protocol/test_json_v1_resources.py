"""Resources in Mesos' messages: amounts, ranges, reservations, volumes, offers."""

from __future__ import annotations

from typing import Any

import pytest
from support.mesos_json import (
    OFFER,
    framework_call,
    task_from,
    written,
)

from raftleader.errors import InvalidInputError
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_resources import resources_to_json
from raftleader.protocol.labels import Label
from raftleader.protocol.offers import Create, Offer, UnsupportedOperation
from raftleader.protocol.resource_keys import (
    DiskSource,
    Reservation,
    ResourceKind,
    VolumeInfo,
    key_of_kind,
)
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.scheduler_api import Accept, Offers

TASK = "accept.operations[0].launch.task_infos[0]"
CPUS = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}
DISK = {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}}
PORTS = {"name": "ports", "type": "RANGES"}
VOLUME = {"mode": "RW", "container_path": "data"}


@pytest.mark.parametrize(
    ("value", "millis"),
    [
        (0.1, 100),
        (1, 1000),
        ("2.5", 2500),
        ("1e3", 1_000_000),
        (0.1 + 0.2, 300),
        (1.0005, 1001),
        (0.0004, None),
        (10**12, 10**15),
    ],
)
def test_scalar_is_rounded_to_three_decimals(value: Any, millis: int | None) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}
    scalars = {} if millis is None else {"cpus": millis}
    assert task_from(resources=[item]).resources == Resources.of(scalars)


@pytest.mark.parametrize("value", ["nan", "1,5", True, [], "1e99999", ""])
def test_scalar_that_is_no_number_is_refused(value: Any) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}
    with pytest.raises(InvalidInputError) as caught:
        task_from(resources=[item])
    assert caught.value.path == f"{TASK}.resources[0].scalar.value"


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"type": "SCALAR", "scalar": {"value": 1}}, "[0].name"),
        ({"name": "c", "scalar": {"value": 1}}, "[0].type"),
        ({"name": "c", "type": "SCALAR"}, "[0].scalar"),
        ({"name": "c", "type": "SCALAR", "scalar": {}}, "[0].scalar.value"),
        (PORTS | {"ranges": {"range": {"begin": 1}}}, "[0].ranges.range.end"),
        (
            PORTS | {"ranges": {"range": {"begin": -1, "end": 1}}},
            "[0].ranges.range.begin",
        ),
        (
            PORTS
            | {
                "ranges": {
                    "range": [{"begin": 2 * i, "end": 2 * i} for i in range(10001)]
                }
            },
            "",
        ),
        (
            DISK | {"disk": {"persistence": {}, "volume": VOLUME}},
            "[0].disk.persistence.id",
        ),
        (
            DISK | {"disk": {"persistence": {"id": "v"}, "volume": {}}},
            "[0].disk.volume.mode",
        ),
    ],
)
def test_unreadable_resource_is_refused_by_the_path_of_its_field(
    item: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        task_from(resources=[item])
    assert caught.value.path == f"{TASK}.resources{field}"


@pytest.mark.parametrize(
    ("item", "unsupported"),
    [
        (CPUS | {"scalar": {"value": -1}}, "[0].scalar.value (must be from 0 to"),
        (CPUS | {"scalar": {"value": 10**13}}, "[0].scalar.value (must be from 0"),
        (CPUS | {"scalar": {"value": "Infinity"}}, "[0].scalar.value (must be"),
        (CPUS | {"name": "c(x)"}, "[0].name ('c(x)' is not the name of a resource)"),
        (CPUS | {"type": "TEXT"}, "[0].type ('TEXT' is not SCALAR, RANGES or SET)"),
        (
            PORTS | {"ranges": {"range": {"begin": 2, "end": 1}}},
            "[0].ranges.range.end (1 is before the begin, 2)",
        ),
        (CPUS | {"role": "a b"}, "[0].role ('a b' is not a role)"),
        (CPUS | {"role": "a|b"}, "[0].role ('a|b' is not a role)"),
        (CPUS | {"reservation": {}}, '[0].reservation (role "*" cannot be'),
        (CPUS | {"reservations": [{"role": "a"}]}, "[0].reservations[0].type (must"),
        (
            CPUS | {"reservations": [{"type": "STATIC", "role": "*"}]},
            "[0].reservations[0].role (must be set, and not '*')",
        ),
        (
            CPUS
            | {
                "reservations": [
                    {"type": "STATIC", "role": "a"},
                    {"type": "DYNAMIC", "role": "ab"},
                ]
            },
            "[0].reservations[1].role ('ab' is not a refinement of 'a')",
        ),
        (
            CPUS
            | {
                "reservations": [
                    {"type": "DYNAMIC", "role": "a"},
                    {"type": "STATIC", "role": "a/b"},
                ]
            },
            "[0].reservations[1].type (A refined reservation cannot be STATIC)",
        ),
        (CPUS | {"disk": {}}, "[0].disk (DiskInfo should not be set for cpus"),
        (CPUS | {"shared": {}}, "[0].shared (Only persistent volumes can be shared)"),
        (
            DISK | {"disk": {"volume": VOLUME}},
            "[0].disk.volume (Non-persistent volume not supported)",
        ),
        (
            DISK | {"disk": {"persistence": {"id": "v"}}},
            "[0].disk.volume (Expecting 'volume' to be set for persistent volume)",
        ),
        (
            DISK
            | {
                "disk": {
                    "persistence": {"id": "v"},
                    "volume": VOLUME | {"host_path": "/x"},
                }
            },
            "[0].disk.volume.host_path (Expecting 'host_path' to be unset for",
        ),
        (
            CPUS | {"role": "r", "reservation": {"principal": "p" * 2048}},
            "[0] (is described by more than 2048 bytes)",
        ),
        (
            DISK | {"disk": {"source": {"type": "TAPE"}}},
            "[0].disk.source.type ('TAPE' is not the type of a disk)",
        ),
    ],
)
def test_resource_that_cannot_be_is_the_business_of_its_task_alone(
    item: dict[str, Any], unsupported: str
) -> None:
    task = task_from(resources=[item])
    assert task.resources == EMPTY
    (problem,) = task.unsupported
    assert problem.startswith(f"resources{unsupported}")


def test_resource_that_cannot_be_drops_its_operation_alone() -> None:
    reserve = {
        "type": "RESERVE",
        "id": {"value": "op"},
        "reserve": {"resources": [CPUS | {"scalar": {"value": -1}}]},
    }
    body = {"operations": [reserve, {"type": "CREATE", "create": {"volumes": []}}]}
    decoded = decode_call(framework_call("ACCEPT", accept=body))
    assert isinstance(decoded, Accept)
    dropped, create = decoded.operations
    assert isinstance(dropped, UnsupportedOperation)
    assert (dropped.type, dropped.id) == ("RESERVE", "op")
    assert dropped.problem.startswith("accept.operations[0].reserve.resources[0].")
    assert create == Create(volumes=EMPTY)


def test_volume_of_no_size_cannot_grow() -> None:
    volume = DISK | {"scalar": {"value": 0}}
    grow = {"type": "GROW_VOLUME", "grow_volume": {"volume": volume, "addition": DISK}}
    decoded = decode_call(framework_call("ACCEPT", accept={"operations": grow}))
    assert isinstance(decoded, Accept)
    assert decoded.operations == (
        UnsupportedOperation(
            type="GROW_VOLUME",
            problem="accept.operations.grow_volume.volume: must not be empty",
        ),
    )


@pytest.mark.parametrize(
    ("reserved", "reservations"),
    [
        ({"role": "prod"}, (Reservation("STATIC", "prod"),)),
        (
            {"role": "prod", "reservation": {"principal": "p"}},
            (Reservation("DYNAMIC", "prod", principal="p"),),
        ),
        (
            {"reservation": {"role": "prod", "type": "DYNAMIC"}},
            (Reservation("DYNAMIC", "prod"),),
        ),
        (
            {"reservations": [{"type": "STATIC", "role": "prod"}]},
            (Reservation("STATIC", "prod"),),
        ),
        (
            {
                "reservations": [
                    {"type": "STATIC", "role": "prod"},
                    {
                        "type": "DYNAMIC",
                        "role": "prod/web",
                        "labels": {"labels": {"key": "k"}},
                    },
                ]
            },
            (
                Reservation("STATIC", "prod"),
                Reservation("DYNAMIC", "prod/web", labels=(Label("k"),)),
            ),
        ),
    ],
)
def test_reservation_is_read_in_each_of_its_forms(
    reserved: dict[str, Any], reservations: tuple[Reservation, ...]
) -> None:
    item = CPUS | {"scalar": {"value": 2}} | reserved
    free = CPUS | {"scalar": {"value": 0.5}, "role": "*"}
    key = key_of_kind(ResourceKind(name="cpus", reservations=reservations))
    expected = Resources.of({"cpus": 1000, key: 2000})
    assert task_from(resources=[item, free, free]).resources == expected


SHARED_VOLUME = ResourceKind(
    name="disk",
    reservations=(Reservation("DYNAMIC", "prod", principal="p"),),
    volume=VolumeInfo(id="v", container_path="data", principal="q"),
    source=DiskSource("MOUNT", root="/mnt", profile="fast"),
    is_shared=True,
)


def test_volume_is_written_as_mesos_writes_it_in_each_form() -> None:
    resources = Resources.of({key_of_kind(SHARED_VOLUME): 64_000})
    rest = {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": 64.0},
        "disk": {
            "persistence": {"id": "v", "principal": "q"},
            "volume": {"mode": "RW", "container_path": "data"},
            "source": {"type": "MOUNT", "mount": {"root": "/mnt"}, "profile": "fast"},
        },
        "shared": {},
    }
    old = {"role": "prod", "reservation": {"principal": "p"}}
    refined = {"reservations": [{"type": "DYNAMIC", "role": "prod", "principal": "p"}]}
    for form, reserved in (
        (ReservationForm.OLD, old),
        (ReservationForm.REFINED, refined),
        (ReservationForm.BOTH, old | refined),
    ):
        (item,) = resources_to_json(resources, form=form)
        assert item == rest | reserved
        assert task_from(resources=item).resources == resources


def test_shared_volume_named_twice_is_one() -> None:
    resources = Resources.of({key_of_kind(SHARED_VOLUME): 64_000})
    (item,) = resources_to_json(resources)
    assert task_from(resources=[item, item]).resources == resources


def test_offer_to_an_old_framework_has_roles_but_no_allocation_info() -> None:
    (offer,) = written(Offers(offers=(OFFER,)))["offers"]["offers"]
    assert offer == {
        "id": {"value": "o"},
        "framework_id": {"value": "f"},
        "agent_id": {"value": "a"},
        "hostname": "höst",
        "url": {
            "scheme": "http",
            "address": {"hostname": "höst", "ip": "10.0.0.1", "port": 5051},
            "path": "/slave(1)",
        },
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.5}, "role": "*"},
            {
                "name": "mem",
                "type": "SCALAR",
                "scalar": {"value": 64.0},
                "role": "prod",
            },
            {
                "name": "ports",
                "type": "RANGES",
                "ranges": {"range": [{"begin": 31000, "end": 31009}]},
                "role": "*",
            },
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 0.0}, "role": "*"},
        ],
    }


def test_offer_to_a_new_framework_names_allocation_and_reservations() -> None:
    event = Offers(offers=(OFFER,))
    (offer,) = written(event, "MULTI_ROLE", "RESERVATION_REFINEMENT")["offers"][
        "offers"
    ]
    assert offer["allocation_info"] == {"role": "prod"}
    assert offer["resources"][1] == {
        "name": "mem",
        "type": "SCALAR",
        "scalar": {"value": 64.0},
        "reservations": [{"type": "STATIC", "role": "prod"}],
        "allocation_info": {"role": "prod"},
    }
    assert "role" not in offer["resources"][0]
    assert "reservations" not in offer["resources"][0]


def test_offer_of_an_exhausted_agent_still_names_cpus_mem_disk_and_ports() -> None:
    offer = Offer(
        id=OFFER.id,
        framework_id=OFFER.framework_id,
        agent_id=OFFER.agent_id,
        role="*",
        resources=Resources.of({"gpus": 1000}),
        agent=OFFER.agent,
    )
    (message,) = written(Offers(offers=(offer,)))["offers"]["offers"]
    named = [item["name"] for item in message["resources"]]
    assert named == ["gpus", "cpus", "mem", "disk", "ports"]
