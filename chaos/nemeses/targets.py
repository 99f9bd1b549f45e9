"""Whom a fault hits: names of hosts, from a target, the cluster as it is, and a seed.

Pure but for ``see_crowd``, which looks at the cluster first. What is drawn depends on
the names and the generator alone, never on the order in which they were given.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

import attrs
import trio

from chaos.live.faults import Target
from chaos.live.seams import Cluster, ImpossibleError, Link
from raftleader.errors import RaftLeaderError

LEADER_WAIT_S = 10.0
"""A fault of the leader waits so long for one: an election takes well under a second,
unless another fault is in force."""


@attrs.frozen(kw_only=True)
class Crowd:
    """The hosts of a cluster at one moment.

    Attributes:
        leader: The leader node that leads, None if nobody knows one.
    """

    leaders: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    leader: str | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """All of them; the driver is none."""
        return (*self.leaders, *self.agents, *self.frameworks)


async def see_crowd(cluster: Cluster, target: Target | None = None) -> Crowd:
    """The cluster as it is now.

    Where the target is the leader and there is none, one is waited for, up to
    ``LEADER_WAIT_S``. Raises ImpossibleError if none comes.
    """
    leader = await cluster.leader()
    if leader is None and target is Target.LEADER:
        try:
            leader = await cluster.wait_leader(timeout_s=LEADER_WAIT_S)
        except (RaftLeaderError, trio.TooSlowError) as error:
            raise ImpossibleError(
                f"nobody led for {LEADER_WAIT_S:g} s: {error}"
            ) from error
    return Crowd(
        leaders=tuple(cluster.leaders),
        agents=tuple(cluster.agents),
        frameworks=tuple(cluster.frameworks),
        leader=leader,
    )


def minority(count: int) -> int:
    """The most members that are fewer than half."""
    return max(0, (count - 1) // 2)


def majority(count: int) -> int:
    """The fewest members that are more than half."""
    return count // 2 + 1


def hosts_hit(target: Target, crowd: Crowd, rng: random.Random) -> tuple[str, ...]:
    """Who is hit: some leader nodes, or one agent, or one framework; sorted.

    Raises ImpossibleError where there is nobody of the kind.
    """
    if target is Target.AGENT:
        return agents_hit(target, crowd, rng)
    if target is Target.FRAMEWORK:
        return frameworks_hit(target, crowd, rng)
    return leaders_hit(target, crowd, rng)


def leaders_hit(target: Target, crowd: Crowd, rng: random.Random) -> tuple[str, ...]:
    """Leader nodes; a target that is no leader node counts as one of them."""
    if target is Target.LEADER:
        if crowd.leader is None:
            raise ImpossibleError("no leader node leads now")
        return (crowd.leader,)
    return _drawn("leader node", crowd.leaders, target, rng)


def agents_hit(target: Target, crowd: Crowd, rng: random.Random) -> tuple[str, ...]:
    """Agents: of a group of them as many as the target says, else one."""
    return _drawn("agent", crowd.agents, target, rng)


def frameworks_hit(target: Target, crowd: Crowd, rng: random.Random) -> tuple[str, ...]:
    """Frameworks: of a group of them as many as the target says, else one."""
    return _drawn("framework", crowd.frameworks, target, rng)


def _drawn(
    kind: str, names: Collection[str], target: Target, rng: random.Random
) -> tuple[str, ...]:
    count = {
        Target.MINORITY: minority(len(names)),
        Target.MAJORITY: majority(len(names)),
        Target.ALL: len(names),
    }.get(target, 1)
    if not names:
        raise ImpossibleError(f"there is no {kind}")
    if count == 0:
        raise ImpossibleError(f"of {len(names)} {kind}s none is a minority")
    return tuple(sorted(rng.sample(sorted(names), count)))


def others(names: Collection[str], hit: Collection[str]) -> tuple[str, ...]:
    """Those of ``names`` that are not hit, sorted."""
    return tuple(sorted(set(names) - set(hit)))


def links_from(
    sources: Collection[str], destinations: Collection[str]
) -> Iterator[Link]:
    """Every direction from one of the first to another of the second, in order."""
    for source in sorted(sources):
        for destination in sorted(destinations):
            if source != destination:
                yield (source, destination)


def links_between(one: Collection[str], other: Collection[str]) -> Iterator[Link]:
    """Both directions of every pair across two groups; each once."""
    yield from dict.fromkeys((*links_from(one, other), *links_from(other, one)))
