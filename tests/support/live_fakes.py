"""A network and disks for clusters of a run that have no faults, and a journal in
memory."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

from chaos.history.records import Record
from chaos.live.faults import Fault
from chaos.live.seams import Link, LinkFault


@attrs.frozen
class PlainNetwork:
    """All on loopback. ``vias`` says what is dialled instead of an address, by source
    and target."""

    vias: Mapping[Link, str] = attrs.field(factory=dict)
    means: str = "loopback"
    faults: Mapping[Fault, str] = attrs.field(factory=dict)

    def ip(self, host: str) -> str:
        return "127.0.0.1"

    def command_prefix(self, host: str) -> Sequence[str]:
        return ("env", f"RLC_HOST={host}")

    def via(self, source: str, target: str, address: str) -> str:
        return self.vias.get((source, target), address)

    async def apply(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
        raise AssertionError("there are no faults here")

    async def clear(self, name: str) -> None:
        raise AssertionError("there are no faults here")

    async def reset(self, links: Collection[Link]) -> int:
        raise AssertionError("there are no faults here")


@attrs.frozen
class HostNetwork(PlainNetwork):
    """As if each host had an address of its own."""

    def ip(self, host: str) -> str:
        kind, _, number = host.rpartition("-")
        return f"10.77.{len(kind)}.{number or 1}"


@attrs.frozen
class PlainDisks:
    """Folders."""

    folder: Path
    variables: Mapping[str, str] = attrs.field(factory=dict)

    def data_dir(self, node: str) -> Path:
        path = self.folder / "disks" / node
        path.mkdir(parents=True, exist_ok=True)
        return path

    def environment(self, node: str) -> Mapping[str, str]:
        return self.variables


@attrs.frozen
class MemoryJournal:
    """A ``Journal`` to look into."""

    records: list[Record] = attrs.field(factory=list)

    def write(self, record: Record) -> None:
        self.records.append(record)

    def now_ns(self) -> int:
        return time.monotonic_ns()
