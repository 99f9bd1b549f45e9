"""One run of the fast level: a cluster is made, broken, healed in part, and judged.

The *safety phase* breaks it. Then comes the *liveness phase*: a majority of the voters
that never lost what they promised is healed, the others are dead for ever, nothing is
broken any more, and everything must get done within a stated time.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable

from chaos.sim.disk import SimDisk
from chaos.sim.disk_file import CrashFaults
from chaos.sim.fast.agenda import Agenda
from chaos.sim.fast.agent import SimAgent
from chaos.sim.fast.framework import SimFramework
from chaos.sim.fast.framework_work import FrameworkWork
from chaos.sim.fast.judge import Judge
from chaos.sim.fast.means import Means
from chaos.sim.fast.nemesis import Nemesis
from chaos.sim.fast.network import Network
from chaos.sim.fast.node import RESTART_S, SimNode
from chaos.sim.fast.operator import Operator
from chaos.sim.fast.orders import Orders
from chaos.sim.fast.readers import Readers
from chaos.sim.fast.trace import Trace
from chaos.sim.options import Fault, Options, Work
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.settings import RaftSettings

LIVENESS_S = 22.0
"""Length of the liveness phase; in a short run, half of it."""
LEADER_S, LEADER_HEARTBEATS = 6.0, 20
"""Within this time and so many heartbeats after the healing somebody serves."""
GROW_S = 5.0
"""So long after the healing frameworks still want new tasks."""
TURN = 1.0
"""A turn of a node's loop, as a part of the spread of latencies."""
DRIFT_MAX = 0.04
"""Clocks of different nodes differ in rate by up to twice this."""
_STATE_CUT_PROBABILITY = 0.5


