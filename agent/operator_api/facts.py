"""What the agent says of itself in Mesos' words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from agent.config import AgentConfig
from raftleader import __version__

MESOS_VERSION = "1.11.0"
"""The version of Mesos whose API is served. Digits and dots only: clients turn it
into numbers. A leader says the same."""
CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
)


def version_document() -> dict[str, Any]:
    """A ``VersionInfo``, as it stands in ``/version``, and our own version."""
    return {
        "version": MESOS_VERSION,
        "build_date": "",
        "build_time": 0.0,
        "build_user": "",
        "raftleader_version": __version__,
    }


def flags_of(config: AgentConfig) -> dict[str, str]:
    """The settings as text, by name; those that are not set are left out."""
    flags: dict[str, str] = {}
    for name, value in sorted(attrs.asdict(config, recurse=False).items()):
        if value is None:
            continue
        if isinstance(value, bool):
            flags[name] = "true" if value else "false"
        elif isinstance(value, int | float | str | Path):
            flags[name] = str(value)
        elif isinstance(value, tuple):
            flags[name] = ",".join(map(str, value))
    return flags
