"""How much the tables remember, and how large a number may be in them.

Unlike the limits of the edges these are part of the state machine: replicas that
differed in one of them would differ in their digest.
"""

from __future__ import annotations

TIME_MS_MAX = 2**53
"""Cluster time is clamped to this (the year 287,396), so that every deadline that
is computed from it fits into 64 bits of a snapshot."""
SCALAR_MILLIS_MAX = 10**15
"""Largest scalar of one agent or task: sums over agents stay within 64 bits."""
FRAMEWORK_FILTERS_MAX = 10_000
"""Long filters remembered per framework; beyond, the oldest are forgotten, which
costs the framework an offer it must decline again."""
ORPHAN_UPDATES_MAX = 20_000
"""Unacknowledged updates without a task row per framework: two of the largest
ACCEPTs, refused as a whole. Beyond, the oldest are forgotten: a framework that
never acknowledges must not fill every leader."""
PENDING_UPDATES_MAX = 1_000
"""Unacknowledged updates of one task; beyond, the second oldest that is not
terminal is forgotten (the oldest is on its way)."""
TASK_UUIDS_MAX = 64
"""Updates remembered per task to know a repeated one. Agents repeat what is not
committed: a handful, in order."""
ANSWERED_LAUNCHES_MAX = 10_000
"""Decided launches without a row, per framework: one ACCEPT of the largest size."""
WEIGHT_MILLIS_MAX = 10**9
"""Largest weight of a role: a million times the usual."""
QUOTAS_MAX = 10_000
"""Roles with a quota: the allocator looks at each in every run."""
SCHEDULE_MACHINES_MAX = 100_000
"""Machines in the maintenance schedule: twice the largest cluster."""
GONE_AGENTS_MAX = 100_000
"""Agents declared gone that are remembered, as Mesos does. One that was forgotten
is still refused: nobody knows its id."""
OPERATIONS_MAX = 10_000
"""Operations whose end is not acknowledged, per framework; beyond, the oldest are
forgotten."""
EXECUTOR_REPORTS_MAX = 256
"""Ends of executors remembered per agent to know a repeated one."""
AGENT_KINDS_MAX = 1_000
"""Different resources on one agent, with all that was made of them: reservations and
volumes are the work of frameworks, and every replica holds them."""
KEY_CHARS_MAX = 8_192
"""Longest key of a resource: reservations may carry labels."""