class World:
    """Everything there is in one run."""

    def __init__(
        self, options: Options, *, sink: Callable[[str], object] | None = None
    ) -> None:
        self.options = options
        self.agenda = Agenda()
        self.trace = Trace(self.agenda, sink)
        self.fired: Counter[Fault] = Counter()
        self.counts: Counter[str] = Counter()
        self.rng = random.Random(f"fast {options.seed}")
        self.judge = Judge(options.seed, self.agenda, self.trace)
        self.network = Network(
            self.agenda, self.trace, self._fork(), options.latency_s, self.fired
        )
        self.heals_at_s = options.seconds - min(LIVENESS_S, options.seconds / 2)
        self.survivors: list[SimNode] = []
        self.offers_before: dict[str, int] = {}
        self._known: dict[str, Configuration] = {}
        self.nodes = self._make_nodes()
        names = [node.name for node in self.nodes]
        disk = ";disk:1000" if options.does(Work.VOLUMES) else ""
        self.agents = [
            SimAgent(
                name=f"a{number}",
                nodes=names,
                resources=f"cpus:{self.rng.choice((2, 4))};mem:2048{disk}",
                agenda=self.agenda,
                network=self.network,
                judge=self.judge,
                rng=self._fork(),
                copied=self._count_copy,
                counts=self.counts,
                work_rng=self._work_rng(f"a{number}"),
                fault_rng=random.Random(f"faults fast {options.seed} a{number}"),
                has_power_cuts=options.is_on(Fault.LOST_WRITES),
            )
            for number in range(1, options.agents + 1)
        ]
        self.frameworks = [
            SimFramework(
                name=f"f{number}",
                nodes=names,
                agenda=self.agenda,
                network=self.network,
                judge=self.judge,
                rng=self._fork(),
                counts=self.counts,
                failover_timeout_ms=2_000 if number == 3 else 3_600_000,
            )
            for number in range(1, options.frameworks + 1)
        ]
        self._employ()
        self.orders = Orders(
            work=options.work,
            agenda=self.agenda,
            trace=self.trace,
            nodes=self.nodes,
            agents=self.agents,
            rng=self._work_rng("orders"),
            counts=self.counts,
        )
        self.readers = Readers(
            agenda=self.agenda,
            judge=self.judge,
            nodes=self.nodes,
            rng=self._work_rng("readers"),
        )
        self.operator = Operator(
            agenda=self.agenda,
            trace=self.trace,
            nodes=self.nodes,
            rng=self._fork(),
            counts=self.counts,
        )
        means = Means(
            agenda=self.agenda,
            network=self.network,
            trace=self.trace,
            nodes=self.nodes,
            agents=self.agents,
            frameworks=self.frameworks,
            operator=self.operator,
            rng=self._fork(),
        )
        self.nemesis = Nemesis(options, means, self.fired)

    def _fork(self) -> random.Random:
        return random.Random(self.rng.getrandbits(64))

    def _work_rng(self, name: str) -> random.Random:
        """Chance for what is done beside command tasks: the rest of a run draws the
        same with it and without."""
        return random.Random(f"work fast {self.options.seed} {name}")

    def _employ(self) -> None:
        """Give frameworks what they do beside command tasks."""
        rng = self._work_rng("frameworks")
        for framework in self.frameworks if self.options.work else ():
            is_web = framework is not self.frameworks[-1]
            role = rng.choice(("web", "web", "web/api")) if is_web else "batch"
            framework.role = role
            framework.work = FrameworkWork(
                framework.name,
                role,
                self.options.work,
                self._work_rng(framework.name),
                self.counts,
                self.judge,
            )

    def _count_copy(self) -> None:
        self.fired[Fault.DUPLICATE] += 1

    def _make_nodes(self) -> list[SimNode]:
        options, rng = self.options, self.rng
        beat_s = options.heartbeat_s
        settings = RaftSettings(
            heartbeat_s=beat_s,
            election_timeout_min_s=4.2 * beat_s,
            election_timeout_max_s=8 * beat_s,
            leader_fallback_s=9 * beat_s,
            append_bytes_max=rng.choice((500, 2_000, 64_000)),
            window_bytes_max=rng.choice((500, 4_000, 256_000)),
        )
        names = [f"n{number}" for number in range(1, options.nodes + 1)]
        members = Configuration(
            peers=tuple(Peer(node_id=name, address=name) for name in names)
        )
        faults = CrashFaults(
            loses=options.is_on(Fault.LOST_WRITES),
            tears=options.is_on(Fault.TORN_WRITES),
            flips=options.is_on(Fault.BIT_FLIPS),
        )
        is_cutting = faults.loses or faults.tears or faults.flips
        nodes = []
        turn_s = TURN * (options.latency_s[1] - options.latency_s[0])
        for name in names:
            node_rng = self._fork()
            node = SimNode(
                name=name,
                members=members,
                agenda=self.agenda,
                network=self.network,
                judge=self.judge,
                rng=node_rng,
                disk=SimDisk(self._fork(), faults=faults),
                settings=settings,
                snapshot_entries=options.snapshot_entries,
                keep_entries=options.keep_entries,
                counts=self.counts,
                died=self._died,
                configured=self._configured,
                committed=self._committed,
            )
            node.turn_s = turn_s
            if is_cutting:
                node.is_power_cut = lambda: rng.random() < _STATE_CUT_PROBABILITY
            if options.is_on(Fault.CLOCK_DRIFT):
                node.rate = 1 + rng.uniform(-DRIFT_MAX, DRIFT_MAX)
                self.fired[Fault.CLOCK_DRIFT] += 1
            if options.is_on(Fault.CLOCK_JUMP):
                node.wall_offset_ms = rng.randint(-3_600_000, 3_600_000)
                self.fired[Fault.CLOCK_JUMP] += 1
            nodes.append(node)
        return nodes

    # --- the run --------------------------------------------------------------------

    def run(self) -> None:
        """All of it. What is wrong is in the judge's hands afterwards."""
        for node in self.nodes:
            self.agenda.after(0.2 * self.rng.random(), node.start)
        for agent in self.agents:
            self.agenda.after(0.2 + 0.3 * self.rng.random(), agent.start)
        for framework in self.frameworks:
            self.agenda.after(0.2 + 0.5 * self.rng.random(), framework.start)
            self.agenda.after(0.5 + self.rng.random(), framework.grow)
        self.agenda.after(1.0, self.nemesis.begin)
        self.agenda.after(1.0, self.orders.begin)
        self.agenda.after(1.0, self.readers.begin)
        self.agenda.run_until(self.heals_at_s)
        self._heal()
        self.agenda.run_until(self.heals_at_s + min(GROW_S, 0.2 * self._rest_s()))
        for framework in self.frameworks:
            framework.is_growing = False
        leader_s = LEADER_S + LEADER_HEARTBEATS * self.options.heartbeat_s
        self.agenda.run_until(self.heals_at_s + min(leader_s, 0.6 * self._rest_s()))
        self._look_for_leader()
        self.agenda.run_until(self.options.seconds)

    def _rest_s(self) -> float:
        return self.options.seconds - self.heals_at_s

    def _died(self, node: SimNode, how: str) -> None:
        """Whatever kills a node, somebody starts it again."""
        if node.life is not None:
            self.judge.callbacks.died(node.life)
        self.agenda.after(self.rng.uniform(*RESTART_S), node.start)

    def _configured(self, node: SimNode, configuration: Configuration) -> None:
        self._known[node.name] = configuration

    def _committed(self, node: SimNode, is_leader: bool) -> None:
        assert node.life is not None
        core = node.life.member.core
        index = core.commit_index
        if index < core.first_index:
            return
        term = core.term_at(index)
        self.judge.commits(node.name, index, term)
        if not is_leader:
            return
        logs = None
        if not self.operator.has_replaced:
            found = {one.name: one.log for one in self.nodes}
            logs = {name: log for name, log in found.items() if log is not None}
            if len(logs) < len(found):
                logs = None
        self.judge.leader_commits(node.name, index, term, core.term, logs)

    def _heal(self) -> None:
        """Choose who survives, end every fault, start what is to live."""
        self.nemesis.end()
        self.operator.end()
        self.orders.end()
        self.readers.end()
        self.survivors = self._choose_survivors()
        names = ", ".join(node.name for node in self.survivors)
        self.trace.note(f"everything heals; {names} survive")
        self.network.heal_all()
        for node in self.nodes:
            node.disk.mend()
            node.crash_point = None
            node.is_kept_down = node not in self.survivors or node.is_broken
            if node.is_kept_down:
                node.crash("for ever")
        for node in self.survivors:
            node.start()
        for agent in self.agents:
            agent.fault_copies, agent.dies_at = 0.0, None
            agent.start()
        for framework in self.frameworks:
            framework.lost_answers = 0
            framework.is_finishing = True
            framework.start()
            framework.life.revive()
            framework.wanted = max(framework.wanted, 1)
            self.offers_before[framework.name] = framework.offers_received

    def _choose_survivors(self) -> list[SimNode]:
        """As few as have a majority in every configuration that a node may know; if it
        can be, without the present leader, so that there must be another one."""
        intact = [node for node in self.nodes if self.operator.is_intact(node)]
        voters = [set(known.voters) for known in self._known.values() if known.voters]
        self.rng.shuffle(intact)
        intact.sort(key=lambda node: node.leader is not None)
        for size in range(1, len(intact) + 1):
            for chosen in itertools.combinations(intact, size):
                names = {node.name for node in chosen}
                if all(2 * len(names & known) > len(known) for known in voters):
                    return sorted(chosen, key=lambda node: node.name)
        return sorted(intact, key=lambda node: node.name)

    def _look_for_leader(self) -> None:
        if not any(node.leader is not None for node in self.survivors):
            self.judge.report(
                "everything gets done",
                [f"nobody serves at {self.agenda.now_s:g} s, long after the healing"],
            )
