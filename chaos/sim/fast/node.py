"""A leader node's machine: its disk, its clocks, and one process after the other."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from chaos.sim.disk import PowerCut, SimDisk
from chaos.sim.fast.crash import Crash
from chaos.sim.fast.leader import LeaderTerm
from chaos.sim.fast.log_view import LogView
from chaos.sim.fast.network import Network
from chaos.sim.fast.node_life import NodeLife
from raftleader.errors import ConfigError, DiskFullError
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.settings import RaftSettings

if TYPE_CHECKING:
    from chaos.sim.fast.agenda import Agenda
    from chaos.sim.fast.judge import Judge

WALL_MS = 1_700_000_000_000
RESTART_S = (0.1, 2.5)
"""A node that died by itself is started again after this time."""


@attrs.define(eq=False, kw_only=True)
class SimNode:
    """One machine.

    Attributes:
        members: Of the group when it was made, with their addresses.
        is_joining: Its disk is new, and the group exists.
        instance: Counts its disks: what the first one promised binds no other.
        rate, wall_offset_ms: Of its clocks.
        turn_s: A turn of its loop: messages that come within it are taken together.
        crash_point: Name of the point at which it dies next, and how often that is
            passed before.
        is_kept_down: It is not started again by itself.
        is_power_cut: Whether what kills it takes the machine with it; drawn each time.
        is_broken: It ended by a bug, and stays down.
        is_careless: Its disk is new, and it was started as a first member of the group
            is: it must not vote or acknowledge, for its name has done so before.
        died, configured, committed: Told of each death, of each configuration it
            follows, and when more is committed, and whether it leads then.
    """

    name: str
    members: Configuration
    agenda: Agenda
    network: Network
    judge: Judge
    rng: random.Random
    disk: SimDisk
    settings: RaftSettings
    snapshot_entries: int
    keep_entries: int
    counts: Counter[str]
    died: Callable[[SimNode, str], None]
    configured: Callable[[SimNode, Configuration], None]
    committed: Callable[[SimNode, bool], None]
    is_joining: bool = False
    instance: int = 1
    rate: float = 1.0
    turn_s: float = 0.0
    wall_offset_ms: int = 0
    crash_point: tuple[str, int] | None = None
    is_kept_down: bool = False
    is_careless: bool = False
    is_broken: bool = False
    is_power_cut: Callable[[], bool] = lambda: False
    lives: int = 0
    life: NodeLife | None = None

    @property
    def is_up(self) -> bool:
        return self.life is not None and self.life.is_alive

    @property
    def leader(self) -> LeaderTerm | None:
        """The term it leads, as it believes, if it serves already."""
        life = self.life
        if life is None or not life.is_alive or life.leader is None:
            return None
        return life.leader if life.leader.is_active else None

    def start(self) -> None:
        """Nothing happens if it runs, or is kept down."""
        if self.is_up or self.is_kept_down:
            return
        self.lives += 1
        self.judge.trace.note(f"{self.name} starts, life {self.lives}")
        self.life = NodeLife(self)
        self.life.begin()

    def crash(self, how: str, *, is_power_cut: bool = False) -> None:
        """It dies now. Nothing happens if it is down."""
        life = self.life
        if life is None or not life.is_alive:
            return
        life.end()
        self.network.died(life)
        if is_power_cut:
            self.disk.crash()
        else:
            self.disk.kill()
        self.counts["crashes"] += 1
        what = "loses its power" if is_power_cut else "dies"
        self.judge.trace.note(f"{self.name} {what}: {how}")
        self.died(self, how)

    def ended_by(self, error: Exception) -> None:
        """Its code or its disk raised this, and the process with it is over."""
        if isinstance(error, Crash):
            self.crash(str(error), is_power_cut=self.is_power_cut())
        elif isinstance(error, PowerCut):
            self.crash("in a disk operation", is_power_cut=True)
        elif isinstance(error, DiskFullError):
            self.crash(f"it cannot start: {error}")
        elif isinstance(error, OSError):
            self.crash(f"its disk failed: {error.strerror}", is_power_cut=True)
        elif isinstance(error, ConfigError):
            self.crash(f"it refuses to run: {error}")
            self.judge.refused_to_run(self.name, self.instance, str(error))
        else:
            text = f"{type(error).__name__}: {error}"
            self.judge.failed(f"{self.name} ended by a bug: {text}", error)
            self.is_broken = self.is_kept_down = True
            self.crash(text)

    def stop(self) -> None:
        """It ends in good order."""
        life = self.life
        if life is not None and life.is_alive:
            life.close()

    @property
    def log(self) -> LogView | None:
        """What is on its disk, as far as its newest process knew."""
        life = self.life
        if life is None or not life.has_begun:
            return None
        return LogView(life.member.core)

    def local_s(self) -> float:
        """Its monotonic clock."""
        return self.agenda.now_s * self.rate

    def wall_ms(self) -> int:
        return WALL_MS + self.wall_offset_ms + int(self.agenda.now_s * 1000)
