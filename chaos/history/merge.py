"""Reads histories, and makes one of many, in the order of time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
import msgspec

from chaos.history.records import Record
from raftleader.errors import InvalidInputError

_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


@attrs.frozen(kw_only=True)
class Merged:
    """What became of the files.

    Attributes:
        records: Records in the merged file.
        torn: For each file that had some, lines its writer did not finish, because it
            was killed; they were left out.
    """

    records: int
    torn: dict[Path, int]


def merge_histories(sources: Iterable[Path], target: Path) -> Merged:
    """Write the records of all files into ``target``, ordered by time.

    Records of the same nanosecond stay in the order of their file, and files in the
    order given, so merging twice gives the same bytes. ``target`` is replaced at once
    or not at all. A file that does not exist is an empty one: its process never
    started. Raises InvalidInputError for a line that is whole, but no record.
    """
    keyed: list[tuple[int, bytes]] = []
    torn: dict[Path, int] = {}
    for path in sources:
        for line, record in _lines(path, torn):
            keyed.append((record.at_ns, line))
    keyed.sort(key=lambda pair: pair[0])
    unfinished = target.with_name(target.name + ".new")
    with unfinished.open("wb") as file:
        file.writelines(line + b"\n" for _, line in keyed)
    unfinished.replace(target)
    return Merged(records=len(keyed), torn=torn)


def read_history(path: Path) -> list[Record]:
    """The records of one file in its own order; torn lines are left out.

    Raises InvalidInputError for a line that is whole, but no record, and OSError.
    """
    path.stat()
    return [record for _, record in _lines(path, {})]


def _lines(path: Path, torn: dict[Path, int]) -> Iterator[tuple[bytes, Record]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line:
            continue
        try:
            yield line, _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if _is_json(line):
                where = f"{os.fspath(path)}:{number}"
                raise InvalidInputError(where, f"is no record: {error}") from error
            torn[path] = torn.get(path, 0) + 1


def _is_json(line: bytes) -> bool:
    """The beginning of an object never is; so a line that is was not cut short."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
