"""What we serve of Mesos, in its own words."""

from __future__ import annotations

MESOS_VERSION = "1.11.0"
"""The version of Mesos whose API we serve. Digits and dots only: clients turn it into
numbers, and some do without a feature if the number is too low."""
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
"""Of Mesos' names for what an agent can do, those that hold for all of ours."""
CAPABILITIES_TOLD_TO_SCHEDULERS = ("AGENT_UPDATE", "AGENT_DRAINING")
"""Of these, what SUBSCRIBED says. QUOTA_V2 is of use to operators only, and mesos-go,
whose schema is older than that word, refuses the whole event because of it."""
