"""What a seed decides before anything runs: which faults, how hard, how fast a cluster.

Swarm testing (Groce et al., 2012): each seed switches some classes of faults off, so
that those that are left meet each other more often. The options follow from the seed
and the level alone, and are printed in full: whoever reads a failure sees what was on.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Collection

import attrs


class Fault(enum.Enum):
    """A class of faults; the value is what happens, in words."""

    CRASH = "a node dies between two events, and is started again"
    CRASH_AT_POINT = "a node dies at a named point of its code"
    CRASH_AT_DISK = "a node dies in the middle of a disk operation"
    CRASH_ALL = "all nodes die at once"
    PAUSE = "a node stands still for a while, then goes on as if nothing were"
    ROLLING_RESTART = "the nodes are stopped in order, one after the other"
    LOST_WRITES = "a power cut takes what was written and not synced"
    TORN_WRITES = "a power cut leaves parts of what was not synced"
    BIT_FLIPS = "a power cut damages what was not synced"
    FAILED_SYNC = "the disk refuses to sync"
    FULL_DISK = "the disk is full for a while"
    SLOW_DISK = "the disk takes its time"
    LOST_DISK = "a node's disk is empty; it is removed, and added again as a learner"
    DROP = "messages are lost"
    DELAY = "messages are late"
    DUPLICATE = "messages arrive twice"
    REORDER = "messages of different connections overtake each other"
    ONE_WAY = "a node is heard by another and does not hear it"
    PARTITION = "some nodes do not reach some others"
    RING = "each node reaches its neighbours only"
    FLAPPING = "a link breaks and heals again and again"
    ISOLATION = "a node is cut off until it needs a snapshot"
    RESET = "a connection breaks; what was on its way may come after the new one"
    CLOCK_JUMP = "the wall clock of a node jumps"
    CLOCK_DRIFT = "the clocks of the nodes run at different rates"
    MEMBERSHIP = "a node is removed, or added as a learner and promoted"
    TRANSFER = "the leader is asked to hand over"
    AGENT_AWAY = "an agent is not reached for a while"
    AGENT_CRASH = "an agent dies and is started again"
    FRAMEWORK_CRASH = "a framework dies and comes back under its id"
    FRAMEWORK_HANG = "a framework does nothing for a while"
    FRAMEWORK_RETRY = "the answer to an ACCEPT is lost, and it is repeated"
    FRAMEWORK_FAILOVER = "a second instance of a framework takes over from the first"

    @property
    def label(self) -> str:
        """Its name in tables and traces."""
        return self.name.lower().replace("_", " ")


class Work(enum.Enum):
    """A kind of work beside command tasks; the value is what happens, in words."""

    RESERVATIONS = "frameworks reserve resources, and give them back"
    VOLUMES = "frameworks make persistent volumes, use and destroy them"
    GROUPS = "frameworks launch groups of tasks"
    EXECUTORS = "frameworks launch tasks of executors of their own"
    QUOTA = "an operator limits what a role may hold"
    DRAINING = "an operator drains, deactivates and reactivates agents"
    GONE = "an operator declares agents gone, and sets them up anew"
    MAINTENANCE = "an operator plans maintenance, and carries it out"

    @property
    def label(self) -> str:
        """Its name in tables and traces."""
        return self.name.lower()


WORK_COUNTS = (
    "RESERVE",
    "UNRESERVE",
    "CREATE",
    "DESTROY",
    "operations refused",
    "volumes used",
    "LAUNCH_GROUP",
    "executors started",
    "executors subscribed",
    "executors died",
    "executors shut down",
    "streams lost",
    "tasks of executors",
    "SHUTDOWN",
    "messages from executors",
    "inverse offers",
    "order: SetQuotas",
    "order: DrainAgent",
    "order: DeactivateAgent",
    "order: ReactivateAgent",
    "order: MarkAgentGone",
    "agents set up anew",
    "order: SetSchedule",
    "order: StartMaintenance",
    "order: StopMaintenance",
    "orders refused",
)
"""What a level counts of it, in the order of tables."""
WORK_PROBABILITY = 0.3
"""Chance of a kind of work to be done in a run. It costs time, and what is not done
leaves more of the run to what is."""
NO_WORK_PROBABILITY = 0.95
"""Chance of a run with command tasks only."""
OFF_PROBABILITY = 0.35
"""Chance of a class to be off in a run: some twenty of the classes stay on."""
FEW_PROBABILITY = 0.25
"""Chance of a run that has only a few classes on, as a directed test would."""
FEW_MAX = 5
HEARTBEATS_S = (0.2, 0.3, 0.45)
"""Of a leader to its followers; the election timeouts are multiples of it."""
PAUSES_S = (0.7, 1.2, 2.0, 3.0)
"""Mean time between the beginnings of two faults."""
LATENCIES_S = ((0.0002, 0.002), (0.0005, 0.005), (0.001, 0.03))
"""Least and greatest time of a message on its way while nothing is wrong."""


@attrs.frozen(kw_only=True)
class Options:
    """Everything drawn for one run. Times are in seconds of the virtual clock.

    Attributes:
        faults: The classes that are on, in the order of ``Fault``.
        seconds: Length of the whole run: a phase with faults, then one without.
        pause_s: Mean time between the beginnings of two faults.
        snapshot_entries: Entries after which a node makes a snapshot.
        keep_entries: Entries it keeps behind a snapshot for followers that are late.
        work: What is done beside command tasks, in the order of ``Work``.
    """

    seed: int
    level: str
    faults: tuple[Fault, ...]
    nodes: int
    agents: int
    frameworks: int
    seconds: float
    pause_s: float
    heartbeat_s: float
    latency_s: tuple[float, float]
    snapshot_entries: int
    keep_entries: int
    work: tuple[Work, ...] = ()

    def is_on(self, fault: Fault) -> bool:
        return fault in self.faults

    def does(self, work: Work) -> bool:
        return work in self.work

    def __str__(self) -> str:
        """All of it, one line for the numbers and one for the faults."""
        off = [fault.label for fault in Fault if fault not in self.faults]
        return (
            f"seed {self.seed} ({self.level}): {self.nodes} nodes,"
            f" {self.agents} agents, {self.frameworks} frameworks, {self.seconds:g} s,"
            f" a fault every {self.pause_s:g} s, heartbeat {self.heartbeat_s:g} s,"
            f" latency {self.latency_s[0]:g} to {self.latency_s[1]:g} s, snapshots"
            f" every {self.snapshot_entries} entries, {self.keep_entries} kept\n"
            f"on: {', '.join(fault.label for fault in self.faults) or 'no faults'}\n"
            f"off: {', '.join(off) or 'none'}\n"
            f"work: {', '.join(one.label for one in self.work) or 'command tasks'}"
        )


def draw_options(
    seed: int,
    *,
    level: str,
    seconds: float,
    available: Collection[Fault] = tuple(Fault),
    work: Collection[Work] = tuple(Work),
    agents: int = 5,
    frameworks: int = 3,
) -> Options:
    """The options of a seed: the same for the same arguments, everywhere.

    ``available`` are the classes that the level can make at all, ``work`` what it can
    do. What is done is drawn apart, so that a seed keeps its faults whatever we add.
    """
    rng = random.Random(f"options {level} {seed}")
    return Options(
        seed=seed,
        level=level,
        faults=_draw_faults(rng, available),
        nodes=5 if rng.random() < 0.1 else 3,
        agents=agents,
        frameworks=frameworks,
        seconds=seconds,
        pause_s=rng.choice(PAUSES_S),
        heartbeat_s=rng.choice(HEARTBEATS_S),
        latency_s=rng.choice(LATENCIES_S),
        snapshot_entries=rng.choice((15, 30, 50)),
        keep_entries=rng.choice((0, 5, 20)),
        work=_draw_work(random.Random(f"work {level} {seed}"), work),
    )


def _draw_work(rng: random.Random, possible: Collection[Work]) -> tuple[Work, ...]:
    is_any = rng.random() >= NO_WORK_PROBABILITY
    drawn = [work for work in Work if rng.random() < WORK_PROBABILITY]
    return tuple(one for one in drawn if is_any and one in possible)


def _draw_faults(rng: random.Random, available: Collection[Fault]) -> tuple[Fault, ...]:
    possible = [fault for fault in Fault if fault in available]
    on = [fault for fault in possible if rng.random() >= OFF_PROBABILITY]
    if possible and rng.random() < FEW_PROBABILITY:
        count = min(rng.randint(1, FEW_MAX), len(possible))
        few = rng.sample(possible, count)
        on = [fault for fault in possible if fault in few]
    return tuple(on)
