"""A framework changes in place; its constraints and filters of offers."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.protocol.constraints import Constraint, OfferConstraints, Predicate
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import FrameworkId
from raftleader.state import commands as c
from raftleader.state.outcomes import Accepted, Outcome, Refusal, Rejected
from raftleader.state.trial import Trial

HERE: OfferConstraints = {
    "a": ((Constraint(predicate=Predicate.EXISTS, attribute="rack"),),)
}


def _update(trial: Trial, framework: FrameworkId, **fields: Any) -> Outcome:
    suppressed = fields.pop("suppressed_roles", ())
    constraints = fields.pop("offer_constraints", {})
    defaults: dict[str, Any] = {
        "user": "user",
        "name": "name",
        "roles": ("a", "b"),
        "capabilities": ("MULTI_ROLE",),
    }
    return trial.one(
        c.UpdateFramework(
            framework_id=framework,
            info=FrameworkInfo(**{**defaults, **fields}),
            suppressed_roles=suppressed,
            offer_constraints=constraints,
        )
    )


def _subscribe(trial: Trial, **fields: Any) -> FrameworkId:
    return trial.subscribe(roles=("a", "b"), capabilities=("MULTI_ROLE",), **fields)


def test_update_changes_what_may_change(trial: Trial) -> None:
    framework = _subscribe(trial)
    before = trial.state.frameworks[framework]

    outcome = _update(
        trial,
        framework,
        name="other",
        failover_timeout_ms=5_000,
        suppressed_roles=("b",),
        offer_constraints=HERE,
    )

    assert outcome == Accepted()
    row = trial.state.frameworks[framework]
    assert (row.info.id, row.info.name) == (framework, "other")
    assert (row.suppressed_roles, row.offer_constraints) == (("b",), HERE)
    assert (row.subscription, row.connected) == (before.subscription, True)


def test_update_leaves_a_disconnected_framework_its_deadline(trial: Trial) -> None:
    framework = _subscribe(trial, failover_timeout_ms=1_000)
    subscription = trial.state.frameworks[framework].subscription
    trial.accepted(
        c.DisconnectFramework(framework_id=framework, subscription=subscription)
    )
    deadline = trial.state.frameworks[framework].deadline_ms

    assert _update(trial, framework, failover_timeout_ms=90_000) == Accepted()

    row = trial.state.frameworks[framework]
    assert (row.connected, row.deadline_ms) == (False, deadline)


def test_update_rescinds_offers_of_roles_that_are_gone(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = _subscribe(trial)
    kept = trial.offer(framework, agent, "cpus:1", role="a")
    gone = trial.offer(framework, agent, "cpus:1", role="b")

    _update(trial, framework, roles=("a",))

    assert list(trial.state.offers) == [kept]
    (rescind,) = trial.state.frameworks[framework].rescinds
    assert rescind.offer_id == gone


def test_update_clears_filters_of_roles_that_want_offers_again(trial: Trial) -> None:
    agent = trial.register("cpus:4")
    framework = _subscribe(trial)
    for role in ("a", "b"):
        offer = trial.offer(framework, agent, "cpus:1", role=role)
        trial.accepted(
            c.DeclineOffers(
                framework_id=framework, offer_ids=(offer,), refuse_ms=90_000
            )
        )

    _update(trial, framework, suppressed_roles=("a",))
    assert len(trial.state.frameworks[framework].filters) == 2
    _update(trial, framework)

    (kept,) = trial.state.frameworks[framework].filters
    assert kept.role == "b"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"roles": ("",)}, "Supplied FrameworkInfo is not valid: "),
        ({"roles": ("a", "a")}, "contains duplicate items: { a }"),
        ({"roles": ("a", "-b")}, "contains invalid role: Role '-b' is invalid"),
        ({"failover_timeout_ms": -1}, "failover_timeout (-0.001) is invalid"),
        (
            {"offer_filters": {"a": ({},)}},
            "Resource quantities must contain at least one quantity",
        ),
        (
            {"offer_filters": {"a": ({"cpus": -1},)}},
            "Invalid resource quantity for 'cpus': Negative",
        ),
        ({"user": "x"}, "FrameworkInfo update is not valid: Updating 'FrameworkInfo."),
        ({"principal": "x"}, "Changing framework's principal is not allowed."),
        ({"checkpoint": True}, "attempted to update from 'false' to 'true'"),
        (
            {"suppressed_roles": ("x",)},
            "'UpdateFramework' call is not valid: Suppressed roles { x } are not",
        ),
        (
            {"offer_constraints": HERE, "roles": ("b",)},
            "Offer constraints specify `role_constraints` for a role 'a'not",
        ),
    ],
)
def test_update_is_rejected_with_mesos_words(
    trial: Trial, fields: dict[str, Any], words: str
) -> None:
    outcome = _update(trial, _subscribe(trial), **fields)
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.INVALID_FRAMEWORK
    assert words in outcome.message


def test_update_of_an_unknown_framework_is_rejected(trial: Trial) -> None:
    outcome = _update(trial, FrameworkId("x"))
    assert isinstance(outcome, Rejected)
    assert outcome.refusal is Refusal.UNKNOWN_FRAMEWORK


def test_constraints_come_with_each_subscription(trial: Trial) -> None:
    info = FrameworkInfo(user="user", name="name", roles=("a",))
    trial.accepted(c.SubscribeFramework(info=info, offer_constraints=HERE))
    ((framework, row),) = trial.state.frameworks.items()
    assert row.offer_constraints == HERE

    trial.accepted(c.SubscribeFramework(info=info, framework_id=framework))

    assert trial.state.frameworks[framework].offer_constraints == {}
    foreign = c.SubscribeFramework(info=info, offer_constraints={"b": ()})
    assert isinstance(trial.one(foreign), Rejected)
