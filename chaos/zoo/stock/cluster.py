"""PySyncObj as it comes, none of our guards, driven by hand in virtual time.

What is given to it is what its users may give: a configuration, a transport, a clock,
ticks. Its code is a copy of the installed package that is imported for this alone: the
backend of the house changes the modules that everybody else sees.
"""

from __future__ import annotations

import importlib
import random
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from chaos.zoo.stock.wires import Weather, Wires

SUCCESS = 0
TICK_S = 0.02


def _own_copy() -> ModuleType:
    """The package, imported anew, without a trace in ``sys.modules``."""

    def ours() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] == "pysyncobj"]

    before = {name: sys.modules.pop(name) for name in ours()}
    inet_ntop = socket.inet_ntop  # which the import would replace
    try:
        copy = importlib.import_module("pysyncobj")
        importlib.import_module("pysyncobj.transport")
        return copy
    finally:
        socket.inet_ntop = inet_ntop
        for name in ours():
            del sys.modules[name]
        sys.modules.update(before)


library: Any = _own_copy()
VERSION: str = library.syncobj.VERSION


class _Clock:
    """The clock of the cluster that was made last; there is one at a time."""

    wires = Wires()

    def now(self) -> float:
        return self.wires.now


_clock = _Clock()
library.syncobj.monotonicTime = _clock.now
library.syncobj.PIPE_NOTIFIER_ENABLED = False


class StockNode(library.node.Node):  # type: ignore[misc]
    """A name. Sets of them have one order in every process."""

    def __hash__(self) -> int:
        return sum(map(ord, self.id))


class StockTransport(library.transport.Transport):  # type: ignore[misc]
    """Puts messages on the wires."""

    def __init__(self, sync_obj: Any, me: Any, others: Iterable[Any]) -> None:
        super().__init__(sync_obj, me, others)
        self.wires = _clock.wires
        self.me = me.id
        self.peers = {node.id: node for node in others}
        sync_obj.links = self

    def send(self, node: Any, message: Any) -> bool:
        self.wires.send(self.me, node.id, message)
        return True

    def receive(self, sender: str, message: Any) -> None:
        self._onMessageReceived(self.peers[sender], message)

    def connect(self, peer: str) -> None:
        self._onNodeConnected(self.peers[peer])

    def disconnect(self, peer: str) -> None:
        self._onNodeDisconnected(self.peers[peer])


class StockReplica(library.SyncObj):  # type: ignore[misc]
    """A list of strings."""

    links: StockTransport

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.values: list[str] = []

    @library.replicated  # type: ignore[untyped-decorator]
    def add(self, value: str) -> int:
        self.values.append(value)
        return len(self.values)


