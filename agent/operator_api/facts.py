"""What the agent says of itself in Mesos' words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from agent.config import AgentConfig
from raftleader import __version__
from raftleader.protocol.served import MESOS_VERSION


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
