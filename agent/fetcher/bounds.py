"""Limits of what is fetched, each with the reason for its size."""

from __future__ import annotations

from agent.fetcher.steps import FetchBounds

STALL_S = 60.0
"""A server that says nothing for so long is given up; Mesos' own value."""
TIMEOUT_S = 30 * 60.0
"""For all that one command names, unpacked: what takes longer holds a place."""
BYTES_MAX = 16 * 1024**3
"""Written for one command, downloads and what is unpacked together: the largest
programs with their data fit, an archive that unpacks without end does not."""
FILES_MAX = 500_000
"""Files, folders and links made for one command: a root file system fits."""
DISK_FREE_BYTES_MIN = 256 * 1024**2
"""A fetch that would leave less of the disk fails: an agent whose disk is full cannot
go on."""
MEM_BYTES_MAX = 1024**3
"""Address space of a fetch: archives can ask for any amount."""
FETCHES_MAX = 8
"""Fetches of one agent at a time: each is a process of some 25 MB."""
FETCHES_PER_FRAMEWORK_MAX = 4
"""The same for one framework, so that its slow servers do not hold up others."""

BOUNDS = FetchBounds(
    stall_s=STALL_S,
    timeout_s=TIMEOUT_S,
    bytes_max=BYTES_MAX,
    files_max=FILES_MAX,
    disk_free_bytes_min=DISK_FREE_BYTES_MIN,
    mem_bytes_max=MEM_BYTES_MAX,
)
