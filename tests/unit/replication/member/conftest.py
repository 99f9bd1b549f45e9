"""A tiny world: members on simulated disks, and a network without delay."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator

import attrs
import msgspec
import pytest

from chaos.sim.disk import PowerCut, SimDisk
from raftleader.errors import InvalidInputError
from raftleader.replication.member.member import Member
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.settings import RaftSettings


class ListMachine:
    """Remembers all it was told; its answers are the index and a running checksum."""

    def __init__(self) -> None:
        self.applied: list[tuple[int, bytes]] = []
        self.sums: dict[int, int] = {}
        self._sum = 0

    def apply(self, index: int, term: int, data: bytes) -> object:
        assert not self.applied or index > self.applied[-1][0]
        self.applied.append((index, data))
        self._sum = zlib.crc32(data, self._sum)
        self.sums[index] = self._sum
        return index, self._sum

    @property
    def datas(self) -> list[bytes]:
        return [data for _, data in self.applied]

    def capture(self) -> Iterator[bytes]:
        content = msgspec.msgpack.encode(self.applied)
        return iter([content[at : at + 100] for at in range(0, len(content), 100)])

    def restore(self) -> _Restoration:
        return _Restoration(self)

    def take(self, applied: list[tuple[int, bytes]]) -> None:
        self.applied, self.sums, self._sum = [], {}, 0
        for index, data in applied:
            self.apply(index, 0, data)


class _Restoration:
    def __init__(self, machine: ListMachine) -> None:
        self._machine = machine
        self._content = b""

    def feed(self, chunk: bytes) -> None:
        self._content += chunk

    def finish(self) -> None:
        try:
            applied = msgspec.msgpack.decode(
                self._content, type=list[tuple[int, bytes]]
            )
        except msgspec.DecodeError as error:
            raise InvalidInputError("snapshot", str(error)) from error
        self._machine.take(applied)


@attrs.define(kw_only=True)
class Answers:
    """What the callers of one node were told, each exactly once."""

    given: dict[bytes, object] = attrs.field(factory=dict)

    def to(self, name: bytes) -> Callable[[object, Exception | None], None]:
        def done(result: object, error: Exception | None) -> None:
            assert name not in self.given, f"{name!r} is answered twice"
            self.given[name] = result if error is None else error

        return done

    def ok(self) -> list[bytes]:
        """What was answered with success, in that order."""
        return [n for n, one in self.given.items() if not isinstance(one, Exception)]


class Stopped(Exception):
    """A node was stopped at a named point of its code."""


class World:
    """Members by name, each on a disk of its own; ``run`` moves the clock.

    A node whose power is cut, or that is stopped at a point, is started again at the
    next ``run``; ``Stopped`` is for points.
    """

    def __init__(self) -> None:
        self.now_s = 100.0
        self.settings = RaftSettings()
        self.disks: dict[str, SimDisk] = {}
        self.members: dict[str, Member] = {}
        self.machines: dict[str, ListMachine] = {}
        self.answers = Answers()
        self.cuts: set[tuple[str, str]] = set()
        self.options: dict[str, int] = {
            "snapshot_entries": 1_000_000,
            "snapshot_bytes": 1_000_000_000,
            "keep_entries": 10,
            "segment_bytes": 64 * 1024,
        }
        self.crashes: list[str] = []
        self.shares_power = False
        self.at_point: Callable[[str, str], None] = lambda name, point: None
        self._started: dict[str, tuple[Configuration, bool]] = {}
        self._down: list[str] = []
        self._rng = random.Random(7)
        self._instances = 0
        self.seen: list[tuple[str, str, object]] = []
        self.keeps_messages = False

    def peers(self, *names: str) -> Configuration:
        return Configuration(
            peers=tuple(Peer(node_id=one, address=f"at-{one}") for one in names)
        )

    def draw_instance(self) -> str:
        self._instances += 1
        return f"directory-{self._instances}"

    def start(
        self,
        name: str,
        peers: Configuration,
        *,
        is_joining: bool = False,
    ) -> Member:
        """Start a node on its disk, which is made if it has none."""
        if name not in self.disks:
            self.disks[name] = SimDisk(random.Random(name))
        self._started[name] = (peers, is_joining)
        machine = self.machines[name] = ListMachine()
        member = Member(
            cluster_id="c",
            node_id=name,
            peers=peers,
            is_joining=is_joining,
            disk=self.disks[name],
            directory="data",
            machine=machine,
            settings=self.settings,
            draw=self._rng.random,
            draw_instance=self.draw_instance,
            now_s=self.now_s,
            at_point=lambda point: self.at_point(name, point),
            **self.options,
        )
        while member.restore_some():
            pass
        self.members[name] = member
        for other in self.members:
            if other != name and (name, other) not in self.cuts:
                member.link_up(other, self.now_s)
                self.members[other].link_up(name, self.now_s)
        return member

    def launch(self, name: str, peers: Configuration, *, is_joining: bool) -> None:
        """``start``, also when the power goes meanwhile."""
        self._started[name] = (peers, is_joining)
        self.disks.setdefault(name, SimDisk(random.Random(name)))
        self.restart(name)

    def start_group(self, *names: str) -> None:
        peers = self.peers(*names)
        for name in names:
            self.start(name, peers)

    def stop(self, name: str) -> None:
        """As by SIGKILL; what was written is on the disk."""
        self.members.pop(name).abandon()
        self.disks[name].kill()
        for other in self.members.values():
            other.link_down(name)
            other.peer_lost(name, self.now_s)

    def restart(self, name: str) -> None:
        """Again as it was started before; also when its power goes meanwhile."""
        while name not in self.members:
            try:
                peers, is_joining = self._started[name]
                self.start(name, peers, is_joining=is_joining)
            except (PowerCut, Stopped):
                self.members.pop(name, None)
                self.disks[name].crash()

    def crashed(self, name: str) -> None:
        """Its power was cut just now; and everybody's, if they share it."""
        self.crashes.append(name)
        for one in sorted(self.members) if self.shares_power else [name]:
            self.stop(one)
            self.disks[one].crash()
            self._down.append(one)

    def cut(self, one: str, other: str) -> None:
        """Nothing goes between the two any more."""
        self.cuts |= {(one, other), (other, one)}
        for here, there in ((one, other), (other, one)):
            if here in self.members:
                self.members[here].link_down(there)
                self.members[here].peer_lost(there, self.now_s)

    def isolate(self, name: str) -> None:
        for other in list(self.members):
            if other != name:
                self.cut(name, other)

    def heal(self) -> None:
        cuts, self.cuts = self.cuts, set()
        for one, other in sorted(cuts):
            if one in self.members and other in self.members:
                self.members[one].link_up(other, self.now_s)

    def settle(self, rounds: int = 100) -> None:
        """Let everybody work, without time passing, until nobody has anything to do."""
        for _ in range(rounds):
            is_quiet = True
            for name in sorted(self.members):
                member = self.members.get(name)  # it may have lost its power meanwhile
                if member is None:
                    continue
                if member.wake_at > self.now_s and not member.has_background:
                    continue
                is_quiet = False
                try:
                    while member.has_background and member.background():
                        pass
                    outgoing = member.step(self.now_s)
                except (PowerCut, Stopped):
                    self.crashed(name)
                    continue
                for peer, message in outgoing:
                    self.deliver(name, peer, message)
            if is_quiet:
                return

    def deliver(self, sender: str, peer: str, message: object) -> None:
        if self.keeps_messages:
            self.seen.append((sender, peer, message))
        if peer in self.members and (sender, peer) not in self.cuts:
            self.members[peer].receive(sender, message, self.now_s)  # type: ignore[arg-type]

    def run(self, seconds: float, *, until: Callable[[], bool] | None = None) -> None:
        """Let time pass, from one timer to the next."""
        end_s = self.now_s + seconds
        while True:
            self.settle()
            while self._down:
                self.restart(self._down.pop())
                self.settle()
            if until is not None and until():
                return
            wake_at = min([one.wake_at for one in self.members.values()], default=end_s)
            if wake_at > end_s:
                self.now_s = end_s
                return
            self.now_s = max(self.now_s, wake_at)

    @property
    def leader(self) -> str | None:
        """Who leads, if it is only one."""
        leading = [n for n, one in self.members.items() if one.leadership.leading]
        return leading[0] if len(leading) == 1 else None

    def elect(self) -> str:
        """Wait for a leader."""
        self.run(5.0, until=lambda: self.leader is not None)
        assert self.leader is not None
        return self.leader

    def propose(self, *datas: bytes) -> None:
        """At the leader; ``answers`` hears what becomes of it."""
        assert self.leader is not None
        for data in datas:
            self.members[self.leader].propose(data, self.answers.to(data))

    def condition(self, name: str) -> str:
        return self.members[name].statistics().condition.value


@pytest.fixture
def make_world() -> Callable[[], World]:
    return World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def stopped() -> type[Stopped]:
    return Stopped
