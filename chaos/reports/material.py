"""What a run left in its folder, as far as it can be read.

A run that was killed leaves half of its files. Whatever is not there, or is not what it
should be, is said in ``missing`` and left out; nothing of it keeps a report from being
written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import msgspec

from chaos.history.queries import (
    FaultWindow,
    Operation,
    Window,
    fault_windows,
    impossible_faults,
    kinds_of_workloads,
    phases,
)
from chaos.history.records import (
    FaultRecord,
    Happening,
    NodeSample,
    ProcessEvent,
    Record,
)
from chaos.judging.judgement import Judgement, Problem, judgement_from_dict
from chaos.judging.streams import Stream, join_streams
from chaos.live.run_file import RUN, VERSION, read_json
from chaos.observation.format import AppliedRecord, Begin
from chaos.observation.reading import applied_logs, read_applied
from chaos.reports.lenient_history import pair, read_records
from raftleader.errors import ConfigError, InvalidInputError
from raftleader.state.commands import BeginTerm, decode_entry

MS = 1_000_000
SECOND = 1_000 * MS
EMPTY_STREAM = Stream(entries=[], lives=[], compared=0, differences=[])


@attrs.define(kw_only=True)
class Material:
    """All that a report is made of. Times are those of the history.

    Attributes:
        run: ``run.json``.
        judgement: None if the run was not judged.
        wall_ms: What is to be added to a time, in ms, to have that of the wall clock;
            None if no node told.
        addresses: Of leader nodes, from their HTTP address to their name.
        missing: What could not be read, a sentence each.
    """

    folder: Path
    run: Mapping[str, Any] = attrs.field(factory=dict)
    judgement: Judgement | None = None
    records: list[Record] = attrs.field(factory=list)
    operations: list[Operation] = attrs.field(factory=list)
    faults: list[FaultWindow] = attrs.field(factory=list)
    impossible: list[FaultRecord] = attrs.field(factory=list)
    phases: list[Window] = attrs.field(factory=list)
    kinds: dict[str, str] = attrs.field(factory=dict)
    samples: list[NodeSample] = attrs.field(factory=list)
    events: list[ProcessEvent] = attrs.field(factory=list)
    happenings: list[Happening] = attrs.field(factory=list)
    stream: Stream = EMPTY_STREAM
    addresses: dict[str, str] = attrs.field(factory=dict)
    wall_ms: float | None = None
    began_ns: int = 0
    ended_ns: int = 0
    missing: list[str] = attrs.field(factory=list)

    @property
    def span_ms(self) -> float:
        """How long the run took; never 0."""
        return max(1.0, (self.ended_ns - self.began_ns) / MS)

    def ms(self, at_ns: int) -> float:
        """Since the beginning of the run, and within it."""
        return (min(max(at_ns, self.began_ns), self.ended_ns) - self.began_ns) / MS

    def wall(self, at_ns: int) -> str:
        """The time in the nodes' logs (UTC); empty if unknown."""
        if self.wall_ms is None:
            return ""
        moment = datetime.fromtimestamp((at_ns / MS + self.wall_ms) / 1000, UTC)
        return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"

    def part(self, key: str) -> Mapping[str, Any]:
        """An object in ``run.json``; empty if there is none."""
        value = self.run.get(key)
        return value if isinstance(value, dict) else {}

    def rows(self, key: str) -> list[Mapping[str, Any]]:
        """A list of objects in ``run.json``; empty if there is none."""
        value = self.run.get(key)
        if not isinstance(value, list):
            return []
        return [row for row in value if isinstance(row, dict)]

    def text(self, key: str) -> str:
        """A text in ``run.json``; empty if there is none."""
        value = self.run.get(key)
        return value if isinstance(value, str) else ""

    def node_of(self, address: str) -> str:
        """The name of a leader node; the address itself if nobody knows it."""
        return self.addresses.get(address, address)


def read_material(folder: Path) -> Material:
    """Never fails for what lies in the folder; raises OSError without a folder."""
    found = Material(folder=folder)
    found.run = read_run_file(folder, found.missing)
    found.judgement = judgement_of(found.run, found.missing)
    found.records = read_records(folder, found.missing)
    found.operations = pair(found.records, found.missing)
    _sort_records(found)
    _read_logs(found)
    _find_time(found)
    _date_problems(found)
    return found


