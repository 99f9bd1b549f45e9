"""An agent of the fast level: its disk, and one life of its process after the other.

A process crash keeps what was written (the kernel holds it); a power cut takes records
from the end that nobody waited for, all or some.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from agent.records import Identity, Record
from agent.recovery import Recovered, compacted, recover
from chaos.sim.fast.agent_life import AgentLife
from chaos.sim.fast.moments import Moment
from chaos.sim.fast.network import Network
from raftleader.protocol.agent_rpc import VolumeName

if TYPE_CHECKING:
    from chaos.sim.fast.agenda import Agenda
    from chaos.sim.fast.judge import Judge

RECORDS_MAX = 400
"""Beyond, the checkpoint is compacted, as the real one is by size."""
POWER_CUT_PROBABILITY = 0.5
"""Of a death, where there are power cuts."""


@attrs.define(eq=False, kw_only=True)
class SimAgent:
    """One machine over all lives of its agent.

    Attributes:
        records, identity: What is on its disk.
        life: The present one; dead while the agent is down.
        work_rng: For what executors do.
        volumes: Folders of persistent volumes on its disk.
        may_be_refused: An operator has given orders that may keep it out.
        fault_copies: Chance of an order of a leader to come twice, the second time
            late: a leader that did not hear repeats it, and a path may be slow.
        fault_rng: For how it dies.
        has_power_cuts: Some of its deaths are those of its machine.
        dies_at: The moment at which it dies next, and for how many seconds.
        synced: So many records are on the disk for good.
    """

    name: str
    nodes: Sequence[str]
    resources: str
    agenda: Agenda
    network: Network
    judge: Judge
    rng: random.Random
    copied: Callable[[], object]
    counts: Counter[str]
    work_rng: random.Random
    volumes: set[VolumeName] = attrs.field(factory=set)
    may_be_refused: bool = False
    fault_copies: float = 0.0
    fault_rng: random.Random = attrs.field(factory=random.Random)
    has_power_cuts: bool = False
    dies_at: tuple[Moment, float] | None = None
    records: list[Record] = attrs.field(factory=list)
    synced: int = 0
    identity: Identity = attrs.field(init=False)
    life: AgentLife = attrs.field(init=False)
    _streams: int = 0
    _installed: int = 0

    def __attrs_post_init__(self) -> None:
        self.identity = Identity(key=f"key-{self.name}")
        self.life = AgentLife(self)

    @property
    def is_up(self) -> bool:
        return self.life.is_alive

    @property
    def install_name(self) -> str:
        """Names the agent that it is since it was set up last."""
        return f"{self.name}.{self._installed}" if self._installed else self.name

    def start(self) -> None:
        """Nothing happens if it runs."""
        if not self.life.is_alive:
            self.life = AgentLife(self)
            self.life.begin()

    def crash(self) -> None:
        """The process dies, and its tasks' processes with it."""
        if not self.life.is_alive:
            return
        self.life.running.clear()
        self.life.executors.running.clear()
        self.network.died(self.life)
        if self.has_power_cuts and self.fault_rng.random() < POWER_CUT_PROBABILITY:
            kept = self.fault_rng.randint(self.synced, len(self.records))
            self.counts["agents' power cuts"] += 1
            self.counts["agents' records lost"] += len(self.records) - kept
            del self.records[kept:]

    def write(self, records: Sequence[Record], *, is_synced: bool) -> None:
        """Behind all others, which are on the disk for good if these are."""
        self.records.extend(records)
        if len(self.records) > RECORDS_MAX:
            self.compact()
        elif is_synced:
            self.synced = len(self.records)

    def compact(self) -> Recovered:
        """Write as few records as say the same; what they say."""
        found = recover(self.records)
        self.records = [record for part in compacted(found) for record in part]
        self.synced = len(self.records)
        return found

    def comes_to(self, moment: Moment) -> bool:
        """Whether it is to die at this moment: then it is started again later."""
        if self.dies_at is None or self.dies_at[0] is not moment:
            return False
        self.agenda.after(self.dies_at[1], self.start)
        self.dies_at = None
        self.counts[f"agents died when {moment.value}"] += 1
        return True

    def install(self) -> None:
        """Set it up anew, with an empty disk: a machine under another name."""
        self.crash()
        self._installed += 1
        self.identity = Identity(key=f"key-{self.name}-{self._installed}")
        self.records, self.synced = [], 0
        self.volumes.clear()
        self.counts["agents set up anew"] += 1
        self.start()

    def new_stream(self) -> int:
        """Names a stream of an executor; never again."""
        self._streams += 1
        return self._streams
