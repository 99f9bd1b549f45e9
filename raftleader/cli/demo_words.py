"""What the demo computes: the words of every source file of the standard library.

Runs on the cluster and, for comparison, in the demo's own process. A task's
interpreter imports this module, so it imports little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

WORD = re.compile(r"[a-z]+")


def count_words(files: Sequence[str]) -> dict[str, int]:
    """How often each word stands in the files, in lower case."""
    counts: Counter[str] = Counter()
    for file in files:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
        counts.update(WORD.findall(text.lower()))
    return dict(counts)


def add_up(parts: Iterable[dict[str, int]]) -> Counter[str]:
    """The counts of all parts together."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total


def source_files(folder: Path) -> list[str]:
    """Every ``.py`` file below ``folder`` but those of other distributions."""
    return sorted(
        str(file)
        for file in folder.rglob("*.py")
        if not {"site-packages", "dist-packages"} & set(file.relative_to(folder).parts)
        and file.is_file()
    )


def groups_of(files: Sequence[str], count: int) -> list[list[str]]:
    """The files in at most ``count`` groups of about equal size, none empty."""
    by_size = sorted(files, key=lambda file: (-Path(file).stat().st_size, file))
    groups: list[list[str]] = [[] for _ in range(min(count, len(files)))]
    for number, file in enumerate(by_size):
        turn, place = divmod(number, len(groups))
        # Back and forth, so that no group gets the largest of every turn.
        groups[place if turn % 2 == 0 else -1 - place].append(file)
    return groups
