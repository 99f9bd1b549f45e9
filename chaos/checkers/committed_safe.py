"""A committed entry survives every election: the rule behind "never change".

Whoever could be elected has it, a majority of the voters does, and it is of the term of
the leader that commits it (or an entry after it is). Judged when a leader commits, this
finds a rule that is broken long before the rare accident that would show
it: an entry that is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Log(Protocol):
    """A node's log, on its disk."""

    @property
    def end(self) -> tuple[int, int]:
        """(term, index) of the last entry."""

    @property
    def voters(self) -> tuple[str, ...]:
        """Of the configuration that it follows."""

    def has(self, index: int, term: int) -> bool:
        """Whether it holds this entry, or has forgotten it as committed."""


class CommittedSafe:
    """Told of every entry up to which a leader commits. Not for groups in which a name
    stood for several disks: there the log alone does not tell who may vote."""

    name = "a committed entry survives every election"

    def counted(self, leader: str, index: int, term: int, leads: int) -> list[str]:
        """``leader`` of the term ``leads`` commits the entry ``index`` of ``term``."""
        if term == leads:
            return []
        return [
            f"{leader} leads term {leads}, and commits entry {index} of term {term} by"
            " counting copies"
        ]

    def committed(
        self, leader: str, index: int, term: int, logs: Mapping[str, Log]
    ) -> list[str]:
        """``leader`` commits; ``logs`` are those of all nodes, dead ones too."""
        problems: list[str] = []
        voters = logs[leader].voters
        holders = [one for one in voters if logs[one].has(index, term)]
        if 2 * len(holders) <= len(voters):
            problems.append(
                f"{leader} commits entry {index} of term {term}, which only"
                f" {', '.join(holders) or 'nobody'} of {', '.join(voters)} holds"
            )
        for name, log in logs.items():
            if name not in log.voters or log.has(index, term):
                continue
            helpers = [one for one in log.voters if log.end >= logs[one].end]
            if 2 * len(helpers) > len(log.voters):
                problems.append(
                    f"{leader} commits entry {index} of term {term}, and {name}, which"
                    f" lacks it, may be elected by {', '.join(helpers)}"
                )
        return problems
