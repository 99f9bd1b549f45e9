"""Offer constraints in Mesos' messages."""

from __future__ import annotations

from typing import Any

import pytest
from support.mesos_json import call

from raftleader.errors import InvalidInputError
from raftleader.protocol.constraints import (
    Constraint,
    OfferConstraints,
    Predicate,
    Pseudoattribute,
)
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.scheduler_api import Subscribe
from raftleader.state.offer_constraints import constraints_problem


def constraints_from(*constraints: dict[str, Any]) -> OfferConstraints:
    groups = [{"attribute_constraints": list(constraints)}]
    body = {
        "framework_info": {"user": "u", "name": "n", "roles": ["web"]},
        "offer_constraints": {"role_constraints": {"web": {"groups": groups}}},
    }
    decoded = decode_call(call(type="SUBSCRIBE", subscribe=body))
    assert isinstance(decoded, Subscribe)
    return decoded.offer_constraints


RACK = {"attribute_name": "rack"}


@pytest.mark.parametrize(
    ("message", "constraint"),
    [
        (
            {"selector": RACK, "predicate": {"exists": {}}},
            Constraint(attribute="rack", predicate=Predicate.EXISTS),
        ),
        (
            {
                "selector": {"pseudoattribute_type": "ZONE"},
                "predicate": {"text_not_equals": {"value": "z1"}},
            },
            Constraint(
                pseudoattribute=Pseudoattribute.ZONE,
                predicate=Predicate.TEXT_NOT_EQUALS,
                text="z1",
            ),
        ),
        (
            {"selector": RACK, "predicate": {"text_matches": {"regex": "r[0-9]"}}},
            Constraint(
                attribute="rack", predicate=Predicate.TEXT_MATCHES, text="r[0-9]"
            ),
        ),
    ],
)
def test_constraint_is_read_as_mesos_reads_it(
    message: dict[str, Any], constraint: Constraint
) -> None:
    assert constraints_from(message) == {"web": ((constraint,),)}


@pytest.mark.parametrize(
    "message",
    [
        {"selector": {"pseudoattribute_type": "MOON"}, "predicate": {"exists": {}}},
        {
            "selector": RACK | {"pseudoattribute_type": "ZONE"},
            "predicate": {"exists": {}},
        },
        {"selector": RACK, "predicate": {"larger_than": {"value": 1}}},
        {"selector": RACK, "predicate": {}},
    ],
)
def test_constraint_that_says_nothing_is_left_for_the_state_to_refuse(
    message: dict[str, Any],
) -> None:
    problem = constraints_problem(constraints_from(message), ("web",))
    assert problem is not None
    assert problem.startswith("Offer constraints are not valid: ")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"predicate": {"exists": {}}}, "selector"),
        ({"selector": RACK}, "predicate"),
        (
            {"selector": RACK, "predicate": {"text_equals": {}}},
            "predicate.text_equals.value",
        ),
        ({"selector": RACK, "predicate": {"exists": 1}}, "predicate.exists"),
    ],
)
def test_constraint_without_what_it_needs_is_refused_by_its_path(
    message: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        constraints_from(message)
    place = "subscribe.offer_constraints.role_constraints.web.groups[0]"
    assert caught.value.path == f"{place}.attribute_constraints[0].{field}"
