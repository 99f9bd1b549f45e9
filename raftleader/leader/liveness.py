"""Which agents are given up: silent for too long, a few at a time.

Signs of life are not in the log. A new leader has heard nobody yet, so silence
counts from the moment it began to lead.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import trio

from raftleader import limits
from raftleader.errors import RaftLeaderError
from raftleader.leader.submitting import Submit
from raftleader.protocol.ids import AgentId
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import MarkUnreachable

AGENTS_PER_LOOK_MAX = 100
"""Agents given up in one look (one every ping interval, so 20 a second): a broken
switch takes thousands at once, and its repair should find most of them unharmed."""

_log = logging.getLogger(__name__)


class Liveness:
    """Proposes MarkUnreachable for silent agents while the term lasts."""

    def __init__(
        self,
        state: ClusterState,
        *,
        last_heard_s: Callable[[AgentId], float | None],
        submit: Submit,
        agent_timeout_s: float = limits.AGENT_TIMEOUT_S,
        interval_s: float = limits.AGENT_PING_INTERVAL_S,
        agents_per_look_max: int = AGENTS_PER_LOOK_MAX,
        counts: Counter[str] | None = None,
    ) -> None:
        """``last_heard_s`` answers None for an agent not heard in this term."""
        self._state = state
        self._last_heard_s = last_heard_s
        self._submit = submit
        self._agent_timeout_s = agent_timeout_s
        self._interval_s = min(interval_s, agent_timeout_s / 4)
        self._agents_per_look_max = agents_per_look_max
        self._counts: Counter[str] = counts if counts is not None else Counter()

    async def run(self) -> None:
        """Until cancelled."""
        since_s = looked_s = trio.current_time()
        while True:
            await trio.sleep(self._interval_s)
            now_s = trio.current_time()
            was_late = now_s - looked_s > 2 * self._interval_s
            looked_s = now_s
            if was_late:
                # We were paused, and what the agents said meanwhile is still to be
                # read: their silence is ours.
                continue
            await self._give_up(self._silent(since_s, now_s))

    def _silent(self, since_s: float, now_s: float) -> tuple[AgentId, ...]:
        """Agents whose time is over, the longest silent first."""
        latest_s = now_s - self._agent_timeout_s
        if since_s > latest_s:
            return ()
        silent: list[tuple[float, AgentId]] = []
        for agent in self._state.agents.values():
            if agent.unreachable_ms is None:
                heard_s = self._last_heard_s(agent.id)
                last_s = since_s if heard_s is None else max(heard_s, since_s)
                if last_s <= latest_s:
                    silent.append((last_s, agent.id))
        silent.sort()
        return tuple(agent_id for _, agent_id in silent[: self._agents_per_look_max])

    async def _give_up(self, agent_ids: tuple[AgentId, ...]) -> None:
        if not agent_ids:
            return
        never_back = sum(self._last_heard_s(each) is None for each in agent_ids)
        try:
            await self._submit(MarkUnreachable(agent_ids=agent_ids)).wait()
            self._counts["agents_unreachable"] += len(agent_ids)
            self._counts["agents_never_back"] += never_back
            for agent_id in agent_ids:
                _log.warning("agent unreachable", extra={"agent_id": agent_id})
        except RaftLeaderError:
            return  # still silent at the next look, or no longer ours to judge
