"""``raftleader journal``: what is in the journal of a node, and whether it is whole.

Since a journal that begins after some entry is nothing without a snapshot, the check
reads those, too, where they lie beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import msgspec

from raftleader.cli.exit_codes import EXIT_FAILED, EXIT_OK
from raftleader.cli.measured_cluster import progress_bar
from raftleader.cli.output import Column, Output, Row
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.replication.entries import CONFIGURATION, NO_OP, USER
from raftleader.replication.journal.format import (
    FORMAT_VERSION,
    BallotCast,
    Entries,
    Note,
    Opening,
    Reset,
    Truncate,
)
from raftleader.replication.journal.inspection import (
    Inspection,
    ReadRecord,
    count_bytes,
    walk,
)
from raftleader.replication.journal.reading import list_segments
from raftleader.replication.os_disk import OsDisk
from raftleader.replication.raft.configuration import read_configuration
from raftleader.replication.snapshots.inspection import (
    FoundSnapshot,
    inspect_snapshots,
)
from raftleader.state.commands import decode_entry

_LONG_BYTES = 256 * 1024 * 1024
"""More takes seconds, and is worth a progress bar."""
_MIB = 1024 * 1024
_PREVIEW_BYTES = 40
_KINDS = {USER: "user", NO_OP: "no-op", CONFIGURATION: "configuration"}
_SEGMENT_COLUMNS = [
    Column(key="file", heading="FILE"),
    Column(key="size_bytes", heading="BYTES", right=True),
    Column(key="used_bytes", heading="USED", right=True),
    Column(key="batches", heading="BATCHES", right=True),
    Column(key="entries", heading="ENTRIES", right=True),
]


def check_journal(directory: Path, output: Output) -> int:
    """Read all of it, say what is found; the exit code."""
    found = Inspection()
    where = find_journal(directory)
    with _progress(where, output) as on_read:
        for _ in walk(_disk(), where, found, on_read=on_read):
            pass
    snapshots = _snapshots(where, found)
    problems = _snapshot_problems(found, snapshots)
    facts = _facts(where, found, snapshots, problems)
    if output.as_json:
        output.result(facts)
    else:
        _print_facts(facts, found, problems, output)
    return EXIT_FAILED if found.problems or problems else EXIT_OK


def dump_journal(
    directory: Path, output: Output, *, first: int | None, last: int | None
) -> int:
    """Print its records; the exit code."""
    if first is not None and last is not None and first > last:
        raise InvalidInputError("--from", f"{first} is after --to {last}")
    found = Inspection()
    for read in walk(_disk(), find_journal(directory), found):
        for row in _rows_of(read, first, last):
            if output.as_json:
                output.result(row)
            else:
                print(_line(row), file=output.out)
    for line in _findings(found):
        output.note(line)
    return EXIT_FAILED if found.problems else EXIT_OK


def find_journal(directory: Path) -> str:
    """The directory of the segments: this one, or the journal in it.

    Raises ConfigError if there is none, OSError."""
    inner = directory / "journal"
    for candidate in (directory, inner):
        if candidate.is_file():
            raise ConfigError(
                f"{candidate} is a file; a journal is a directory of segments. "
                "(Earlier versions had journals of one file; this one cannot "
                "read them.)"
            )
        if candidate.is_dir() and list_segments(_disk(), str(candidate)):
            return str(candidate)
    if not directory.exists():
        raise ConfigError(f"there is no directory {directory}")
    raise ConfigError(f"there is no journal in {directory}")


def _disk() -> OsDisk:
    return OsDisk(is_read_only=True)


@contextmanager
def _progress(where: str, output: Output) -> Iterator[Callable[[int], None]]:
    total = count_bytes(_disk(), where)
    if total < _LONG_BYTES:
        yield lambda done: None
        return
    with progress_bar(output, "MiB read", total // _MIB) as bar:
        shown = 0

        def on_read(done: int) -> None:
            nonlocal shown
            if done // _MIB != shown:
                shown = done // _MIB
                bar.show(shown)

        yield on_read


def _snapshots(where: str, found: Inspection) -> tuple[FoundSnapshot, ...] | None:
    """Those beside the journal; None where none are to be expected."""
    beside = Path(where).parent / "snapshots"
    if found.names is None or found.names.engine != "raft" or not beside.is_dir():
        return None
    cluster_id = found.names.cluster_id
    return inspect_snapshots(_disk(), str(beside), cluster_id=cluster_id)


def _snapshot_problems(
    found: Inspection, snapshots: tuple[FoundSnapshot, ...] | None
) -> list[str]:
    """Why a start would fail though the journal is whole, in words."""
    if snapshots is None or found.problems:
        return []
    # As a start does: files without a readable header are passed over.
    newest = next((one for one in snapshots if one.is_header_good), None)
    if newest is not None and newest.problem:
        return [newest.problem]
    base_index = found.position.base_index
    if base_index > (newest.index if newest else 0):
        missing = (
            f"the journal begins after entry {base_index}, and there is no snapshot of"
            " that entry or a later one"
        )
        return [missing, *(one.problem for one in snapshots if one.problem)]
    return []


def _facts(
    where: str,
    found: Inspection,
    snapshots: tuple[FoundSnapshot, ...] | None,
    snapshot_problems: list[str],
) -> dict[str, object]:
    names, position = found.names, found.position
    return {
        "directory": where,
        "verdict": "damaged" if snapshot_problems else _verdict(found),
        "format": FORMAT_VERSION,
        "engine": names.engine if names else None,
        "cluster_id": names.cluster_id if names else None,
        "node_id": names.node_id if names else None,
        "instance": names.instance if names else None,
        "term": position.term,
        "vote": position.vote,
        "base_index": position.base_index,
        "base_term": position.base_term,
        "last_index": position.last_index,
        "last_term": position.last_term,
        "notes": sorted(position.notes),
        "segments": [attrs.asdict(segment) for segment in found.segments],
        "torn": attrs.asdict(found.torn) if found.torn else None,
        "problems": [attrs.asdict(problem) for problem in found.problems],
        "snapshots": [attrs.asdict(one) for one in snapshots or ()],
        "snapshot_problems": snapshot_problems,
    }


def _verdict(found: Inspection) -> str:
    if found.problems:
        return "damaged"
    return "torn" if found.torn else "fine"


def _print_facts(
    facts: Row, found: Inspection, snapshot_problems: list[str], output: Output
) -> None:
    names, position = found.names, found.position
    whose = "no header can be read"
    if names is not None:
        whose = (
            f"engine {names.engine}, cluster {names.cluster_id}, node "
            f"{names.node_id}, instance {names.instance}"
        )
    print(f"{facts['directory']}: {whose}", file=output.out)
    until = ", before the first damage" if found.problems else ""
    holds = f"entries {position.base_index + 1} to {position.last_index}"
    if position.last_index == position.base_index:
        holds = f"no entries after {position.base_index}"
    print(
        f"{holds}; term {position.term}, vote {position.vote or 'none'}{until}",
        file=output.out,
    )
    rows = [attrs.asdict(segment) for segment in found.segments]
    output.table(rows, _SEGMENT_COLUMNS)
    findings = [f"DAMAGED: {problem}" for problem in snapshot_problems]
    for line in [*_findings(found), *findings] or ["fine"]:
        print(line, file=output.out)


def _findings(found: Inspection) -> list[str]:
    lines = [
        f"DAMAGED: {one.file} at byte {one.offset}: {one.problem}"
        for one in found.problems
    ]
    if (torn := found.torn) is not None:
        lines.append(
            f"{torn.file} at byte {torn.offset}: {torn.problem}; the next start of the "
            "node cuts it (a node that runs may be writing it now)"
        )
    return lines


def _rows_of(
    read: ReadRecord, first: int | None, last: int | None
) -> Iterator[dict[str, object]]:
    """A record as rows to print: one for each entry, or one."""
    place: dict[str, object] = {"file": read.file, "offset": read.offset}
    record = read.record
    from_index, to_index = first or 1, last or 1 << 62
    is_part = first is not None or last is not None
    if isinstance(record, Entries):
        for index, data in enumerate(record.datas, start=record.first_index):
            if from_index <= index <= to_index:
                yield place | _entry(index, record.term, data)
    elif isinstance(record, Truncate):
        if record.from_index <= to_index:
            yield place | {"kind": "truncate", "from_index": record.from_index}
    elif isinstance(record, Reset):
        if record.base_index >= from_index:
            yield place | {"kind": "reset"} | msgspec.structs.asdict(record)
    elif is_part:
        return
    elif isinstance(record, BallotCast):
        yield place | {"kind": "ballot"} | msgspec.structs.asdict(record)
    elif isinstance(record, Note):
        yield place | {"kind": "note", "key": record.key} | _data(record.value)
    elif isinstance(record, Opening):
        opening = msgspec.structs.asdict(record)
        opening["notes"] = sorted(record.notes)
        yield place | {"kind": "opening"} | opening


def _entry(index: int, term: int, data: bytes) -> dict[str, object]:
    row: dict[str, object] = {
        "kind": "entry",
        "index": index,
        "term": term,
        "of": _KINDS.get(data[:1], "unknown"),
        "holds": _holds(data),
    }
    return row | _data(data)


def _data(data: bytes) -> dict[str, object]:
    return {"bytes": len(data), "data": base64.b64encode(data).decode()}


def _holds(data: bytes) -> str:
    """What an entry is about, in words, or its beginning."""
    try:
        if data[:1] == CONFIGURATION:
            members = read_configuration(data)
            learners = ", ".join(members.learners)
            voters = f"voters {', '.join(members.voters) or 'none'}"
            return f"{voters}; learners {learners}" if learners else voters
        if data[:1] == USER:
            commands = decode_entry(data[1:]).commands
            return ", ".join(type(command).__name__ for command in commands)
    except (ValueError, InvalidInputError):
        pass
    beginning = repr(data[1 : 1 + _PREVIEW_BYTES])[2:-1]
    return beginning + ("..." if len(data) > 1 + _PREVIEW_BYTES else "")


def _line(row: Row) -> str:
    shown = {
        key: value
        for key, value in row.items()
        if key not in ("file", "offset", "kind", "data", "holds")
    }
    words = " ".join(f"{key}={value}" for key, value in shown.items())
    line = f"{row['file']}@{row['offset']} {row['kind']} {words}"
    return f"{line} {row['holds']}" if row.get("holds") else line
