"""Filters: "do not offer me this again for a while".

Those of up to REFUSE_DURABLE_S live here, with the leader, and end with it: the
worst that follows is an offer that is declined once more. Longer ones are in the
log (``DurableFilter``); ``view.py`` asks both.

A filter hides an offer only if all of it was refused: more, or other, resources of
the same agent are offered again.
"""

from __future__ import annotations

from heapq import heappop, heappush

import attrs
import msgspec

from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resources import Resources

SHORT_FILTERS_MAX = 64
"""Filters kept for one framework, role and agent; beyond, the oldest is forgotten.
One offer a second, each declined for a minute, needs no more."""


class ShortFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A short decline."""

    resources: Resources
    until_ms: int


@attrs.define
class ShortFilters:
    """The short filters of all frameworks. Held by the leader, changed in place."""

    _by_framework: dict[FrameworkId, dict[tuple[str, AgentId], list[ShortFilter]]] = (
        attrs.field(factory=dict, init=False)
    )
    _ends: list[tuple[int, AgentId]] = attrs.field(factory=list, init=False, eq=False)

    def add(
        self,
        framework_id: FrameworkId,
        role: str,
        agent_id: AgentId,
        resources: Resources,
        until_ms: int,
    ) -> None:
        """Hide what is within ``resources`` of the agent, until ``until_ms``.

        Earlier filters that hide no more and no longer are dropped.
        """
        table = self._by_framework.setdefault(framework_id, {})
        kept = [
            old
            for old in table.get((role, agent_id), ())
            if old.until_ms > until_ms or not resources.contains(old.resources)
        ]
        kept.append(ShortFilter(resources=resources, until_ms=until_ms))
        table[role, agent_id] = kept[-SHORT_FILTERS_MAX:]
        heappush(self._ends, (until_ms, agent_id))

    def refuses(
        self,
        framework_id: FrameworkId,
        role: str,
        agent_id: AgentId,
        candidate: Resources,
        now_ms: int,
    ) -> bool:
        """Whether all of ``candidate`` was refused, for a time not yet over."""
        table = self._by_framework.get(framework_id)
        if table is None:
            return False
        for kept in table.get((role, agent_id), ()):
            # Mostly just that was refused: comparing is faster than containing.
            if kept.until_ms > now_ms and (
                kept.resources == candidate or kept.resources.contains(candidate)
            ):
                return True
        return False

    def clear_framework(
        self, framework_id: FrameworkId, roles: tuple[str, ...] = ()
    ) -> None:
        """Forget its filters for these roles; all of them if none is named.

        For REVIVE, and whenever the framework subscribes or is removed.
        """
        if not roles:
            self._by_framework.pop(framework_id, None)
            return
        table = self._by_framework.get(framework_id, {})
        for key in [key for key in table if key[0] in roles]:
            del table[key]

    def clear_agent(self, agent_id: AgentId) -> None:
        """Forget all filters on an agent: it is not what it was."""
        for table in self._by_framework.values():
            for key in [key for key in table if key[1] == agent_id]:
                del table[key]

    def prune(self, now_ms: int) -> None:
        """Drop what is over. Once a minute is often enough."""
        for framework_id, table in list(self._by_framework.items()):
            for key, filters in list(table.items()):
                kept = [f for f in filters if f.until_ms > now_ms]
                if kept:
                    table[key] = kept
                else:
                    del table[key]
            if not table:
                del self._by_framework[framework_id]

    def take_ended(self, now_ms: int) -> dict[AgentId, None]:
        """Agents on which a filter has ended since this was asked last: something
        may be offered there that could not be before."""
        ended: dict[AgentId, None] = {}
        while self._ends and self._ends[0][0] <= now_ms:
            ended[heappop(self._ends)[1]] = None
        return ended

    def count_by_role(self, now_ms: int) -> dict[str, int]:
        """How many hide something now. Looks at all of them."""
        counted: dict[str, int] = {}
        for table in self._by_framework.values():
            for (role, _), filters in table.items():
                active = sum(one.until_ms > now_ms for one in filters)
                counted[role] = counted.get(role, 0) + active
        return counted

    def next_end_ms(self, now_ms: int) -> int | None:
        """When the first of them ends: something may be offered again then."""
        ends = (
            kept.until_ms
            for table in self._by_framework.values()
            for filters in table.values()
            for kept in filters
            if kept.until_ms > now_ms
        )
        return min(ends, default=None)
