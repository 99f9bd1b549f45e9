"""Frameworks that cannot be as they say: tables.

Mesos refuses them by an ERROR event at SUBSCRIBE, and by 400 at UPDATE_FRAMEWORK.
"""

from __future__ import annotations

from typing import Any

import trio
from support.scheduler_http import Api, Framework, judged, refusal, subscription

MULTI = [{"type": "MULTI_ROLE"}]


def constrained(**predicate: Any) -> dict[str, Any]:
    constraint = {"selector": {"attribute_name": "rack"}, "predicate": predicate}
    groups = [{"attribute_constraints": [constraint]}]
    return {"offer_constraints": {"role_constraints": {"*": {"groups": groups}}}}


SUBSCRIPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("empty role", {"role": ""}, "role"),
    ("role .", {"role": "."}, "Role '.' is invalid"),
    ("role ..", {"role": ".."}, "Role '..' is invalid"),
    ("role with a minus", {"role": "-a"}, "Role '-a' is invalid"),
    ("role with a space", {"role": "a b"}, "Role 'a b' is invalid"),
    ("role with a slash first", {"role": "/a"}, "Role '/a' is invalid"),
    ("role with a slash last", {"role": "a/"}, "Role 'a/' is invalid"),
    ("role with two slashes", {"role": "a//b"}, "Role 'a//b' is invalid"),
    ("role with a star below", {"role": "a/*"}, "Role 'a/*' is invalid"),
    ("role with a backslash", {"role": "a\\b"}, "is invalid"),
    (
        "role with MULTI_ROLE",
        {"role": "a", "capabilities": MULTI},
        "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE",
    ),
    (
        "roles without MULTI_ROLE",
        {"roles": ["a"]},
        "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE",
    ),
    (
        "one role twice",
        {"roles": ["a", "a"], "capabilities": MULTI},
        "'FrameworkInfo.roles' contains duplicate items: { a }",
    ),
    (
        "a bad one of several roles",
        {"roles": ["a", "b c"], "capabilities": MULTI},
        "'FrameworkInfo.roles' contains invalid role",
    ),
    ("negative timeout", {"failover_timeout": -1}, "failover_timeout"),
    ("endless timeout", {"failover_timeout": "Infinity"}, "failover_timeout"),
    ("enormous timeout", {"failover_timeout": 1e18}, "failover_timeout"),
    (
        "suppressed role of others",
        {"role": "a", "suppressed_roles": ["b"]},
        "Suppressed roles { b } are not contained in the set of roles",
    ),
    (
        "constraints of another role",
        {"role": "a", **constrained(exists={})},
        "Offer constraints specify `role_constraints` for a role '*'",
    ),
    ("constraint without a predicate", constrained(), ""),
    ("constraint with a bad regex", constrained(text_matches={"regex": "("}), ""),
    (
        "constraint with a backreference",
        constrained(text_matches={"regex": r"(a)\1"}),
        "",
    ),
    (
        "empty quantities",
        {"offer_filters": {"*": {"min_allocatable_resources": {"quantities": [{}]}}}},
        "Resource quantities must contain at least one quantity",
    ),
]
"""What Mesos refuses by an ERROR event: the description, words of the message."""


async def test_subscriptions_that_are_refused_are_one_error_and_the_end(
    address: tuple[str, int],
) -> None:
    api = Api(address)
    wrong = []
    for row, info, words in SUBSCRIPTIONS:
        told = "SUBSCRIBED"
        with trio.move_on_after(2):
            told = await refusal(api, subscription(**info))
        if told.startswith(("SUBSCRIBED", "status")) or words not in told:
            wrong.append(f"{row}: {told!r} instead of {words!r}")
    assert not wrong, "\n".join(wrong)


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"principal": "another"}, "Changing framework's principal is not allowed."),
    ({"user": "another"}, "Updating 'FrameworkInfo.user' is unsupported"),
    ({"checkpoint": True}, "Updating 'FrameworkInfo.checkpoint' is unsupported"),
    ({"role": "a b"}, "Role 'a b' is invalid"),
    ({"roles": ["a"]}, "framework is not MULTI_ROLE capable"),
    ({"failover_timeout": -1}, "failover_timeout"),
    ({"suppressed_roles": ["b"]}, "Suppressed roles { b } are not contained"),
    (constrained(text_matches={"regex": "["}), ""),
]
"""What UPDATE_FRAMEWORK (400) and a new subscription (ERROR) may not change."""


async def test_what_may_not_change_of_a_framework_does_not(
    address: tuple[str, int],
) -> None:
    api = Api(address)
    framework = Framework(api)
    await framework.begin(failover_timeout=60)
    described = {"id": {"value": framework.id}, "failover_timeout": 60}
    wrong = []
    for change, words in CHANGES:
        again = subscription(**{**described, **change})
        update = framework.message("UPDATE_FRAMEWORK", update_framework={})
        update["update_framework"] = again["subscribe"]
        reply = await api.call(update, mesos_stream_id=framework.stream_id)
        wrong += judged(f"update {change}", reply, 400, words)
        if "suppressed_roles" not in change and "offer_constraints" not in change:
            told = await refusal(api, again | {"framework_id": described["id"]})
            if words not in told:
                wrong.append(f"subscribe {change}: {told!r} instead of {words!r}")
    assert not wrong, "\n".join(wrong)
    update = subscription(**described, hostname="here")["subscribe"]
    reply = await framework.call("UPDATE_FRAMEWORK", update_framework=update)
    assert (reply.status, reply.body) == (200, b"")


async def test_framework_that_was_removed_may_not_subscribe(
    address: tuple[str, int],
) -> None:
    api = Api(address)
    framework = Framework(api)
    await framework.begin()
    assert (await framework.call("TEARDOWN")).status == 202
    again = subscription(id={"value": framework.id})
    again["framework_id"] = {"value": framework.id}
    assert await refusal(api, again) == "Framework has been removed"
    reply = await framework.call("REVIVE")
    assert (reply.status, reply.body) == (400, b"Framework cannot be found")
