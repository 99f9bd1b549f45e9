"""FrameworkInfo: who a framework is and what it can do."""

from __future__ import annotations

import msgspec

from raftleader.protocol.ids import FrameworkId
from raftleader.protocol.labels import Label


class FrameworkInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A framework as it describes itself.

    Attributes:
        id: None until a leader has given one.
        roles: At least one. A framework without MULTI_ROLE has exactly one.
        failover_timeout_ms: How long its tasks outlive a lost connection.
        capabilities: Mesos' names, e.g. ``MULTI_ROLE``, ``PARTITION_AWARE``.
        offer_filters: Smallest offers it wants, by role: an offer must hold one of
            the sets of amounts (thousandths by name). A role without an entry has
            the cluster's smallest offer, one with an empty tuple takes all.
    """

    user: str
    name: str
    id: FrameworkId | None = None
    roles: tuple[str, ...] = ("*",)
    failover_timeout_ms: int = 0
    checkpoint: bool = False
    hostname: str | None = None
    principal: str | None = None
    webui_url: str | None = None
    capabilities: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    offer_filters: dict[str, tuple[dict[str, int], ...]] = {}

    def is_capable(self, capability: str) -> bool:
        """Whether the framework announced this capability."""
        return capability in self.capabilities


def role_problem(role: str) -> str | None:
    """Why ``role`` cannot be a role, or None (the rules are Mesos')."""
    if role == "*":
        return None
    if not role:
        return "must not be empty"
    for part in role.split("/"):
        if part in ("", ".", "..", "*"):
            return f"must not have the part {part!r}"
        if part.startswith("-"):
            return "must not begin with '-'"
        if any(c.isspace() or c in "\x07\x08\\" for c in part):
            return "must not contain white space or a backslash"
    return None
