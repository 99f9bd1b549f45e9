"""The seams between the parts of a run on real processes.

    run -> nemesis -> Cluster (processes), Network (links), Disks (folders)

Hosts are named as the processes on them: ``leader-1``, ``agent-2``, ``framework-1``;
``driver`` is the run itself, and everything that only looks on.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs

from chaos.history.records import Record
from chaos.live.faults import Fault, Injection
from raftleader.cli.api_client import ApiClient
from raftleader.cli.local_cluster import Statuses

DRIVER = "driver"


class ImpossibleError(Exception):
    """A fault cannot be made here and now; says why. Nothing was changed."""


class Journal(Protocol):
    """Takes down what happens in the run itself."""

    def write(self, record: Record) -> None: ...

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC."""


@attrs.define(kw_only=True)
class LiveNode:
    """A process of the cluster, whichever of its lives it is in.

    Attributes:
        http: ``HOST:PORT`` of its API, as the driver reaches it.
        data_dir: Of a leader its data directory, of an agent its work directory; None
            for a framework.
        environment: Beside the usual variables, for its next life.
        arguments: Of its next life.
    """

    name: str
    kind: str
    """``leader``, ``agent`` or ``framework``."""
    http: str
    folder: Path
    data_dir: Path | None
    log_file: Path
    arguments: list[str]
    environment: dict[str, str] = attrs.field(factory=dict)


class Cluster(Protocol):
    """The processes. A node that dies is started again after a second, unless it is
    held. No call raises for a node that is dead already."""

    @property
    def leaders(self) -> Sequence[str]: ...
    @property
    def agents(self) -> Sequence[str]: ...
    @property
    def frameworks(self) -> Sequence[str]: ...
    @property
    def client(self) -> ApiClient: ...

    def node(self, name: str) -> LiveNode: ...
    def pid(self, name: str) -> int | None: ...
    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None: ...

    async def wait_dead(self, name: str) -> None: ...

    async def stop(self, name: str) -> None:
        """TERM, and KILL when that takes too long; returns when it is gone."""

    def hold(self, name: str) -> None:
        """From now on, if it dies it stays dead. Holds are counted."""

    def release(self, name: str) -> None:
        """The last release starts it, if it is dead."""

    async def statuses(self) -> Statuses:
        """Of each leader node what it says of itself; None for no answer."""

    async def leader(self) -> str | None:
        """Who leads now, as far as any node says."""

    async def wait_leader(
        self, *, besides: str | None = None, timeout_s: float = 30.0
    ) -> str: ...

    async def wait_ready(self, *, timeout_s: float = 60.0) -> str:
        """One leader, all leader nodes that are members follow it and have applied
        what it committed, every agent is connected. Returns the leader's name."""

    async def operator(
        self, call: Mapping[str, Any], *, timeout_s: float = 10.0
    ) -> Any:
        """A call of the operator API (``{"type": "GET_AGENTS"}``), at the leader."""

    async def command(
        self, *arguments: str, timeout_s: float = 30.0
    ) -> tuple[int, str]:
        """``raftleader ARGUMENTS``, beside this cluster: exit code, both outputs."""


@attrs.frozen(kw_only=True)
class LinkFault:
    """What happens to frames of one direction of a link. All that is not given is
    as it was. Probabilities are per packet.

    Attributes:
        is_cut: Nothing arrives, and nobody is told.
        bytes_per_s: None: as fast as it goes.
    """

    is_cut: bool = False
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    bytes_per_s: int | None = None


Link = tuple[str, str]
"""From a host, to a host: one direction."""


class Network(Protocol):
    """Where the processes stand, and what is between them."""

    @property
    def means(self) -> str:
        """``bridge``, ``switch``, ``proxies`` or ``loopback``."""

    @property
    def faults(self) -> Mapping[Fault, str]:
        """Classes of faults it can make; the value says with what (``nft``, ...)."""

    def ip(self, host: str) -> str:
        """Where the services of a host listen."""

    def command_prefix(self, host: str) -> Sequence[str]:
        """What a command line must begin with to run there; may be empty."""

    def via(self, source: str, target: str, address: str) -> str:
        """The ``HOST:PORT`` that ``source`` must dial to reach ``address`` of
        ``target``: the same, unless there is a proxy between."""

    async def apply(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
        """From now on these faults are in force, beside those of other names."""

    async def clear(self, name: str) -> None:
        """Those of this name are over. Idempotent."""

    async def reset(self, links: Collection[Link]) -> int:
        """Connections between these hosts end with RST; how many did, if known."""


class Disks(Protocol):
    """Where leader nodes keep their data."""

    def data_dir(self, node: str) -> Path:
        """Exists, and is on a file system of its own where that is possible."""

    def environment(self, node: str) -> Mapping[str, str]:
        """Variables the process needs so that its disk can be broken later."""


@attrs.define(kw_only=True)
class World:
    """Everything a nemesis may touch."""

    cluster: Cluster
    network: Network
    disks: Disks
    journal: Journal
    folder: Path
    """Of the run; a nemesis may keep files in ``folder / "nemeses"``."""


class Wound(Protocol):
    """A fault in force."""

    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def means(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, Any]:
        """For the record: numbers, point names, groups."""

    async def heal(self) -> Mapping[str, Any]:
        """Put it right; returns more detail for the record. Called once, also when the
        run is cut short; must not leave anything behind, whatever happens."""


class Nemesis(Protocol):
    """Makes some classes of faults."""

    @property
    def faults(self) -> frozenset[Fault]: ...

    def missing(self, fault: Fault) -> str | None:
        """Why this machine, or this run, cannot do it; None if it can. Cheap."""

    async def inject(self, injection: Injection, world: World) -> Wound:
        """Do it. Raises ImpossibleError with nothing changed. If it is cancelled or
        fails half-way it puts right what it did before it raises."""