@attrs.define
class StockCluster:
    """A group of replicas and the wires between them.

    Attributes:
        settings: Of the library, where they differ from ``_conf`` below.
        files: Gives a node's ``journalFile`` and ``fullDumpFile`` a folder.
        answered: Values whose callback said SUCCESS, in the order of the answers.
        failed: Those whose callback said anything else.
    """

    names: str
    settings: dict[str, Any] = attrs.field(factory=dict)
    files: Callable[[str], Path] | None = None
    weather: Weather | None = None
    answered: list[str] = attrs.field(factory=list, init=False)
    failed: list[str] = attrs.field(factory=list, init=False)
    wires: Wires = attrs.field(init=False)
    nodes: dict[str, StockReplica] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.wires = _clock.wires = Wires(weather=self.weather)
        # The library draws its election timeouts from this name.
        seed = self.weather.rng.random() if self.weather else 0
        library.syncobj.random = random.Random(seed)
        for name in self.names:
            self.start(name)
        for name in self.names:
            self.connect(name)

    def _conf(self, name: str) -> Any:
        settings: dict[str, Any] = {
            "autoTick": False,
            "useFork": False,
            "raftMinTimeout": 5.0,
            "raftMaxTimeout": 10.0,
            "connectionTimeout": 10.0,
            "leaderFallbackTimeout": 3600.0,
            "logCompactionMinTime": 10**9,
        }
        if self.files is not None:
            folder = self.files(name)
            folder.mkdir(parents=True, exist_ok=True)
            settings["journalFile"] = str(folder / "journal")
            settings["fullDumpFile"] = str(folder / "dump")
        return library.SyncObjConf(**{**settings, **self.settings})

    def start(self, name: str) -> None:
        """A new life of the node, from its files if it has some. Not connected."""
        others = [StockNode(other) for other in self.names if other != name]
        self.nodes[name] = StockReplica(
            StockNode(name),
            others,
            conf=self._conf(name),
            nodeClass=StockNode,
            transportClass=StockTransport,
        )

    def connect(self, name: str) -> None:
        """The node and each other node know that they are connected."""
        for other in self.nodes:
            if other != name:
                self.nodes[name].links.connect(other)
                self.nodes[other].links.connect(name)

    def kill(self, name: str) -> None:
        """kill -9: what it had written stays in the page cache."""
        del self.nodes[name]
        self.wires.isolate(name, self.names)
        for other in self.nodes.values():
            other.links.disconnect(name)

    # --- time and messages --------------------------------------------------------

    def receive(self, sender: str, receiver: str, message: Any) -> None:
        if receiver in self.nodes:
            self.nodes[receiver].links.receive(sender, message)

    def deliver(self, sender: str, receiver: str, count: int | None = None) -> int:
        return self.wires.deliver(sender, receiver, self.receive, count)

    def deliver_all(self) -> None:
        self.wires.deliver_all(self.receive)

    def tick(self, *names: str, after_s: float = 0.0) -> None:
        self.wires.now += after_s
        for name in names or sorted(self.nodes):
            self.nodes[name].doTick(0.0)

    def run(self, seconds: float) -> None:
        """Let time pass: ticks, and every message that is due."""
        end = self.wires.now + seconds
        while self.wires.now < end:
            self.tick(after_s=TICK_S)
            self.deliver_all()

    def campaign(self, name: str) -> None:
        """Its election timeout ends now; the requests are on the wires afterwards."""
        self.nodes[name]._SyncObj__raftElectionDeadline = -1
        self.tick(name)

    def elect(self, name: str) -> None:
        self.campaign(name)
        self.deliver_all()
        self.tick(name)
        self.deliver_all()
        assert self.is_leader(name)

    def isolate(self, name: str) -> None:
        self.wires.isolate(name, self.names)

    def heal(self) -> None:
        self.wires.cut.clear()

    # --- what users do and see ----------------------------------------------------

    def add(self, name: str, *values: str) -> None:
        for value in values:
            self.nodes[name].add(value, callback=self._callback(value))

    def _callback(self, value: str) -> Callable[[object, int], None]:
        def note(_: object, reason: int) -> None:
            (self.answered if reason == SUCCESS else self.failed).append(value)

        return note

    def values(self, name: str) -> list[str]:
        return self.nodes[name].values

    def is_leader(self, name: str) -> bool:
        return bool(self.nodes[name]._isLeader())

    def term(self, name: str) -> int:
        return int(self.nodes[name].raftCurrentTerm)

    def commit_index(self, name: str) -> int:
        return int(self.nodes[name].raftCommitIndex)

    def last_index(self, name: str) -> int:
        return int(self.nodes[name]._SyncObj__raftLog[-1][1])

    def first_index(self, name: str) -> int:
        return int(self.nodes[name]._SyncObj__raftLog[0][1])

    def lost(self, name: str) -> list[str]:
        """What was answered and is not in the state of this node."""
        there = set(self.values(name))
        return [value for value in self.answered if value not in there]


def still(is_broken: bool, fault: str) -> None:
    """Fail if the library no longer has a fault that we say it has."""
    assert is_broken, (
        f"PySyncObj {VERSION} no longer has this fault: {fault}. Look at it, "
        "then change docs/engines.md and this test."
    )
