"""What we say of ourselves in Mesos' words."""

from __future__ import annotations

from pathlib import Path

import attrs

from raftleader.protocol.agents import Domain

MESOS_VERSION = "1.11.0"
"""The version of Mesos whose API we serve. Digits and dots only."""
LEADER_CAPABILITIES = ("AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2")
"""Of Mesos' names for what a leader can do, those that hold for ours."""
AGENT_CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
)
"""The same for agents; every agent has them all."""


@attrs.frozen(kw_only=True)
class NodeFacts:
    """What a leader node was told that its API shows.

    Attributes:
        flags: Its settings, by name, as text.
        log_file: Where its log goes, if that is a file that may be read.
        domain: Where it stands.
    """

    flags: dict[str, str] = attrs.field(factory=dict)
    log_file: Path | None = None
    domain: Domain | None = None
