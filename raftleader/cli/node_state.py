"""What a leader node's status page says, in words for an operator. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_REFUSED = "refused by peer: "


def state_in_words(status: Mapping[str, Any]) -> str:
    """Its place in the group, and what is wrong with it; ``-`` for an engine or a
    version that does not tell."""
    log = _mapping(status.get("log"))
    words = [_condition(log)] if log.get("condition") else []
    if log.get("is_disk_full"):
        words.append("disk full")
    if log.get("is_installing"):
        words.append("reading a snapshot")
    if log.get("strangers"):
        words.append(f"another directory speaks as {', '.join(log['strangers'])}")
    if not status.get("leader"):
        words += [f"refused as {reason}" for reason in _refusals(log)]
        if not words or words == ["voter"]:
            words.append("no leader")
    lag = _mapping(status.get("loop_lag"))
    if lag.get("late"):
        words.append(f"event loop up to {lag.get('max_ms', 0):.0f} ms late")
    return ", ".join(words) or "-"


def members_beside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Members by the newest configuration that ``rows`` know, of which none is.

    A row that is down could be any of them: so many are not counted."""
    known = {row.get("node_id") for row in rows}
    down = sum(1 for row in rows if not row.get("up"))
    newest = max(rows, key=lambda row: row.get("applied_index") or 0, default={})
    unseen = [
        f"{member['id']} at {member['address']}"
        for member in _mapping(newest.get("log")).get("members") or ()
        if member["id"] not in known
    ]
    return unseen if len(unseen) > down else []


def _condition(log: Mapping[str, Any]) -> str:
    condition = str(log["condition"])
    waits_for = log.get("waits_for")
    return f"{condition}: {waits_for}" if waits_for else condition


def _refusals(log: Mapping[str, Any]) -> list[str]:
    """Why peers have refused links, in their words."""
    reasons = _mapping(log.get("refusals"))
    return [
        reason.removeprefix(_REFUSED)
        for reason in sorted(reasons)
        if reason.startswith(_REFUSED)
    ]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
