"""Coverage-guided fuzzing of the reader of journals, by atheris; no test of pytest.

Run it for as long as you like, from the checkout::

    pip install atheris
    PYTHONPATH=.:tests python tests/fuzz/fuzz_journal.py -max_total_time=60

The first byte chooses what the rest is: segments as they are on the disk, bodies of
batches, which get the right checksums, or fields of records.
"""

from __future__ import annotations

import sys

import atheris
import msgspec

with atheris.instrument_imports(include=["raftleader.replication"]):
    from support.journals import disk_with, open_or_refuse

    from raftleader.replication.journal.format import (
        Names,
        Opening,
        encode_batch,
        encode_header,
        encode_records,
    )

OPENING = encode_records(
    [Opening(previous_end=0, term=0, vote=None, last_index=0, last_term=0, notes={})]
)


TAGS = ("opening", "entries", "truncate", "ballot", "reset", "note", "other")


def draw_record(provider: atheris.FuzzedDataProvider) -> list[object]:
    """Something like a record: its fields may be of any kind and number."""
    tag = TAGS[provider.ConsumeIntInRange(0, len(TAGS) - 1)]
    fields: list[object] = [tag]
    for _ in range(provider.ConsumeIntInRange(0, 6)):
        kind = provider.ConsumeIntInRange(0, 5)
        if kind <= 1:
            fields.append(provider.ConsumeIntInRange(0, 6))
        elif kind == 2:
            fields.append(provider.ConsumeInt(8))
        elif kind == 3:
            fields.append([provider.ConsumeBytes(3)] * provider.ConsumeIntInRange(0, 5))
        elif kind == 4:
            fields.append(None)
        else:
            fields.append({"k": provider.ConsumeBytes(3)})
    return fields


def read_one(data: bytes) -> None:
    """One input of the fuzzer."""
    provider = atheris.FuzzedDataProvider(data)
    mode = provider.ConsumeIntInRange(0, 2)
    count = provider.ConsumeIntInRange(1, 5)
    header, seed = encode_header(Names(1, "raft", "c1", "n1", "i1"))
    bodies = [OPENING]
    if mode == 2:
        for _ in range(count):
            length = provider.ConsumeIntInRange(0, 4)
            records = [draw_record(provider) for _ in range(length)]
            bodies.append(msgspec.msgpack.encode(records))
    else:
        lengths = [provider.ConsumeIntInRange(0, 200) for _ in range(count)]
        pieces = [provider.ConsumeBytes(length) for length in lengths]
        if mode == 0:
            open_or_refuse(disk_with(header + pieces[0], *pieces[1:]))
            open_or_refuse(disk_with(*pieces))
            return
        bodies += pieces
    content = header
    for body in bodies:
        content += encode_batch(seed, len(content), body)
    open_or_refuse(disk_with(content))


if __name__ == "__main__":
    atheris.Setup(sys.argv, read_one)
    atheris.Fuzz()
