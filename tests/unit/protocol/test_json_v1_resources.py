"""Resources in Mesos' JSON: amounts, ranges, reservations, offers."""

from __future__ import annotations

from typing import Any

import pytest
from support.mesos_json import (
    OFFER,
    task_from,
    written,
)

from raftleader.errors import InvalidInputError
from raftleader.protocol.offers import Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Offers,
)


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


@pytest.mark.parametrize(
    "value", [-1, 10**13, "Infinity", "nan", "1,5", True, [], 10**400, "1e999", ""]
)
def test_scalar_that_is_no_amount_is_refused(value: Any) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}
    with pytest.raises(InvalidInputError) as caught:
        task_from(resources=[item])
    assert caught.value.path in (
        "accept.operations[0].launch.task_infos[0].resources[0].scalar.value",
        "body",
    )


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"type": "SCALAR", "scalar": {"value": 1}}, "[0].name"),
        ({"name": "c(x)", "type": "SCALAR", "scalar": {"value": 1}}, "[0].name"),
        ({"name": "c", "scalar": {"value": 1}}, "[0].type"),
        ({"name": "c", "type": "TEXT", "text": {"value": "x"}}, "[0].type"),
        ({"name": "c", "type": "SCALAR"}, "[0].scalar"),
        ({"name": "c", "type": "SCALAR", "scalar": {}}, "[0].scalar.value"),
        (
            {"name": "p", "type": "RANGES", "ranges": {"range": {"begin": 1}}},
            "[0].ranges.range.end",
        ),
        (
            {
                "name": "p",
                "type": "RANGES",
                "ranges": {"range": {"begin": 2, "end": 1}},
            },
            "[0].ranges.range.end",
        ),
        (
            {
                "name": "p",
                "type": "RANGES",
                "ranges": {"range": {"begin": -1, "end": 1}},
            },
            "[0].ranges.range.begin",
        ),
        (
            {
                "name": "p",
                "type": "RANGES",
                "ranges": {
                    "range": [{"begin": 2 * i, "end": 2 * i} for i in range(10001)]
                },
            },
            "",
        ),
        (
            {
                "name": "c",
                "type": "SCALAR",
                "scalar": {"value": 1},
                "role": "a b",
            },
            "[0].role",
        ),
    ],
)
def test_bad_resource_is_refused_by_the_path_of_its_field(
    item: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        task_from(resources=[item])
    task = "accept.operations[0].launch.task_infos[0]"
    assert caught.value.path == f"{task}.resources{field}"


@pytest.mark.parametrize(
    "reserved",
    [
        {"role": "prod"},
        {"role": "prod", "reservation": {"principal": "p"}},
        {"reservation": {"role": "prod", "type": "DYNAMIC"}},
        {"reservations": [{"type": "STATIC", "role": "prod"}]},
        {"reservations": [{"role": "x"}, {"type": "DYNAMIC", "role": "prod"}]},
    ],
)
def test_reservation_is_read_in_each_of_its_forms(reserved: dict[str, Any]) -> None:
    item = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}} | reserved
    free = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}, "role": "*"}
    expected = Resources.of({"cpus": 1000, "cpus(prod)": 2000})
    assert task_from(resources=[item, free, free]).resources == expected


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
