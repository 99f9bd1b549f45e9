"""Our engine, driven by hand like ``stock_pysyncobj``: the same verbs, on simulated
disks, for the same scenarios."""

from __future__ import annotations

import random
from typing import Any

import attrs

from chaos.sim.disk import SimDisk
from chaos.zoo.stock.wires import Weather, Wires
from raftleader.replication.member.member import Member
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.recording import Applied, RecordingMachine
from raftleader.replication.settings import RaftSettings

TICK_S = 0.01
STEPS_MAX = 1000
SETTINGS = RaftSettings(append_bytes_max=4096)
"""As they come, but for messages that are small: a backlog takes many."""


@attrs.define
class MemberCluster:
    """A group of members and the wires between them.

    Attributes:
        snapshot_entries: As of ``Member``.
        answered: Commands whose caller heard a result, in the order of the answers.
        failed: Those whose caller heard an error, and which.
        leaders: Every node that ever led a term, by term.
    """

    names: str
    snapshot_entries: int = 1_000_000
    keep_entries: int = 1
    weather: Weather | None = None
    settings: RaftSettings = SETTINGS
    answered: list[str] = attrs.field(factory=list, init=False)
    failed: dict[str, Exception] = attrs.field(factory=dict, init=False)
    leaders: dict[int, set[str]] = attrs.field(factory=dict, init=False)
    wires: Wires = attrs.field(init=False)
    members: dict[str, Member] = attrs.field(factory=dict, init=False)
    machines: dict[str, RecordingMachine] = attrs.field(factory=dict, init=False)
    disks: dict[str, SimDisk] = attrs.field(factory=dict, init=False)
    _favourite: str = attrs.field(default="", init=False)
    _rng: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wires = Wires(weather=self.weather)
        self._rng = self.weather.rng if self.weather else random.Random(0)
        for name in self.names:
            self.disks[name] = SimDisk(random.Random(name))
            self.start(name)
        for name in self.names:
            self.connect(name)

    def start(self, name: str) -> None:
        """A new life of the node, from its disk. Not connected."""
        machine = self.machines[name] = RecordingMachine(self._on_apply)
        member = Member(
            cluster_id="c",
            node_id=name,
            peers=Configuration(
                peers=tuple(Peer(node_id=one, address=one) for one in self.names)
            ),
            disk=self.disks[name],
            directory="data",
            machine=machine,
            settings=self.settings,
            draw=lambda: self._draw(name),
            draw_instance=lambda: f"{self._rng.getrandbits(64):016x}",
            now_s=self.wires.now,
            snapshot_entries=self.snapshot_entries,
            snapshot_bytes=1_000_000_000,
            keep_entries=self.keep_entries,
            segment_bytes=16 * 1024,
        )
        while member.restore_some():
            pass
        self.members[name] = member

    @staticmethod
    def _on_apply(entry: Applied) -> object:
        return entry.index

    def _draw(self, name: str) -> float:
        """The favourite loses patience first."""
        if not self._favourite:
            return self._rng.random()
        return 0.0 if name == self._favourite else 0.9

    def connect(self, name: str) -> None:
        for other in self.members:
            if other != name:
                self.members[name].link_up(other, self.wires.now)
                self.members[other].link_up(name, self.wires.now)

    def kill(self, name: str, *, is_power_cut: bool = False) -> None:
        """kill -9, or of its machine, which forgets what was not synced."""
        self.members.pop(name).abandon()
        if is_power_cut:
            self.disks[name].crash()
        else:
            self.disks[name].kill()
        self.wires.isolate(name, self.names)
        for other in self.members.values():
            other.link_down(name)
            other.peer_lost(name, self.wires.now)

    # --- time and messages --------------------------------------------------------

    def receive(self, sender: str, receiver: str, message: Any) -> None:
        if receiver in self.members:
            self.members[receiver].receive(sender, message, self.wires.now)

    def deliver(self, sender: str, receiver: str, count: int | None = None) -> int:
        return self.wires.deliver(sender, receiver, self.receive, count)

    def tick(self, *names: str, after_s: float = 0.0) -> None:
        """Let these members do all that is due, and send."""
        self.wires.now += after_s
        for name in names or sorted(self.members):
            member = self.members[name]
            for _ in range(STEPS_MAX):
                for peer, message in member.step(self.wires.now):
                    self.wires.send(name, peer, message)
                is_more = member.has_background and member.background()
                if not is_more and member.wake_at > self.wires.now:
                    break
            self._note_leader(name)

    def _note_leader(self, name: str) -> None:
        leadership = self.members[name].leadership
        if leadership.leader == name:
            self.leaders.setdefault(leadership.term, set()).add(name)

    def run(self, seconds: float) -> None:
        """Let time pass: everything that is due."""
        end = self.wires.now + seconds
        while self.wires.now < end:
            self.tick(after_s=TICK_S)
            self.wires.deliver_all(self.receive)

    def favour(self, name: str) -> None:
        """From now on its election timeouts are the shortest."""
        self._favourite = name

    def elect(self, name: str) -> None:
        """Make it the leader, of those that can hear it."""
        self.favour(name)
        end = self.wires.now + 10.0
        while not self.is_leader(name) and self.wires.now < end:
            self._hand_over_to(name)
            self.run(0.1)
        assert self.is_leader(name)

    def _hand_over_to(self, name: str) -> None:
        for other, member in self.members.items():
            is_near = (other, name) not in self.wires.cut
            if other != name and is_near and member.leadership.leading:
                member.transfer(name, lambda _result, _error: None)

    def isolate(self, name: str) -> None:
        self.wires.isolate(name, self.names)

    def heal(self) -> None:
        self.wires.cut.clear()

    # --- what users do and see ----------------------------------------------------

    def add(self, name: str, *values: str) -> None:
        for value in values:
            self.members[name].propose(value.encode(), self._done(value))

    def _done(self, value: str) -> Any:
        def note(_: object, error: Exception | None) -> None:
            assert value not in self.answered
            assert value not in self.failed
            if error is None:
                self.answered.append(value)
            else:
                self.failed[value] = error

        return note

    def values(self, name: str) -> list[str]:
        return [entry.data.decode() for entry in self.machines[name].applied]

    def is_leader(self, name: str) -> bool:
        return self.members[name].leadership.leading

    def last_index(self, name: str) -> int:
        return self.members[name].core.last_index

    def first_index(self, name: str) -> int:
        return self.members[name].core.first_index

    def term(self, name: str) -> int:
        return self.members[name].core.term

    def lost(self, name: str) -> list[str]:
        """What was answered and is not in the state of this node."""
        there = set(self.values(name))
        return [value for value in self.answered if value not in there]
