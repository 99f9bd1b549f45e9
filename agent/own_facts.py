"""What only our agents have to say of themselves, for their page ``/state``."""

from __future__ import annotations

from typing import Any

from agent.leader_link import LeaderLinks
from agent.machine import Machine


def own_facts(machine: Machine, links: LeaderLinks) -> dict[str, Any]:
    """Identity, and how the sessions with the leaders go."""
    return {
        "key": machine.identity.key,
        "cluster_id": machine.identity.cluster_id,
        "is_registered": machine.is_registered,
        "term": machine.term,
        "leader_sessions": links.open_count,
        "bad_frames": links.bad_frames,
        "fenced_messages": machine.fenced_count,
        "updates_pending": machine.tasks.updates.pending_count,
        "reports_pending": machine.executors.reports.pending_count,
    }
