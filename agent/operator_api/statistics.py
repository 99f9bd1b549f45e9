"""What processes use, as the system counts it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

import attrs
import psutil

from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.resources import Resources, split_key

_MEGABYTE = 1024 * 1024


@attrs.define(kw_only=True)
class Usage:
    """Of all processes of one session, or of several."""

    processes: int = 0
    threads: int = 0
    user_s: float = 0.0
    system_s: float = 0.0
    rss_bytes: int = 0

    def add(self, other: Usage) -> None:
        """Count another's too."""
        self.processes += other.processes
        self.threads += other.threads
        self.user_s += other.user_s
        self.system_s += other.system_s
        self.rss_bytes += other.rss_bytes


def measure(leaders: Collection[int]) -> dict[int, Usage]:
    """What the sessions of these processes use, by pid of the leader. Blocks.

    One look at each process of the machine: a process that left the session of its
    container is not counted. Times of processes that are over are not known.
    """
    found = {leader: Usage() for leader in leaders}
    if not found:
        return found
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            usage = found.get(os.getsid(pid))
            if usage is None:
                continue
            process = psutil.Process(pid)
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
                threads = process.num_threads()
            one = Usage(
                processes=1,
                threads=threads,
                user_s=times.user,
                system_s=times.system,
                rss_bytes=memory.rss,
            )
            usage.add(one)
    return found


def sums_by_name(resources: Resources) -> Mapping[str, int]:
    """Thousandths of each scalar, whoever it is reserved for."""
    sums: dict[str, int] = {}
    for key, millis in resources.scalars.items():
        name = split_key(key)[0]
        sums[name] = sums.get(name, 0) + millis
    return sums


def statistics_to_json(usage: Usage, resources: Resources | None) -> JsonObject:
    """A ``ResourceStatistics`` of now, with the limits that ``resources`` are."""
    message: JsonObject = {
        "timestamp": time.time(),
        "processes": usage.processes,
        "threads": usage.threads,
        "cpus_user_time_secs": usage.user_s,
        "cpus_system_time_secs": usage.system_s,
        "mem_rss_bytes": usage.rss_bytes,
    }
    sums = sums_by_name(resources) if resources is not None else {}
    if "cpus" in sums:
        message["cpus_limit"] = sums["cpus"] / 1000
    for name in ("mem", "disk"):
        if name in sums:
            message[f"{name}_limit_bytes"] = sums[name] * _MEGABYTE // 1000
    return message
