"""What a command says: tables for people or JSON for programs, from the same rows.

JSON goes to standard output and nothing else does; whatever is said beside it
(hints, progress, events) goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TextIO

import attrs
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, object]

LINE_CHARS_MAX = 1_000
"""Longer cells are folded. A terminal's own width is not asked: a line that it wraps
can still be read, searched and copied, a table of folded cells cannot."""


@attrs.frozen(kw_only=True)
class Column:
    """A column of a table: the key in the row, and its heading."""

    key: str
    heading: str
    right: bool = False


@cache
def nowhere() -> TextIO:
    """For a process that was started without that stream."""
    return Path(os.devnull).open("w", encoding="utf-8")


@attrs.frozen(kw_only=True)
class Output:
    """Where a command writes. ``as_json`` chooses the form of results."""

    as_json: bool = False
    out: TextIO = attrs.field(factory=lambda: sys.stdout or nowhere())
    err: TextIO = attrs.field(factory=lambda: sys.stderr or nowhere())

    @property
    def console(self) -> Console:
        """For everything that is not the result: progress, hints."""
        return Console(file=self.err, highlight=False)

    def result(self, value: object) -> None:
        """One JSON value on one line, at once."""
        print(msgspec.json.encode(value).decode(), file=self.out, flush=True)

    def rows(
        self, rows: Sequence[Row], columns: Sequence[Column], *, title: str = ""
    ) -> None:
        """The rows, whole as JSON, or the named columns as a table."""
        if self.as_json:
            self.result(list(rows))
        else:
            self.table(rows, columns, title=title)

    def record(self, record: Row, *, title: str = "") -> None:
        """One object: as JSON, or as a table of keys and values."""
        if self.as_json:
            self.result(record)
            return
        rows = [{"key": key, "value": value} for key, value in record.items()]
        columns = [Column(key="key", heading=""), Column(key="value", heading="")]
        self.table(rows, columns, title=title)

    def table(
        self, rows: Sequence[Row], columns: Sequence[Column], *, title: str = ""
    ) -> None:
        """A table on standard output, whatever ``as_json`` says of results."""
        table = Table(
            show_header=any(column.heading for column in columns),
            box=None,
            pad_edge=False,
        )
        for column in columns:
            table.add_column(
                column.heading,
                justify="right" if column.right else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(Text(cell(row.get(column.key))) for column in columns))
        console = Console(file=self.out, highlight=False, width=LINE_CHARS_MAX)
        if title:
            print(title, file=self.out)
        with console.capture() as drawn:
            console.print(table)
        for line in drawn.get().splitlines():
            print(line.rstrip(), file=self.out)
        self.out.flush()

    def note(self, text: str) -> None:
        """A line beside the result."""
        print(text, file=self.err, flush=True)


def cell(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(item)}" for key, item in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(cell(item) for item in value) or "-"
    return str(value)
