"""FrameworkInfo in Mesos' JSON.

A framework with MULTI_ROLE names its ``roles``; one without, its one ``role``.
What is wrong with a role is for ``apply`` to say, which answers as Mesos does:
with an ERROR event, not with an HTTP status.
"""

from __future__ import annotations

import math

from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_labels import labels_to_json, read_labels
from raftleader.protocol.json_v1_resources import amounts_to_json, read_amounts

CAPABILITIES = (
    "REVOCABLE_RESOURCES",
    "TASK_KILLING_STATE",
    "GPU_RESOURCES",
    "SHARED_RESOURCES",
    "PARTITION_AWARE",
    "MULTI_ROLE",
    "RESERVATION_REFINEMENT",
    "REGION_AWARE",
)
"""Mesos' names; others are ignored, as Mesos does with an unknown enum."""

_FAILOVER_MS_MAX = 10**15


def read_framework_info(fields: Fields) -> FrameworkInfo:
    """A framework as it describes itself."""
    named = (item.text("type") for item in fields.children("capabilities"))
    capabilities = tuple(dict.fromkeys(n for n in named if n in CAPABILITIES))
    framework_id = fields.identifier("id")
    return FrameworkInfo(
        user=fields.required_text("user"),
        name=fields.required_text("name"),
        id=FrameworkId(framework_id) if framework_id is not None else None,
        roles=_read_roles(fields, is_multi_role="MULTI_ROLE" in capabilities),
        failover_timeout_ms=_read_failover_ms(fields),
        checkpoint=fields.flag("checkpoint") or False,
        hostname=fields.text("hostname"),
        principal=fields.text("principal"),
        webui_url=fields.text("webui_url"),
        capabilities=capabilities,
        labels=read_labels(fields),
        offer_filters=_read_offer_filters(fields),
    )


def roles_unfit(fields: Fields) -> str | None:
    """What is wrong with where a framework names its roles, in Mesos' words; with
    the roles themselves something else may be wrong."""
    named = (item.text("type") for item in fields.children("capabilities"))
    if "MULTI_ROLE" in named:
        if fields.has("role"):
            return (
                "'FrameworkInfo.role' must not be set when the framework is"
                " MULTI_ROLE capable"
            )
    elif not fields.is_unset("roles"):
        return (
            "'FrameworkInfo.roles' must not be set when the framework is not"
            " MULTI_ROLE capable"
        )
    return None


def _read_offer_filters(fields: Fields) -> dict[str, tuple[dict[str, int], ...]]:
    filters = {}
    for role, item in fields.entries("offer_filters"):
        least = item.child("min_allocatable_resources")
        if least is not None:
            filters[role] = tuple(
                read_amounts(quantities, "quantities")
                for quantities in least.children("quantities")
            )
    return filters


def _read_roles(fields: Fields, *, is_multi_role: bool) -> tuple[str, ...]:
    roles = fields.texts("roles")
    if is_multi_role:
        return roles
    role = fields.text("role")
    if role is None:
        return roles or ("*",)
    return tuple(dict.fromkeys((role, *roles)))


def _read_failover_ms(fields: Fields) -> int:
    """What is out of bounds stays out of bounds, for ``apply`` to refuse."""
    seconds = fields.number("failover_timeout") or 0.0
    if math.isinf(seconds) or abs(seconds) * 1000 >= _FAILOVER_MS_MAX:
        return _FAILOVER_MS_MAX if seconds > 0 else -_FAILOVER_MS_MAX
    return round(seconds * 1000)


def framework_info_to_json(info: FrameworkInfo) -> JsonObject:
    """The framework, with the fields that Mesos always writes."""
    message: JsonObject = {
        "user": info.user,
        "name": info.name,
        "failover_timeout": info.failover_timeout_ms / 1000,
        "checkpoint": info.checkpoint,
    }
    if info.id is not None:
        message["id"] = {"value": info.id}
    if info.is_capable("MULTI_ROLE") or len(info.roles) != 1:
        message["roles"] = list(info.roles)
    else:
        message["role"] = info.roles[0]
    if info.hostname is not None:
        message["hostname"] = info.hostname
    if info.principal is not None:
        message["principal"] = info.principal
    if info.webui_url is not None:
        message["webui_url"] = info.webui_url
    if info.capabilities:
        message["capabilities"] = [{"type": name} for name in info.capabilities]
    if info.labels:
        message["labels"] = labels_to_json(info.labels)
    if info.offer_filters:
        message["offer_filters"] = {
            role: {
                "min_allocatable_resources": {
                    "quantities": [
                        {"quantities": amounts_to_json(amounts)} for amounts in least
                    ]
                }
            }
            for role, least in info.offer_filters.items()
        }
    return message
