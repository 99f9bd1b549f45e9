"""Every limit we impose, with its unit and the reason for its size.

A limit that differs between deployments is a setting with its default here.
"""

from __future__ import annotations

# --- HTTP -------------------------------------------------------------------
BODY_BYTES_MAX = 8 * 1024 * 1024
"""Largest request body. An ACCEPT of 1,000 tasks with 4 KiB each fits."""
HEADER_BYTES_MAX = 64 * 1024
"""Largest request head. Frameworks send a few hundred bytes."""
PIPELINED_REQUESTS_MAX = 256
"""Requests of one connection that may wait for their answers."""
CALL_TIMEOUT_S = 5.0
"""A call is answered or refused within this time: pymesos gives up after 10 s."""
HEARTBEAT_INTERVAL_S = 15.0
"""Between HEARTBEAT events; Mesos' own value, which clients expect."""
STREAM_EVENTS_MAX = 100_000
"""Events that may wait for one slow framework before its stream is cut."""

# --- Log --------------------------------------------------------------------
ENTRY_BYTES_MAX = 4 * 1024 * 1024
"""Group commit closes a batch at this size, so that one fsync stays short."""
ENTRY_COMMANDS_MAX = 2_000
"""Group commit closes a batch at this count: applying it stays under 100 ms."""
PROPOSALS_WAITING_MAX = 50_000
"""Commands that may wait to be proposed; more are answered 503 at once."""
PROPOSE_TIMEOUT_S = 4.0
"""Below CALL_TIMEOUT_S, so that the caller hears what is known."""
SNAPSHOT_ENTRIES = 100_000
"""Applied between two snapshots: about a second of applying them at a start."""
KEEP_ENTRIES = 10_000
"""Kept before a snapshot, for nodes that are a little behind."""

# --- Identifiers and sizes of values ------------------------------------------
ID_CHARS_MAX = 255
"""Longest task id; Mesos' own limit, since sandboxes are named by it."""
TASK_DATA_BYTES_MAX = 1024 * 1024
"""Largest ``data`` of a task: it is replicated, and every leader holds it."""
RESULT_BYTES_MAX = 64 * 1024
"""Largest ``data`` of a status update; what is larger stays in the sandbox."""
TASKS_PER_ACCEPT_MAX = 10_000
"""Tasks in one ACCEPT call."""
RESOURCE_NAMES_MAX = 64
"""Different resources on one agent."""

# --- Offers -----------------------------------------------------------------
OFFER_TIMEOUT_S = 300.0
"""An offer unanswered for so long is rescinded, so that hoarding is bounded."""
REFUSE_S_DEFAULT = 5.0
"""Decline filter when a call names none; Mesos' own value."""
REFUSE_S_MAX = 365 * 24 * 3600.0
"""Longest decline filter; Mesos' own value."""
REFUSE_DURABLE_S = 60.0
"""Filters longer than this are in the log; shorter ones live with the leader."""
ALLOCATION_INTERVAL_S = 1.0
"""Longest time between two allocator runs; changes cause earlier ones."""
ALLOCATION_SPACING_S = 0.005
"""Shortest time between two allocator runs: changes are gathered meanwhile."""
CPUS_MILLIS_MIN = 10
"""An offer needs so much CPU, or MEM_MILLIS_MIN; Mesos' own values."""
MEM_MILLIS_MIN = 32_000
"""See CPUS_MILLIS_MIN; in thousandths of a megabyte."""
RESCIND_MEMORY_S = 600.0
"""A rescinded offer is named again to its framework at each re-subscription
within this time, since the first RESCIND may have died with a stream."""

# --- Frameworks ---------------------------------------------------------------
FAILOVER_TIMEOUT_S_MAX = 10 * 365 * 24 * 3600.0
"""Longest failover timeout; longer ones are an error, as in Mesos."""
RESUBSCRIBE_GRACE_S = 60.0
"""After a leader failover a framework has at least this long to come back,
whatever its own failover timeout: the failover was not its fault."""
RESUBSCRIBE_OFFERS_S = 20.0
"""After a leader failover, offers of a framework that has not come back are rescinded
after this time: clients that try again every few seconds find theirs."""
ABSENT_OFFERS_S = 5.0
"""The same for a framework whose stream ended while its leader lives: what it was
offered is what others wait for."""
ROLES_MAX = 1_000
"""Roles of one framework. The allocator looks at each; a hundred thousand held up
the leader for half a second, which costs it its office."""
COMPLETED_FRAMEWORKS_MAX = 10_000
"""Tombstones of removed frameworks. A removed id stays refused so long."""
COMPLETED_TASKS_MAX = 5_000
"""Finished tasks remembered per framework, for repeated ACCEPTs and status."""
RESCINDS_MAX = 1_000
"""Rescinded offers remembered per framework."""

# --- Agents -------------------------------------------------------------------
AGENT_PING_INTERVAL_S = 5.0
"""Between pings on an agent's session."""
AGENT_TIMEOUT_S = 75.0
"""An agent unheard for so long is unreachable; Mesos' 5 pings of 15 s."""
RESEND_INTERVAL_S = 5.0
"""A launch, kill or status update not confirmed is sent again after this time."""
UPDATE_RETRY_S = 10.0
"""A status update not acknowledged by its framework is sent again after this
time, then twice as long, up to UPDATE_RETRY_S_MAX; Mesos' own values."""
UPDATE_RETRY_S_MAX = 600.0
KILL_GRACE_S = 3.0
"""Between TERM and KILL when nobody says otherwise; Mesos' own value."""
KILL_GRACE_S_MAX = 24 * 3600.0
"""Longest grace a framework may ask for."""
AGENT_LINKS_MAX = 19_000
"""Agent sessions of one leader: what fits under 20,000 descriptors."""
