"""A network of hosts of their own: namespaces, joined by a bridge or a switch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import attrs
import trio

from chaos.live.faults import Fault
from chaos.live.seams import Link, LinkFault
from chaos.network.hosts import Hosts
from chaos.network.kinds import NetworkKind
from chaos.network.rules import RuleBook, check_rules


class Joint(Protocol):
    """What stands between the hosts."""

    async def enforce(self, rules: Mapping[Link, LinkFault]) -> None:
        """From now on these rules are in force, and no others; or it raises
        NetworkError."""


@attrs.define
class HostedNetwork:
    """Implements ``chaos.live.seams.Network``.

    Rules are changed one change at a time, each complete before the next begins. A
    change that was begun is finished: cancelling waits the milliseconds it takes.
    """

    kind: NetworkKind
    possible: Mapping[Fault, str]
    hosts: Hosts
    joint: Joint
    _book: RuleBook = attrs.field(factory=RuleBook)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @property
    def means(self) -> str:
        return self.kind.value

    @property
    def faults(self) -> Mapping[Fault, str]:
        return self.possible

    @property
    def names_in_force(self) -> tuple[str, ...]:
        """Names of sets of rules that were applied and not cleared."""
        return self._book.names

    def ip(self, host: str) -> str:
        return self.hosts.layout.hosts[host].ip

    def command_prefix(self, host: str) -> Sequence[str]:
        return self.hosts.command_prefix(host)

    def via(self, source: str, target: str, address: str) -> str:
        """The same: hosts see each other."""
        return address

    async def apply(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
        """See ``chaos.live.seams.Network``. Raises ValueError, ImpossibleError or
        NetworkError; then all is as it was."""
        hosts = self.hosts.layout.hosts
        check_rules(rules, hosts=hosts, faults=self.faults, means=self.means)
        async with self._turn:
            book = self._book.copy()
            book.put(name, rules)
            await self._use(book)

    async def clear(self, name: str) -> None:
        """See ``chaos.live.seams.Network``. Raises NetworkError."""
        async with self._turn:
            book = self._book.copy()
            if book.remove(name):
                await self._use(book)

    async def _use(self, book: RuleBook) -> None:
        with trio.CancelScope(shield=True):
            await self.joint.enforce(book.in_force())
        self._book = book

    async def reset(self, links: Collection[Link]) -> int:
        """Connections of the first host of a link with the second are destroyed at the
        first, which tells the second by RST, if that direction is not cut.

        Returns the number of sockets. Raises NetworkError.
        """
        return await trio.to_thread.run_sync(self.hosts.reset, links)
