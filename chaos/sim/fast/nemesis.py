"""What breaks the fast level: faults drawn from the seed, one after another.

Faults overlap, and each ends by itself after a while. Those of the disks' contents
(lost, torn and damaged writes) are a matter of how a node dies, so they are set up by
the world; the rest is here, one method for each class.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.network import Network
from chaos.sim.fast.node import SimNode
from chaos.sim.fast.node_links import RAFT
from chaos.sim.options import Fault, Options

if TYPE_CHECKING:
    from chaos.sim.fast.agent import SimAgent
    from chaos.sim.fast.framework import SimFramework
    from chaos.sim.fast.operator import Operator
    from chaos.sim.fast.trace import Trace

FAULT_S = 1.5
"""Mean duration of one."""
FAULT_S_MAX = 8.0
POINTS = (
    "before-sync",
    "after-sync",
    "before-send",
    "after-send",
    "before-apply",
    "after-apply",
    "snapshot-begin",
    "snapshot-written",
    "snapshot-finish",
    "snapshot-stored",
    "snapshot-compacted",
    "install-received",
    "install-complete",
    "install-restored",
    "install-reset",
)
"""Where a node may die. Those of snapshots are passed rarely: they are drawn as often
as the others all the same."""
JUMP_MS = 3_600_000
ISOLATION_S_MAX = 15.0
WEIGHTS = {
    Fault.CRASH: 3.0,
    Fault.CRASH_AT_POINT: 3.0,
    Fault.CRASH_AT_DISK: 4.0,
    Fault.PARTITION: 2.0,
    Fault.CRASH_ALL: 0.7,
    Fault.ROLLING_RESTART: 0.3,
    Fault.LOST_DISK: 0.5,
    Fault.MEMBERSHIP: 0.6,
    Fault.CLOCK_JUMP: 0.3,
    Fault.ISOLATION: 0.7,
}
"""How often a class is drawn, beside others that are on; 1 if it is not named."""


class Nemesis:
    """See the module. ``fired`` counts what happened, by class."""

    def __init__(
        self,
        options: Options,
        *,
        agenda: Agenda,
        network: Network,
        trace: Trace,
        nodes: Sequence[SimNode],
        agents: Sequence[SimAgent],
        frameworks: Sequence[SimFramework],
        operator: Operator,
        rng: random.Random,
        fired: Counter[Fault],
    ) -> None:
        self._options = options
        self._agenda = agenda
        self._network = network
        self._trace = trace
        self._nodes = nodes
        self._agents = agents
        self._frameworks = frameworks
        self._operator = operator
        self._rng = rng
        self._fired = fired
        self._is_over = False
        self._last_leader: str | None = None
        acts: dict[Fault, Callable[[], bool]] = {
            Fault.CRASH: self._crash,
            Fault.CRASH_AT_POINT: self._crash_at_point,
            Fault.CRASH_AT_DISK: self._crash_at_disk,
            Fault.CRASH_ALL: self._crash_all,
            Fault.PAUSE: self._pause,
            Fault.ROLLING_RESTART: self._rolling_restart,
            Fault.FAILED_SYNC: self._fail_sync,
            Fault.FULL_DISK: self._fill_disk,
            Fault.SLOW_DISK: self._slow_disk,
            Fault.LOST_DISK: self._lose_disk,
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
            Fault.CLOCK_JUMP: self._jump_clock,
            Fault.MEMBERSHIP: self._change_members,
            Fault.TRANSFER: self._transfer,
            Fault.AGENT_AWAY: self._lose_agent,
            Fault.AGENT_CRASH: self._crash_agent,
            Fault.FRAMEWORK_CRASH: self._crash_framework,
            Fault.FRAMEWORK_HANG: self._hang_framework,
            Fault.FRAMEWORK_RETRY: self._lose_answers,
            Fault.FRAMEWORK_FAILOVER: self._fail_over_framework,
        }
        self._acts = [(fault, acts[fault]) for fault in options.faults if fault in acts]
        self._weights = [WEIGHTS.get(fault, 1.0) for fault, _ in self._acts]

    def begin(self) -> None:
        """Break things until ``end``."""
        if self._acts:
            self._next()

    def end(self) -> None:
        self._is_over = True

    def _next(self) -> None:
        self._agenda.after(
            self._rng.expovariate(1 / self._options.pause_s), self._strike
        )

    def _strike(self) -> None:
        if self._is_over:
            return
        (chosen,) = self._rng.choices(self._acts, self._weights)
        fault, act = chosen
        self._trace.note(f"fault: {fault.label}")
        if act():
            self._fired[fault] += 1
        self._next()

    def _duration_s(self) -> float:
        return min(self._rng.expovariate(1 / FAULT_S), FAULT_S_MAX)

    def _later(self, act: Callable[[], object], delay_s: float | None = None) -> None:
        """Call it, unless the faults are over by then: healing ends them all."""

        def run() -> None:
            if not self._is_over:
                act()

        self._agenda.after(self._duration_s() if delay_s is None else delay_s, run)

    # --- nodes ----------------------------------------------------------------------

    def _node(self) -> SimNode:
        """The leader as often as all others together."""
        if self._rng.random() < 0.5:
            leading = [node for node in self._nodes if node.leader is not None]
            if leading:
                return self._rng.choice(leading)
        return self._rng.choice(self._nodes)

    def _crash(self) -> bool:
        node = self._node()
        if not node.is_up:
            return False
        node.crash("killed", is_power_cut=node.is_power_cut())
        return True

    def _crash_at_point(self) -> bool:
        node = self._node()
        point = self._rng.choice(POINTS)
        count = (
            0
            if "-" in point and point.startswith(("snap", "inst"))
            else (self._rng.randint(0, 5))
        )
        node.crash_point = (point, count)
        return node.is_up

    def _crash_at_disk(self) -> bool:
        node = self._node()
        node.disk.cut_power_in(self._rng.choice((2, 4, 6, 11, 20)))
        return node.is_up

    def _crash_all(self) -> bool:
        """At once, or one shortly after the other."""
        is_power_cut = self._rng.choice(self._nodes).is_power_cut()
        spread_s = self._rng.choice((0.0, 0.0, 0.05))
        for node in self._nodes:
            crash = functools.partial(node.crash, "all", is_power_cut=is_power_cut)
            self._later(crash, spread_s * self._rng.random())
        return True

    def _pause(self) -> bool:
        node = self._node()
        if node.life is None or not node.is_up:
            return False
        node.life.pause(self._rng.uniform(0.05, 2.5))
        return True

    def _rolling_restart(self) -> bool:
        at_s = 0.0
        for node in self._nodes:
            self._later(node.stop, at_s)
            at_s += self._rng.uniform(0.05, 0.5)
            self._later(node.start, at_s)
            at_s += self._rng.uniform(0.3, 1.5)
        return True

    # --- disks ----------------------------------------------------------------------

    def _fail_sync(self) -> bool:
        node = self._node()
        node.disk.fail_next_sync()
        return node.is_up

    def _fill_disk(self) -> bool:
        node = self._node()
        if node.disk.room_bytes is not None:
            return False
        node.disk.room_bytes = self._rng.choice((0, 0, 2_000, 40_000))

        def free() -> None:
            node.disk.room_bytes = None

        self._later(free)
        return True

    def _slow_disk(self) -> bool:
        node = self._node()
        rng, longest_s = self._rng, self._rng.choice((0.005, 0.03, 0.3))
        node.disk.stall = lambda: longest_s * rng.random() ** 2

        def mend() -> None:
            node.disk.stall = None

        self._later(mend)
        return True

    def _lose_disk(self) -> bool:
        return self._operator.lose_disk(self._node())

    # --- the network between nodes ----------------------------------------------------

    def _names(self) -> list[str]:
        return [node.name for node in self._nodes]

    def _clients(self) -> list[str]:
        agents = [agent.name for agent in self._agents]
        return agents + [framework.name for framework in self._frameworks]

    def _pairs(self) -> list[tuple[str, str]]:
        """Directions in which a trouble of messages is to be: all, or those of one."""
        names = self._names()
        pairs = [(a, b) for a in names for b in names if a != b]
        if self._rng.random() < 0.5:
            one = self._rng.choice(names)
            pairs = [pair for pair in pairs if one in pair]
        return pairs

    def _trouble(
        self, name: str, value: object, mended: object, seconds: float | None = None
    ) -> None:
        pairs = self._pairs()
        for a, b in pairs:
            self._network.trouble(a, b, **{name: value})

        def mend() -> None:
            for a, b in pairs:
                self._network.trouble(a, b, **{name: mended})

        self._later(mend, seconds)

    def _drop(self) -> bool:
        self._trouble("drop", self._rng.choice((0.02, 0.1, 0.4)), 0.0)
        return False  # counted by the network, for each message

    def _delay(self) -> bool:
        least_s = self._rng.choice((0.0, 0.01, 0.1, 0.3))
        most_s = least_s + self._rng.choice((0.01, 0.1, 0.5))
        self._trouble("delay_s", (least_s, most_s), (0.0, 0.0))
        if self._rng.random() < 0.5:
            client = self._rng.choice(self._clients())
            for name in self._names():
                for a, b in ((client, name), (name, client)):
                    self._network.trouble(a, b, delay_s=(least_s, most_s))
                    mend = functools.partial(
                        self._network.trouble, a, b, delay_s=(0.0, 0.0)
                    )
                    self._later(mend)
        return False

    def _duplicate(self) -> bool:
        self._trouble("copy", self._rng.choice((0.1, 0.4)), 0.0, 3 * self._duration_s())
        agents = self._rng.sample(self._agents, min(3, len(self._agents)))
        for agent in agents:
            agent.fault_copies = 0.8

        def mend() -> None:
            for agent in agents:
                agent.fault_copies = 0.0

        self._later(mend, 3 * self._duration_s())
        return False

    def _reorder(self) -> bool:
        self._trouble("overtake", self._rng.choice((0.05, 0.3)), 0.0)
        return False

    def _cut(self, pairs: Sequence[tuple[str, str]]) -> Callable[[], None]:
        """Cut these directions; the answer heals them."""
        is_holding = self._rng.random() < 0.4
        for a, b in pairs:
            self._network.cut(a, b, is_holding=is_holding)

        def heal() -> None:
            for a, b in pairs:
                self._network.heal(a, b)

        return heal

    def _one_way(self) -> bool:
        node = self._node().name
        others = [name for name in self._names() if name != node]
        if self._rng.random() < 0.5:
            others = [self._rng.choice(others)]
        pairs = [(node, one) for one in others]
        if self._rng.random() < 0.5:
            pairs = [(b, a) for a, b in pairs]
        self._later(self._cut(pairs))
        return True

    def _partition(self) -> bool:
        """One against the others, or halves; sometimes clients are parted too."""
        names = self._names()
        first = self._node().name
        side = {first}
        if self._rng.random() < 0.4:
            side.update(one for one in names if self._rng.random() < 0.3)
        if self._rng.random() < 0.4:
            clients = self._clients()
            side.update(one for one in clients if self._rng.random() < 0.5)
            names += clients
        pairs = [(a, b) for a in names for b in names if (a in side) != (b in side)]
        self._later(self._cut(pairs))
        return bool(pairs)

    def _ring(self) -> bool:
        """On three nodes: two of them do not see each other."""
        names = self._names()
        self._rng.shuffle(names)
        count = len(names)
        ring = {(names[i], names[(i + 1) % count]) for i in range(count)}
        if count == 3:
            ring.discard((names[2], names[0]))
        linked = ring | {(b, a) for a, b in ring}
        pairs = [(a, b) for a in names for b in names if a != b]
        self._later(self._cut([pair for pair in pairs if pair not in linked]))
        return True

    def _flap(self) -> bool:
        a, b = self._rng.sample(self._names(), 2)
        self._flap_on(a, b, self._rng.randint(3, 12))
        return True

    def _flap_on(self, a: str, b: str, times: int) -> None:
        if times <= 0:
            return
        heal = self._cut([(a, b), (b, a)])

        def healed() -> None:
            heal()
            self._later(lambda: self._flap_on(a, b, times - 1), self._short_s())

        self._later(healed, self._short_s())

    def _short_s(self) -> float:
        return self._rng.uniform(0.02, 0.4)

    def _isolate(self) -> bool:
        """Until the others have forgotten what the one would need next."""
        node = self._node()
        pairs = [(node.name, one) for one in self._names() if one != node.name]
        heal = self._cut(pairs + [(b, a) for a, b in pairs])
        end_s = self._agenda.now_s + ISOLATION_S_MAX

        def look() -> None:
            if self._agenda.now_s >= end_s or self._needs_snapshot(node):
                heal()
            else:
                self._later(look, 0.25)

        look()
        return True

    def _needs_snapshot(self, node: SimNode) -> bool:
        life = node.life
        if life is None or not life.has_begun:
            return False
        last = life.member.core.last_index
        firsts = [
            other.life.member.core.first_index
            for other in self._nodes
            if other is not node and other.life is not None and other.life.has_begun
        ]
        return bool(firsts) and min(firsts) > last + 1

    def _reset(self) -> bool:
        """Connections of a node break, with messages still on their way."""
        node = self._node().name
        found = [one for one in self._network.connections_of(node) if one.kind == RAFT]
        for connection in found:
            if self._rng.random() < 0.7:
                self._network.reset(connection)
        return bool(found)

    # --- clocks, members ------------------------------------------------------------

    def _jump_clock(self) -> bool:
        node = self._rng.choice(self._nodes)
        node.wall_offset_ms += self._rng.randint(-JUMP_MS, JUMP_MS)
        return True

    def _change_members(self) -> bool:
        return self._operator.replace(self._node())

    def _transfer(self) -> bool:
        """Sometimes to and fro: what was said in one reign of a node may come in its
        next."""
        is_done = self._hand_over(None)
        for number in range(1, self._rng.choice((1, 3, 5))):
            self._later(self._hand_over_again, number * self._rng.uniform(0.2, 1.0))
        return is_done

    def _hand_over_again(self) -> None:
        self._hand_over(self._last_leader)

    def _hand_over(self, target: str | None) -> bool:
        leading = [node for node in self._nodes if node.leader is not None]
        if not leading or leading[0].life is None:
            return False
        others = [name for name in self._names() if name != leading[0].name]
        if target not in others:
            target = self._rng.choice(others)
        self._last_leader = leading[0].name
        leading[0].life.asks.transfer(target, lambda result, error: None)
        return True

    # --- agents and frameworks --------------------------------------------------------

    def _lose_agent(self) -> bool:
        """Sometimes for longer than the leader waits."""
        agent = self._rng.choice(self._agents)
        pairs = [(agent.name, name) for name in self._names()]
        heal = self._cut(pairs + [(b, a) for a, b in pairs])
        self._later(heal, self._rng.choice((1.0, 4.0, 12.0)) * self._rng.random())
        return True

    def _crash_agent(self) -> bool:
        agent = self._rng.choice(self._agents)
        if not agent.is_up:
            return False
        self._trace.note(f"{agent.name} dies")
        agent.crash()
        self._later(
            agent.start, self._rng.choice((0.5, 3.0, 10.0)) * self._rng.random()
        )
        return True

    def _crash_framework(self) -> bool:
        framework = self._rng.choice(self._frameworks)
        if not framework.is_up:
            return False
        self._trace.note(f"{framework.name} dies")
        framework.crash()
        delay_s = self._rng.choice((0.5, 3.0, 8.0)) * self._rng.random()
        self._later(framework.start, delay_s)
        return True

    def _hang_framework(self) -> bool:
        framework = self._rng.choice(self._frameworks)
        framework.life.hang(self._rng.uniform(0.2, 8.0))
        return framework.is_up

    def _lose_answers(self) -> bool:
        framework = self._rng.choice(self._frameworks)
        framework.lost_answers += self._rng.randint(1, 3)
        return False  # counted when an answer is lost

    def _fail_over_framework(self) -> bool:
        framework = self._rng.choice(self._frameworks)
        framework.fail_over()
        return framework.is_up
