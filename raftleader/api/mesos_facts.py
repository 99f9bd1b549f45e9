"""What we say of ourselves in Mesos' words."""

from __future__ import annotations

from pathlib import Path

import attrs

from raftleader.protocol.agents import Domain
from raftleader.protocol.served import LEADER_CAPABILITIES, MESOS_VERSION

__all__ = ["AGENT_CAPABILITIES", "LEADER_CAPABILITIES", "MESOS_VERSION", "NodeFacts"]

AGENT_CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
)
"""Of Mesos' names for what an agent can do, those that hold for all of ours."""


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
