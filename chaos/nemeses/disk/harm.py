"""The account of which leader nodes are without their disk: never too many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import attrs

from chaos.live.seams import ImpossibleError
from chaos.nemeses.targets import minority


@attrs.define
class Harm:
    """Which nodes have a disk that does not work, and which have lost what it held.

    Of the first there may be a minority, or one in a group of one or two: the others
    go on, or it is waited for. Of the second a minority, so in a group of one or two
    none: a majority always has everything that was answered.
    """

    troubled: set[str] = attrs.field(factory=set)
    lost: set[str] = attrs.field(factory=set)

    def trouble(self, nodes: Collection[str], group: Collection[str]) -> None:
        """Their disks will not work for a while. Raises ImpossibleError."""
        self._take(self.troubled, nodes, max(1, minority(len(group))))

    def lose(self, nodes: Collection[str], group: Collection[str]) -> None:
        """They will have lost what they promised. Raises ImpossibleError."""
        self._take(self.lost, nodes, minority(len(group)))

    def end(self, nodes: Collection[str]) -> None:
        """They are as good as the others again."""
        self.troubled.difference_update(nodes)
        self.lost.difference_update(nodes)

    @contextmanager
    def ended_on_error(self, nodes: Collection[str]) -> Iterator[None]:
        """For the rest of an injection that has claimed these."""
        try:
            yield
        except BaseException:
            self.end(nodes)
            raise

    def _take(self, place: set[str], nodes: Collection[str], most: int) -> None:
        out = self.troubled | self.lost
        if again := sorted(out.intersection(nodes)):
            raise ImpossibleError(f"the disk of {', '.join(again)} is broken already")
        together = sorted(out.union(nodes))
        if len(together) > most:
            raise ImpossibleError(
                f"{', '.join(together)} would be without their disks, and at most "
                f"{most} may be"
            )
        place.update(nodes)
