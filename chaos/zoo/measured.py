"""How many seeds each hunt takes: measured once in a while, and kept.

``raftleader chaos zoo --measure`` writes ``measured.json`` anew. Each series begins
with another seed, so that none is tried twice.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chaos.zoo.entry import Hunt, Level, Mutant
from raftleader.errors import ConfigError

FILE = Path(__file__).with_name("measured.json")
SERIES = 5
SERIES_LIVE = 3
"""A run on real processes takes its time."""
APART = 1_000
"""Between the first seeds of two series: more than any hunt tries."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Of one hunt.

    Attributes:
        took: Seeds until it was caught, one for each series; None: it was not.
        tries: Seeds after which a series was given up.
    """

    mutant: str
    level: str
    took: tuple[int | None, ...]
    tries: int

    @property
    def median(self) -> float | None:
        """None: it was caught in less than half of the series."""
        infinite = float("inf")
        value = statistics.median(
            infinite if took is None else took for took in self.took
        )
        return None if value == infinite else value

    @property
    def most(self) -> int:
        """Seeds that were enough in every series in which it was caught."""
        return max((took for took in self.took if took is not None), default=0)

    @property
    def words(self) -> str:
        """The median, for a table."""
        median = self.median
        return f"> {self.tries}" if median is None else f"{median:g}"


_decoder: msgspec.json.Decoder[list[Measured]] = msgspec.json.Decoder(list[Measured])


def kept(path: Path = FILE) -> dict[tuple[str, Level], Measured]:
    """What was measured, by mutant and level. Raises ConfigError."""
    try:
        rows = _decoder.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return {(row.mutant, Level(row.level)): row for row in rows}


def keep(
    measured: dict[tuple[str, Level], Measured],
    mutants: Sequence[Mutant],
    path: Path = FILE,
) -> None:
    """Write it down, in the order of the catalogue, a line each; what is in no
    catalogue any more is forgotten. Raises ConfigError."""
    rows = [
        measured[mutant.name, one.level]
        for mutant in mutants
        for one in mutant.hunts
        if (mutant.name, one.level) in measured
    ]
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in rows)
    try:
        path.write_text(f"[\n{lines}\n]\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def starts(hunt: Hunt) -> list[int]:
    """The first seeds of its series. Scenarios depend on no seed, or on few."""
    if hunt.level is Level.SCENARIO:
        return [1 + number * hunt.tries for number in range(SERIES)]
    count = SERIES_LIVE if hunt.level is Level.LIVE else SERIES
    return [1 + number * APART for number in range(count)]
