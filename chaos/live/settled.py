"""Which workloads have said that all they began has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaos.history.records import Happening, Record

SETTLED = "settled"
TAIL_BYTES = 1 << 16
"""A workload that settles does little else: the record is among the last."""

_decoder = msgspec.json.Decoder(Record)


def unsettled_workloads(folder: Path, names: Sequence[str], since_ns: int) -> list[str]:
    """Those of ``names`` that have not said so since then."""
    return [name for name in names if not _is_settled(folder, name, since_ns)]


def _is_settled(folder: Path, name: str, since_ns: int) -> bool:
    path = folder / "workloads" / f"{name}.jsonl"
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return False
    for line in reversed(lines):
        if b'"settled"' not in line:
            continue
        try:
            record = _decoder.decode(line)
        except msgspec.DecodeError:
            continue  # cut at the beginning of what was read
        if isinstance(record, Happening) and record.what == SETTLED:
            return record.at_ns >= since_ns
    return False
