"""What this machine has, as resources and attributes; Mesos' own defaults."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.protocol.agents import Attribute
from raftleader.protocol.resources import (
    Resources,
    parse_millis,
    parse_resources,
    split_key,
)

MEGABYTE = 1024 * 1024

MEM_RESERVE_BYTES = 1024 * MEGABYTE
"""Left to the system, on machines with twice as much; else half is left."""

DISK_RESERVE_BYTES = 5 * 1024 * MEGABYTE
"""Left to the system, as above."""

PORTS = (31_000, 32_000)


def detect_resources(work_dir: Path, text: str | None = None) -> Resources:
    """The resources ``text`` names, and what it does not name as measured here.

    ``cpus`` are logical; ``mem`` and ``disk`` in MB; all in thousandths. Raises
    ConfigError.
    """
    try:
        named = parse_resources(text or "")
    except InvalidInputError as error:
        raise ConfigError(f"resources: {error}") from error
    names = {split_key(key)[0] for key in (*named.scalars, *named.ranges, *named.sets)}
    # A name given as 0 is not in the parsed value, and must not be detected.
    names |= {
        split_key(p.partition(":")[0].strip())[0] for p in (text or "").split(";")
    }
    scalars: dict[str, int] = {}
    if "cpus" not in names:
        scalars["cpus"] = (psutil.cpu_count(logical=True) or 1) * 1000
    if "mem" not in names:
        total = psutil.virtual_memory().total
        scalars["mem"] = _megabytes(total, MEM_RESERVE_BYTES) * 1000
    if "disk" not in names:
        total = psutil.disk_usage(str(work_dir)).total
        scalars["disk"] = _megabytes(total, DISK_RESERVE_BYTES) * 1000
    ranges = {} if "ports" in names else {"ports": [PORTS]}
    return named + Resources.of(scalars, ranges)


def _megabytes(total: int, reserve: int) -> int:
    offered = total - reserve if total >= 2 * reserve else total // 2
    return offered // MEGABYTE


def parse_attributes(text: str | None) -> tuple[Attribute, ...]:
    """Read ``rack:r1;level:10;ports:[1-2]``: a number is a scalar, a range in
    brackets is ranges, anything else text. Raises ConfigError."""
    found: list[Attribute] = []
    for part in filter(None, (piece.strip() for piece in (text or "").split(";"))):
        name, colon, value = (piece.strip() for piece in part.partition(":"))
        if not name or not colon or not value:
            raise ConfigError(f"attributes: {part!r} is not NAME:VALUE")
        try:
            if re.fullmatch(r"\d+(\.\d+)?", value):
                millis = parse_millis(value, name)
                found.append(Attribute(name=name, scalar_millis=millis))
            elif value.startswith("["):
                ranges = parse_resources(f"x:{value}").ranges["x"]
                found.append(Attribute(name=name, ranges=ranges))
            else:
                found.append(Attribute(name=name, text=value))
        except InvalidInputError as error:
            raise ConfigError(f"attributes: {error}") from error
    return tuple(found)
