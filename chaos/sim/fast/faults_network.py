"""Faults of the network between the leader nodes, and sometimes to their clients."""

from __future__ import annotations

import functools
from collections.abc import Callable

from chaos.sim.fast.means import Means
from chaos.sim.fast.node import SimNode
from chaos.sim.fast.node_links import RAFT
from chaos.sim.options import Fault

ISOLATION_S_MAX = 15.0


class NetworkFaults:
    """One method for each class; each says whether it did something."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def acts(self) -> dict[Fault, Callable[[], bool]]:
        """What to call, by class."""
        return {
            Fault.DROP: self._drop,
            Fault.DELAY: self._delay,
            Fault.DUPLICATE: self._duplicate,
            Fault.REORDER: self._reorder,
            Fault.ONE_WAY: self._one_way,
            Fault.PARTITION: self._partition,
            Fault.RING: self._ring,
            Fault.FLAPPING: self._flap,
            Fault.ISOLATION: self._isolate,
            Fault.RESET: self._reset,
        }

    def _pairs(self) -> list[tuple[str, str]]:
        """Directions in which a trouble of messages is to be: all, or those of one."""
        means = self._means
        names = means.names()
        pairs = [(a, b) for a in names for b in names if a != b]
        if means.rng.random() < 0.5:
            one = means.rng.choice(names)
            pairs = [pair for pair in pairs if one in pair]
        return pairs

    def _trouble(
        self, name: str, value: object, mended: object, seconds: float | None = None
    ) -> None:
        means = self._means
        pairs = self._pairs()
        for a, b in pairs:
            means.network.trouble(a, b, **{name: value})

        def mend() -> None:
            for a, b in pairs:
                means.network.trouble(a, b, **{name: mended})

        means.later(mend, seconds)

    def _drop(self) -> bool:
        means = self._means
        self._trouble("drop", means.rng.choice((0.02, 0.1, 0.4)), 0.0)
        return False  # counted by the network, for each message

    def _delay(self) -> bool:
        means = self._means
        least_s = means.rng.choice((0.0, 0.01, 0.1, 0.3))
        most_s = least_s + means.rng.choice((0.01, 0.1, 0.5))
        self._trouble("delay_s", (least_s, most_s), (0.0, 0.0))
        if means.rng.random() < 0.5:
            client = means.rng.choice(means.clients())
            for name in means.names():
                for a, b in ((client, name), (name, client)):
                    means.network.trouble(a, b, delay_s=(least_s, most_s))
                    mend = functools.partial(
                        means.network.trouble, a, b, delay_s=(0.0, 0.0)
                    )
                    means.later(mend)
        return False

    def _duplicate(self) -> bool:
        means = self._means
        self._trouble("copy", means.rng.choice((0.1, 0.4)), 0.0, 3 * means.duration_s())
        agents = means.rng.sample(means.agents, min(3, len(means.agents)))
        for agent in agents:
            agent.fault_copies = 0.8

        def mend() -> None:
            for agent in agents:
                agent.fault_copies = 0.0

        means.later(mend, 3 * means.duration_s())
        return False

    def _reorder(self) -> bool:
        means = self._means
        self._trouble("overtake", means.rng.choice((0.05, 0.3)), 0.0)
        return False

    def _one_way(self) -> bool:
        means = self._means
        node = means.node().name
        others = [name for name in means.names() if name != node]
        if means.rng.random() < 0.5:
            others = [means.rng.choice(others)]
        pairs = [(node, one) for one in others]
        if means.rng.random() < 0.5:
            pairs = [(b, a) for a, b in pairs]
        means.later(means.cut(pairs))
        return True

    def _partition(self) -> bool:
        """One against the others, or halves; sometimes clients are parted too."""
        means = self._means
        names = means.names()
        first = means.node().name
        side = {first}
        if means.rng.random() < 0.4:
            side.update(one for one in names if means.rng.random() < 0.3)
        if means.rng.random() < 0.4:
            clients = means.clients()
            side.update(one for one in clients if means.rng.random() < 0.5)
            names += clients
        pairs = [(a, b) for a in names for b in names if (a in side) != (b in side)]
        means.later(means.cut(pairs))
        return bool(pairs)

    def _ring(self) -> bool:
        """On three nodes: two of them do not see each other."""
        means = self._means
        names = means.names()
        means.rng.shuffle(names)
        count = len(names)
        ring = {(names[i], names[(i + 1) % count]) for i in range(count)}
        if count == 3:
            ring.discard((names[2], names[0]))
        linked = ring | {(b, a) for a, b in ring}
        pairs = [(a, b) for a in names for b in names if a != b]
        means.later(means.cut([pair for pair in pairs if pair not in linked]))
        return True

    def _flap(self) -> bool:
        means = self._means
        a, b = means.rng.sample(means.names(), 2)
        self._flap_on(a, b, means.rng.randint(3, 12))
        return True

    def _flap_on(self, a: str, b: str, times: int) -> None:
        means = self._means
        if times <= 0:
            return
        heal = means.cut([(a, b), (b, a)])

        def healed() -> None:
            heal()
            means.later(lambda: self._flap_on(a, b, times - 1), self._short_s())

        means.later(healed, self._short_s())

    def _short_s(self) -> float:
        means = self._means
        return means.rng.uniform(0.02, 0.4)

    def _isolate(self) -> bool:
        """Until the others have forgotten what the one would need next."""
        means = self._means
        node = means.node()
        pairs = [(node.name, one) for one in means.names() if one != node.name]
        heal = means.cut(pairs + [(b, a) for a, b in pairs])
        end_s = means.agenda.now_s + ISOLATION_S_MAX

        def look() -> None:
            if means.agenda.now_s >= end_s or self._needs_snapshot(node):
                heal()
            else:
                means.later(look, 0.25)

        look()
        return True

    def _needs_snapshot(self, node: SimNode) -> bool:
        means = self._means
        life = node.life
        if life is None or not life.has_begun:
            return False
        last = life.member.core.last_index
        firsts = [
            other.life.member.core.first_index
            for other in means.nodes
            if other is not node and other.life is not None and other.life.has_begun
        ]
        return bool(firsts) and min(firsts) > last + 1

    def _reset(self) -> bool:
        """Connections of a node break, with messages still on their way."""
        means = self._means
        node = means.node().name
        found = [one for one in means.network.connections_of(node) if one.kind == RAFT]
        for connection in found:
            if means.rng.random() < 0.7:
                means.network.reset(connection)
        return bool(found)
