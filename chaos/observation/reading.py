"""Reading what nodes wrote down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from chaos.observation.format import LENGTH, SUFFIX, AppliedRecord, decode_record
from raftleader.errors import InvalidInputError

NAME = "applied"
"""What the files of a node are called, before the number of its life."""
_FILE = re.compile(rf"{NAME}-(\d+){re.escape(SUFFIX)}")


def applied_files(folder: Path) -> list[Path]:
    """The files of one node in its folder, ``nodes/<name>``, oldest life first."""
    found = [
        (int(match[1]), path)
        for path in folder.glob(f"{NAME}-*{SUFFIX}")
        if (match := _FILE.fullmatch(path.name))
    ]
    return [path for _, path in sorted(found)]


def applied_logs(run_folder: Path) -> dict[str, list[Path]]:
    """Of each node of a run that recorded anything, its files; by name of node."""
    nodes = sorted(path for path in (run_folder / "nodes").glob("*") if path.is_dir())
    logs = {node.name: applied_files(node) for node in nodes}
    return {name: files for name, files in logs.items() if files}


def read_applied(path: Path) -> Iterator[AppliedRecord]:
    """The records of one life, in order; also while the node still writes.

    A torn last frame is left out: the node was killed while it wrote it. Raises
    InvalidInputError, naming the offset, for anything else that is no record.
    """
    content = memoryview(path.read_bytes())
    offset = 0
    while offset + LENGTH.size <= len(content):
        (length,) = LENGTH.unpack_from(content, offset)
        start = offset + LENGTH.size
        if start + length > len(content):
            return
        try:
            record = decode_record(content[start : start + length])
        except InvalidInputError as error:
            raise InvalidInputError(
                str(path), f"offset {offset}: {error.problem}"
            ) from error
        yield record
        offset = start + length
