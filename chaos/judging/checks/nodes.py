"""Checks of the processes themselves: none dies of what it was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from chaos.judging.check import Seen, check
from chaos.judging.evidence import Evidence
from chaos.judging.judgement import Problem

_TRACEBACK = "Traceback (most recent call last)"
_EXCUSED = re.compile(
    r"MemoryError|KeyboardInterrupt|No space left on device|Read-only file system"
    r"|Input/output error|Too many open files|Cannot allocate memory"
    r"|Structure needs cleaning|Disk quota exceeded"
)
"""What a broken disk, or a squeeze, makes of any program: no bad input."""
LINES_OF_TRACEBACK_MAX = 400


@check("P10 no process dies of bad input", "P10")
def no_crashes(evidence: Evidence) -> Seen:
    """No traceback stands in the log of a leader node or an agent, but for those of a
    machine that has run out of something."""
    problems: list[Problem] = []
    checked = 0
    for one in evidence.run.get("nodes", []):
        path = evidence.folder / one["log"]
        if one["kind"] == "framework" or not path.is_file():
            continue
        checked += 1
        problems += [
            Problem(text=f"{one['name']} wrote a traceback: {words}", node=one["name"])
            for words in sorted(set(_tracebacks(path)))
            if not _EXCUSED.search(words)
        ]
    return Seen.of(checked, problems)


def _tracebacks(path: Path) -> Iterator[str]:
    """The last line of each: what was raised."""
    lines = path.read_text(errors="replace").splitlines()
    place = 0
    while place < len(lines):
        if _TRACEBACK not in lines[place]:
            place += 1
            continue
        margin = lines[place].index(_TRACEBACK)
        end = place + 1
        while end < min(len(lines), place + LINES_OF_TRACEBACK_MAX) and (
            not lines[end][margin:].strip() or lines[end][margin:][:1] in " |+"
        ):
            end += 1
        yield lines[end][margin:].strip() if end < len(lines) else "(cut short)"
        place = end + 1


CHECKS = (no_crashes,)
