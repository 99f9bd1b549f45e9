from __future__ import annotations

import pytest

from raftleader.protocol.agents import AgentInfo, Attribute, Domain
from raftleader.protocol.constraints import Constraint, Predicate, Pseudoattribute
from raftleader.state.offer_constraints import (
    constraints_problem,
    excludes,
    is_excluded,
)

AGENT = AgentInfo(
    hostname="h1.example.org",
    ip="10.0.0.1",
    port=5051,
    attributes=(
        Attribute(name="rack", text="r1"),
        Attribute(name="rack", text="r2"),
        Attribute(name="speed", scalar_millis=1500),
    ),
    domain=Domain(region="eu", zone="eu-1"),
)
HOST = Pseudoattribute.HOSTNAME
P = Predicate


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        (Constraint(predicate=P.EXISTS, attribute="rack"), True),
        (Constraint(predicate=P.EXISTS, attribute="gone"), False),
        (Constraint(predicate=P.NOT_EXISTS, attribute="rack"), False),
        (Constraint(predicate=P.NOT_EXISTS, attribute="gone"), True),
        (Constraint(predicate=P.TEXT_EQUALS, attribute="rack", text="r1"), True),
        (Constraint(predicate=P.TEXT_EQUALS, attribute="rack", text="r2"), False),
        (Constraint(predicate=P.TEXT_EQUALS, attribute="gone", text="x"), False),
        (Constraint(predicate=P.TEXT_NOT_EQUALS, attribute="gone", text="x"), True),
        (Constraint(predicate=P.TEXT_NOT_EQUALS, attribute="rack", text="r1"), False),
        (Constraint(predicate=P.TEXT_EQUALS, attribute="speed", text="x"), True),
        (Constraint(predicate=P.TEXT_NOT_MATCHES, attribute="speed", text="x"), True),
        (Constraint(predicate=P.TEXT_MATCHES, attribute="rack", text="r[0-9]"), True),
        (Constraint(predicate=P.TEXT_MATCHES, attribute="rack", text="r"), False),
        (Constraint(predicate=P.TEXT_MATCHES, attribute="gone", text=".*"), False),
        (Constraint(predicate=P.TEXT_NOT_MATCHES, attribute="gone", text=".*"), True),
        (
            Constraint(predicate=P.TEXT_MATCHES, pseudoattribute=HOST, text="h1.+"),
            True,
        ),
        (
            Constraint(
                predicate=P.TEXT_EQUALS,
                pseudoattribute=Pseudoattribute.REGION,
                text="eu",
            ),
            True,
        ),
        (
            Constraint(
                predicate=P.TEXT_EQUALS, pseudoattribute=Pseudoattribute.ZONE, text="eu"
            ),
            False,
        ),
    ],
)
def test_constraint_holds_as_in_mesos(constraint: Constraint, holds: bool) -> None:
    assert is_excluded({"r": ((constraint,),)}, "r", AGENT) is not holds


def test_region_is_absent_when_the_agent_has_no_domain() -> None:
    info = AgentInfo(hostname="h", ip="10.0.0.1", port=1)
    absent = Constraint(predicate=P.NOT_EXISTS, pseudoattribute=Pseudoattribute.REGION)
    assert not is_excluded({"r": ((absent,),)}, "r", info)


def test_agent_is_wanted_when_all_of_one_group_hold() -> None:
    yes = Constraint(predicate=P.EXISTS, attribute="rack")
    no = Constraint(predicate=P.EXISTS, attribute="gone")
    assert not is_excluded({"r": ((yes, no), (yes,))}, "r", AGENT)
    assert is_excluded({"r": ((yes, no), (no,))}, "r", AGENT)
    assert not is_excluded({"r": ((no,),)}, "other", AGENT)
    assert excludes({"r": ((no,),)}, "other") is None
    excluding = excludes({"r": ((no,),)}, "r")
    assert excluding is not None and excluding(AGENT)


def test_constraints_are_refused_in_mesos_words_when_they_make_no_sense() -> None:
    yes = Constraint(predicate=P.EXISTS, attribute="rack")
    match = Constraint(predicate=P.TEXT_MATCHES, attribute="rack", text="a")
    assert constraints_problem({"r": ((yes,),)}, ("r",)) is None
    for constraints, words in (
        ({"x": ((yes,),)}, "for a role 'x'not contained in the set of roles"),
        ({"r": ()}, "has an empty 'RoleConstraints::groups' for role r"),
        ({"r": ((),)}, "contains an empty RoleConstraints::Group"),
        (
            {"r": ((Constraint(predicate=P.EXISTS),),)},
            "Exactly one of 'AttributeConstraint::Selector::name' or",
        ),
        (
            {"r": ((Constraint(predicate=P.TEXT_EQUALS, attribute="a"),),)},
            "A predicate about text has none",
        ),
        (
            {"r": ((Constraint(predicate=P.TEXT_MATCHES, attribute="a", text="("),),)},
            "Failed to construct regex from pattern '('",
        ),
        ({"r": ((yes,),) * 1_001}, "more than 1000"),
        ({"r": ((match,),) * 201}, "more than 200 regexes"),
    ):
        problem = constraints_problem(constraints, ("r",))
        assert problem is not None and words in problem
