"""Settings of an agent."""

from __future__ import annotations

from pathlib import Path

import attrs

from raftleader.errors import ConfigError
from raftleader.limits import KILL_GRACE_S
from raftleader.protocol.agents import Domain

SANDBOX_AGE_S_MAX = 7 * 24 * 3600.0
"""Sandboxes of ended tasks are kept for a week, as by Mesos."""

SANDBOXES_MAX = 20_000
"""Sandboxes of ended tasks kept at most: listing and removing them stays cheap."""

DISK_FREE_FRACTION_MIN = 0.1
"""With less of the disk free, the oldest sandboxes of ended tasks go early."""


@attrs.frozen(kw_only=True)
class AgentConfig:
    """How an agent is run.

    Attributes:
        leaders: The agent-port addresses of all leader nodes,
            e.g. ``tcp://127.0.0.1:5070``.
        work_dir: Its folder, for itself alone: identity, checkpoint, sandboxes.
        http: ``HOST:PORT`` to serve state and files at; port 0 is any; None is
            no HTTP at all (simulations).
        hostname: Announced to frameworks; None is the machine's own name.
        ip: Announced address of the HTTP port; None is the host of ``http``.
        resources: In Mesos' text form. What it does not name is detected.
        attributes: In Mesos' text form, e.g. ``rack:r1;level:10``.
        domain: Where the machine stands, if that matters.
        cluster_id: Refuse any other cluster; "" takes the first one.
        backoff_s_min, backoff_s_max: Between two dials of one leader node.
        refused_backoff_s: The same, after the node has refused us.
        hello_timeout_s: A node that has not introduced itself by then is dialled
            anew; so is one that is silent for ``silence_timeout_s`` after that:
            three times as long as a standby takes between two pings.
        stop_grace_s: At a clean stop, between TERM and KILL of all tasks, if they
            have not a shorter grace of their own.
        is_fsync_on: False only in simulations.
    """

    leaders: tuple[str, ...]
    work_dir: Path
    http: str | None = "127.0.0.1:5051"
    hostname: str | None = None
    ip: str | None = None
    resources: str | None = None
    attributes: str | None = None
    domain: Domain | None = None
    cluster_id: str = ""
    backoff_s_min: float = 0.05
    backoff_s_max: float = 2.0
    refused_backoff_s: float = 30.0
    hello_timeout_s: float = 5.0
    silence_timeout_s: float = 45.0
    stop_grace_s: float = KILL_GRACE_S
    sandbox_age_s_max: float = SANDBOX_AGE_S_MAX
    sandboxes_max: int = SANDBOXES_MAX
    disk_free_fraction_min: float = DISK_FREE_FRACTION_MIN
    is_fsync_on: bool = True

    def __attrs_post_init__(self) -> None:
        if not self.leaders:
            raise ConfigError("leaders: name at least one leader node")
        if len(set(self.leaders)) != len(self.leaders):
            raise ConfigError("leaders: names a leader node twice")
        if not 0 < self.backoff_s_min <= self.backoff_s_max:
            raise ConfigError("backoff_s_min: must be over 0 and within backoff_s_max")

    @property
    def meta_dir(self) -> Path:
        """Identity, checkpoint and lock."""
        return self.work_dir / "meta"

    @property
    def sandbox_root(self) -> Path:
        """All sandboxes; nothing outside of it is ever served."""
        return self.work_dir / "frameworks"
