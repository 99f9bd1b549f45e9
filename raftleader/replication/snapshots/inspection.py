"""Look at the snapshots of a node, also while it runs; nothing is changed."""

from __future__ import annotations

import re

import attrs

from raftleader.errors import ConfigError, JournalDamagedError
from raftleader.replication.disk import Disk
from raftleader.replication.snapshots.blocks import open_stored

_NAME = re.compile(r"snapshot-([0-9]{1,19})-([0-9]{1,19})")
_READ_BYTES = 1024 * 1024


@attrs.frozen(kw_only=True)
class FoundSnapshot:
    """One file, read to its end.

    Attributes:
        problem: Why it cannot be used, or nothing.
        is_header_good: If it is not, a start passes the file over; a file that is
            damaged further in is read by a start, which fails.
    """

    file: str
    index: int
    term: int
    size_bytes: int = 0
    is_header_good: bool = False
    problem: str = ""


def inspect_snapshots(
    disk: Disk, directory: str, *, cluster_id: str
) -> tuple[FoundSnapshot, ...]:
    """Those that have their name, newest first. Raises OSError.

    One that a running node replaces meanwhile is left out."""
    found = []
    for name in disk.list(directory):
        if (match := _NAME.fullmatch(name)) is None:
            continue
        index, term = int(match[1]), int(match[2])
        try:
            found.append(_look(disk, directory, name, index, term, cluster_id))
        except FileNotFoundError:
            continue
    return tuple(sorted(found, key=lambda one: (one.index, one.term), reverse=True))


def _look(
    disk: Disk, directory: str, name: str, index: int, term: int, cluster_id: str
) -> FoundSnapshot:
    found = FoundSnapshot(file=name, index=index, term=term)
    try:
        path = f"{directory}/{name}"
        reader = open_stored(disk, path, index, term, cluster_id)
    except (JournalDamagedError, ConfigError) as error:
        return attrs.evolve(found, problem=str(error))
    size_bytes = reader.meta.size_bytes
    found = attrs.evolve(found, size_bytes=size_bytes, is_header_good=True)
    try:
        for _ in reader.chunks(_READ_BYTES):
            pass
    except JournalDamagedError as error:
        return attrs.evolve(found, problem=str(error))
    finally:
        reader.close()
    return found
