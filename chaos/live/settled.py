"""Which workloads have said that all they began has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chaos.history.records import Happening, Record

SETTLED = "settled"
TAIL_BYTES = 1 << 18
"""A workload that settles does little else: the record is among the last."""
LEFT_SHOWN = 3

_decoder = msgspec.json.Decoder(Record)


def settled_workloads(
    folder: Path, names: Sequence[str], since_ns: int
) -> dict[str, str]:
    """Of those that have said so since then, what was left: empty if all has ended."""
    found: dict[str, str] = {}
    for name in names:
        record = _last_settled(folder / "workloads" / f"{name}.jsonl", since_ns)
        if record is not None:
            found[name] = _left(record)
    return found


def _last_settled(path: Path, since_ns: int) -> Happening | None:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines):
        if b'"settled"' not in line:
            continue
        try:
            record = _decoder.decode(line)
        except msgspec.DecodeError:
            continue  # cut at the beginning of what was read, or still being written
        if isinstance(record, Happening) and record.what == SETTLED:
            return record if record.at_ns >= since_ns else None
    return None


def _left(record: Happening) -> str:
    left: Any = record.value.get("left") if isinstance(record.value, Mapping) else None
    if not left:
        return ""
    shown = "; ".join(_words(one) for one in left[:LEFT_SHOWN])
    more = f" and {len(left) - LEFT_SHOWN} more" if len(left) > LEFT_SHOWN else ""
    return f"{len(left)} left: {shown}{more}"


def _words(one: Any) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    return ", ".join(f"{key} {value}" for key, value in one.items())
