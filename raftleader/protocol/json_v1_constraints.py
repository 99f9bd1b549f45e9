"""Offer constraints in Mesos' messages."""

from __future__ import annotations

from raftleader.protocol.constraints import (
    Constraint,
    Group,
    OfferConstraints,
    Predicate,
    Pseudoattribute,
)
from raftleader.protocol.json_v1_fields import Fields, JsonObject

_PSEUDOATTRIBUTES = {each.value: each for each in Pseudoattribute}
_TEXT_FIELDS = {
    Predicate.TEXT_EQUALS: "value",
    Predicate.TEXT_NOT_EQUALS: "value",
    Predicate.TEXT_MATCHES: "regex",
    Predicate.TEXT_NOT_MATCHES: "regex",
}
"""In which field of a predicate its text stands."""


def read_offer_constraints(
    fields: Fields, name: str = "offer_constraints"
) -> OfferConstraints:
    """The ``OfferConstraints`` in this field.

    What is odd (a selector that selects nothing, a predicate we do not know) is for
    ``apply`` to refuse, which answers as Mesos does: with an ERROR event.
    """
    constraints = fields.child(name)
    if constraints is None:
        return {}
    return {
        role: tuple(map(_read_group, body.children("groups")))
        for role, body in constraints.entries("role_constraints")
    }


def _read_group(fields: Fields) -> Group:
    return tuple(map(_read_constraint, fields.children("attribute_constraints")))


def _read_constraint(fields: Fields) -> Constraint:
    selector = fields.required_child("selector")
    pseudo = selector.text("pseudoattribute_type")
    predicate = fields.required_child("predicate")
    kind = next(
        (each for each in Predicate if predicate.has(each.value)), Predicate.UNKNOWN
    )
    body = predicate.child(kind.value)
    field = _TEXT_FIELDS.get(kind)
    return Constraint(
        predicate=kind,
        attribute=selector.text("attribute_name"),
        pseudoattribute=_PSEUDOATTRIBUTES.get(pseudo or ""),
        text=body.required_text(field) if body is not None and field else None,
    )


def offer_constraints_to_json(constraints: OfferConstraints) -> JsonObject:
    """An ``OfferConstraints``."""
    return {
        "role_constraints": {
            role: {
                "groups": [
                    {"attribute_constraints": [_to_json(each) for each in group]}
                    for group in groups
                ]
            }
            for role, groups in constraints.items()
        }
    }


def _to_json(constraint: Constraint) -> JsonObject:
    selector: JsonObject = {}
    if constraint.attribute is not None:
        selector["attribute_name"] = constraint.attribute
    elif constraint.pseudoattribute is not None:
        selector["pseudoattribute_type"] = constraint.pseudoattribute.value
    field = _TEXT_FIELDS.get(constraint.predicate)
    body = {} if field is None else {field: constraint.text or ""}
    is_known = constraint.predicate is not Predicate.UNKNOWN
    predicate = {constraint.predicate.value: body} if is_known else {}
    return {"selector": selector, "predicate": predicate}