def read_run_file(folder: Path, missing: list[str]) -> Mapping[str, Any]:
    """``run.json``, or nothing."""
    try:
        run = read_json(folder / RUN)
    except ConfigError as error:
        missing.append(f"{RUN} cannot be read ({error}): what was asked is not known")
        return {}
    if not isinstance(run, dict):
        missing.append(f"{RUN} is no object: what was asked for is not known")
        return {}
    if run.get("version") != VERSION:
        missing.append(f"{RUN} was written by another version; some of it may be off")
    return run


def judgement_of(run: Mapping[str, Any], missing: list[str]) -> Judgement | None:
    """As it is in ``run.json``, or none."""
    if run.get("judgement") is None:
        missing.append(
            "the run was not judged (raftleader chaos check judges it): no verdict,"
            " no figures"
        )
        return None
    try:
        return judgement_from_dict(run["judgement"])
    except msgspec.ValidationError as error:
        missing.append(f"the judgement in {RUN} cannot be read: {error}")
        return None


def _sort_records(found: Material) -> None:
    found.faults = fault_windows(found.records)
    found.impossible = impossible_faults(found.records)
    found.phases = phases(found.records)
    try:
        found.kinds = kinds_of_workloads(found.records)
    except (KeyError, TypeError):
        found.missing.append("a workload does not say what it is")
    for record in found.records:
        match record:
            case NodeSample():
                found.samples.append(record)
            case ProcessEvent():
                found.events.append(record)
            case Happening():
                found.happenings.append(record)
            case _:
                pass


def _read_logs(found: Material) -> None:
    """The applied logs, whose nodes also tell their addresses and the wall clock."""
    logs = applied_logs(found.folder)
    if not logs:
        found.missing.append(
            "no leader node left an applied log: neither offers nor exact roles"
        )
        return
    offsets: list[float] = []
    read = partial(_readable, missing=found.missing, offsets=offsets)
    found.stream = join_streams(
        (node, number, read(path))
        for node, paths in logs.items()
        for number, path in enumerate(paths, start=1)
    )
    if offsets:
        found.wall_ms = median(offsets)  # some clocks may have been set
    for entry in found.stream.entries:
        try:
            decoded = decode_entry(entry.data)
        except InvalidInputError:
            continue
        for command in decoded.commands:
            if isinstance(command, BeginTerm):
                found.addresses[command.http_address] = str(decoded.node)


def _readable(
    path: Path, *, missing: list[str], offsets: list[float]
) -> Iterator[AppliedRecord]:
    """As far as it can be read."""
    name = f"{path.parent.name}/{path.name}"
    try:
        for record in read_applied(path):
            if isinstance(record, Begin):
                offsets.append(record.wall_ms - record.at_ns / MS)
            yield record
    except InvalidInputError as error:
        missing.append(f"{name} cannot be read to its end: {error.problem}")
    except OSError as error:
        missing.append(f"{name}: {error.strerror}")


def _find_time(found: Material) -> None:
    """From ``run.json``, or from the first and last of what was recorded."""
    times = [record.at_ns for record in found.records]
    times += [entry.at_ns for entry in found.stream.entries]
    first, last = min(times, default=0), max(times, default=0)
    began_ns = _time(found.run, "began_ns") or first
    found.began_ns = began_ns if began_ns <= last or not times else first
    found.ended_ns = max(_time(found.run, "ended_ns"), last, found.began_ns)


def _date_problems(found: Material) -> None:
    """Problems that name an entry and no time have that at which it was applied."""
    judgement = found.judgement
    if judgement is None:
        return
    at_ns = {entry.index: entry.at_ns for entry in found.stream.entries}

    def dated(problem: Problem) -> Problem:
        if problem.at_ns is not None or problem.index not in at_ns:
            return problem
        return msgspec.structs.replace(problem, at_ns=at_ns[problem.index])

    results = tuple(
        msgspec.structs.replace(one, problems=tuple(map(dated, one.problems)))
        for one in judgement.results
    )
    found.judgement = msgspec.structs.replace(judgement, results=results)


def _time(run: Mapping[str, Any], key: str) -> int:
    value = run.get(key)
    return value if isinstance(value, int) else 0
