"""No network at all: every host is this machine, and nothing can be broken."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import attrs

from chaos.live.faults import Fault
from chaos.live.seams import Link, LinkFault
from chaos.network.kinds import LOOPBACK_FAULTS, NetworkKind
from chaos.network.rules import check_rules

ADDRESS = "127.0.0.1"


@attrs.frozen
class LoopbackNetwork:
    """Implements ``chaos.live.seams.Network``; any fault is ImpossibleError."""

    hosts: frozenset[str]

    @property
    def means(self) -> str:
        return NetworkKind.LOOPBACK.value

    @property
    def faults(self) -> Mapping[Fault, str]:
        return LOOPBACK_FAULTS

    def ip(self, host: str) -> str:
        return ADDRESS

    def command_prefix(self, host: str) -> Sequence[str]:
        return ()

    def via(self, source: str, target: str, address: str) -> str:
        return address

    async def apply(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
        """Raises ImpossibleError for a rule that does anything."""
        check_rules(rules, hosts=self.hosts, faults=self.faults, means=self.means)

    async def clear(self, name: str) -> None:
        """There is nothing to clear."""

    async def reset(self, links: Collection[Link]) -> int:
        """Always 0: connections of all hosts look alike."""
        return 0
