"""The applied logs of all nodes, and the one log that they must be parts of.

Nodes write down what they apply (``chaos.observation``). At each index all must have
applied the same; none may have skipped an index; and the entries of all together are
the log of the run, as far as it was ever applied.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import attrs

from chaos.judging.judgement import Problem
from chaos.observation.format import (
    AppliedEntry,
    AppliedRecord,
    Begin,
    Digested,
    Restored,
    RoleChange,
)
from chaos.observation.reading import applied_logs, read_applied


@attrs.frozen(kw_only=True)
class Life:
    """What a node applied from one start to its end.

    Attributes:
        indexes: Of the entries, in the order in which they were applied.
        restored: (place, index): a state of that index took the place of what was
            before the entry number ``place`` of this life.
        digests: Of the state after an index.
        roles: With the term, if the node knew one.
    """

    node: str
    number: int
    began_ns: int
    ended_ns: int
    indexes: list[int]
    restored: list[tuple[int, Restored]]
    digests: list[tuple[int, bytes]]
    roles: list[RoleChange]

    @property
    def name(self) -> str:
        return f"{self.node} (life {self.number})"


@attrs.frozen(kw_only=True)
class LogEntry:
    """An entry, as it was first applied.

    ``at_ns`` is the earliest time at which any node applied it.
    """

    index: int
    term: int
    data: bytes
    node: str
    at_ns: int


@attrs.frozen(kw_only=True)
class Stream:
    """The log of the run.

    Attributes:
        entries: In order of their indexes.
        compared: Entries of nodes that were compared with those of another one.
        differences: Nodes that applied something else at an index.
    """

    entries: list[LogEntry]
    lives: list[Life]
    compared: int
    differences: list[Problem]

    def place(self, index: int) -> int:
        """How many entries have at most this index."""
        return bisect_right(self.entries, index, key=lambda entry: entry.index)

    def lives_of(self) -> dict[str, list[Life]]:
        """By node, in the order of their starts."""
        found: dict[str, list[Life]] = {}
        for life in sorted(self.lives, key=lambda life: (life.began_ns, life.number)):
            found.setdefault(life.node, []).append(life)
        return found


def read_stream(folder: Path) -> Stream:
    """Of a run's folder. Raises InvalidInputError for a file that is no such log."""
    return join_streams(
        (node, number, read_applied(path))
        for node, paths in applied_logs(folder).items()
        for number, path in enumerate(paths, start=1)
    )


def join_streams(
    files: Iterable[tuple[str, int, Iterable[AppliedRecord]]],
) -> Stream:
    """Of (node, number of its life, records)."""
    known: dict[int, LogEntry] = {}
    lives: list[Life] = []
    differences: list[Problem] = []
    compared = 0
    for node, number, records in files:
        life = Life(
            node=node,
            number=number,
            began_ns=0,
            ended_ns=0,
            indexes=[],
            restored=[],
            digests=[],
            roles=[],
        )
        began_ns = ended_ns = 0
        for record in records:
            match record:
                case AppliedEntry(index=index, at_ns=at_ns):
                    ended_ns = at_ns
                    life.indexes.append(index)
                    first = known.get(index)
                    if first is None:
                        known[index] = LogEntry(
                            index=index,
                            term=record.term,
                            data=record.data,
                            node=node,
                            at_ns=at_ns,
                        )
                        continue
                    compared += 1
                    if first.term != record.term or first.data != record.data:
                        differences.append(_difference(life, record, first))
                    elif at_ns < first.at_ns:
                        known[index] = attrs.evolve(first, node=node, at_ns=at_ns)
                case Restored(at_ns=at_ns):
                    ended_ns = at_ns
                    life.restored.append((len(life.indexes), record))
                case Digested(index=index, digest=digest):
                    life.digests.append((index, digest))
                case RoleChange(at_ns=at_ns):
                    ended_ns = at_ns
                    life.roles.append(record)
                case Begin(at_ns=at_ns):
                    began_ns = ended_ns = at_ns
                case _:
                    ended_ns = record.at_ns
        lives.append(attrs.evolve(life, began_ns=began_ns, ended_ns=ended_ns))
    return Stream(
        entries=[known[index] for index in sorted(known)],
        lives=lives,
        compared=compared,
        differences=differences,
    )


def _difference(life: Life, record: AppliedEntry, first: LogEntry) -> Problem:
    return Problem(
        text=(
            f"{life.name} applies at index {record.index} an entry of term"
            f" {record.term} ({len(record.data)} bytes), where {first.node} applied one"
            f" of term {first.term} ({len(first.data)} bytes)"
        ),
        at_ns=record.at_ns,
        node=life.node,
        index=record.index,
    )


def wrong_order(stream: Stream) -> Iterator[Problem]:
    """Entries that a node skipped or applied again, states that went back, and terms
    that go down along the log."""
    places = {entry.index: place for place, entry in enumerate(stream.entries, 1)}
    for life in stream.lives:
        yield from _wrong_life(stream, life, places)
    for before, entry in pairwise(stream.entries):
        if entry.term < before.term:
            yield Problem(
                text=(
                    f"entry {entry.index} is of term {entry.term}, entry"
                    f" {before.index} before it of term {before.term}"
                ),
                at_ns=entry.at_ns,
                node=entry.node,
                index=entry.index,
            )


def _wrong_life(
    stream: Stream, life: Life, places: dict[int, int]
) -> Iterator[Problem]:
    """``places``: of each index, how many entries have at most that."""
    restored: dict[int, list[Restored]] = {}
    for number, record in life.restored:
        restored.setdefault(number, []).append(record)
    last = 0
    place = 0
    """Of the entry that must come next."""
    for number in range(len(life.indexes) + 1):
        for record in restored.get(number, ()):
            index, at_ns = record.index, record.at_ns
            if index < last:
                yield _at(life, index, at_ns, f"takes a state of {index} after {last}")
            last, place = index, stream.place(index)
            if index and (place == 0 or stream.entries[place - 1].index != index):
                text = f"takes a state of entry {index}, which nobody applied"
                yield _at(life, index, at_ns, text)
        if number == len(life.indexes):
            return
        index = life.indexes[number]
        if index <= last:
            yield _at(life, index, None, f"applies entry {index} after {last}")
        else:
            wanted = stream.entries[place].index
            if wanted != index:
                text = f"applies entry {index} where {wanted} is next"
                yield _at(life, index, None, text)
            place = places[index]
        last = index


def _at(life: Life, index: int, at_ns: int | None, text: str) -> Problem:
    return Problem(text=f"{life.name} {text}", at_ns=at_ns, node=life.node, index=index)
