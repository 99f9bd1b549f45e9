"""The history of a run, as far as it can be read: a run that was killed leaves torn
lines, and ends without beginnings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from chaos.history.queries import Operation, operations
from chaos.history.records import Op, OpType, Record
from chaos.live.run_file import DRIVER_RECORDS, HISTORY


def read_records(folder: Path, missing: list[str]) -> list[Record]:
    """The history of a run in the order of time; that of each process, if nobody has
    merged them. ``missing`` is told what cannot be read."""
    sources = [folder / HISTORY]
    if not sources[0].is_file():
        sources = [folder / DRIVER_RECORDS, *sorted(folder.glob("workloads/*.jsonl"))]
        sources = [path for path in sources if path.is_file()]
        missing.append(
            f"there is no {HISTORY}: "
            + (f"{len(sources)} files were merged for it" if sources else "no history")
        )
    decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
    records: list[Record] = []
    torn = 0
    for path in sources:
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            missing.append(f"{path.name}: {error.strerror}")
            continue
        for line in filter(None, lines):
            try:
                records.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                torn += 1
    if torn:
        missing.append(f"{torn} lines of the history are torn, and were left out")
    records.sort(key=lambda record: record.at_ns)
    return records


def pair(records: list[Record], missing: list[str]) -> list[Operation]:
    """Operations, even of a history in which something does not fit."""
    try:
        return operations(records)
    except ValueError as error:
        missing.append(f"operations that do not fit were left out: {error}")
    begun: set[tuple[str, int]] = set()
    ended: set[tuple[str, int]] = set()
    fitting: list[Record] = []
    for record in records:
        if not isinstance(record, Op):
            continue
        name = (record.process, record.id)
        if record.type is OpType.INVOKE:
            if name not in begun:
                begun.add(name)
                fitting.append(record)
        elif name in begun and name not in ended:
            ended.add(name)
            fitting.append(record)
    return operations(fitting)
