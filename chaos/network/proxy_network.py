"""Links that are proxies of a server that runs: their toxics, as rules want them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

import attrs
import trio

from chaos.live.faults import Fault
from chaos.live.seams import DRIVER, Link, LinkFault
from chaos.network.kinds import NetworkKind
from chaos.network.namespaces import NetworkError
from chaos.network.proxy_faults import PROXIES_FAULTS
from chaos.network.proxy_ways import (
    AddressBook,
    Wanted,
    Way,
    reset_streams,
    reset_toxics,
    wanted_toxics,
)
from chaos.network.rules import RuleBook, check_rules
from chaos.proxy.control import Control, ProxyError, ToxicPlan
from raftleader.cli.local_ports import LOOPBACK
from raftleader.framework.nursery import PlainNursery

_log = logging.getLogger(__name__)

Replacement = Callable[[], Awaitable[tuple[Control, str]]]
"""Another server, and its name."""

RESET_S = 0.3
"""Connections that begin within this time of a reset end by RST: those that replace
the ones that were ended, as all our programs dial again within 0.2 s."""
HALF_OPEN_S = 2.0
"""So long the other side of a half-open connection is told nothing."""
STUCK_TIMEOUT_S = 30.0
"""To change a toxic, again and again while the server does not answer."""
REPLACE_AFTER_S = 3.0
"""The same, where there is another server. The real one hangs for five seconds where
nobody reads what a toxic held; and when a connection ends at the wrong moment of a
change, for ever (seen with 2.12, once or twice in a minute of churn)."""
RETRY_S = 0.2


@attrs.define(kw_only=True)
class ProxyNetwork:
    """Implements ``chaos.live.seams.Network``.

    ``via`` makes proxies: at once as to their addresses, a moment later in truth;
    ``apply`` waits for them. Toxics are changed one change at a time; a change that
    was begun is finished, which can take ``STUCK_TIMEOUT_S``.

    A server that hangs is replaced, if there is another: then all connections end.
    """

    hosts: frozenset[str]
    control: Control
    server_name: str
    _replace_server: Replacement | None = None
    _addresses: AddressBook
    _nursery: PlainNursery
    _ways: dict[tuple[str, str, str], Way] = attrs.field(factory=dict)
    _to_make: trio.MemorySendChannel[Way]
    _made: set[str] = attrs.field(factory=set)
    _made_one: trio.Event = attrs.field(factory=trio.Event)
    _book: RuleBook = attrs.field(factory=RuleBook)
    _half_open: dict[Link, float] = attrs.field(factory=dict)
    """Until when, by direction."""
    _in_place: Wanted = attrs.field(factory=dict)
    _turn: trio.Lock = attrs.field(factory=trio.Lock)

    @property
    def means(self) -> str:
        return NetworkKind.PROXIES.value

    @property
    def faults(self) -> Mapping[Fault, str]:
        return PROXIES_FAULTS

    @property
    def names_in_force(self) -> tuple[str, ...]:
        """Names of sets of rules that were applied and not cleared."""
        return self._book.names

    def ip(self, host: str) -> str:
        return LOOPBACK

    def command_prefix(self, host: str) -> Sequence[str]:
        return ()

    def via(self, source: str, target: str, address: str) -> str:
        """The address of the proxy; the same for the same call. What the driver dials,
        or is dialled at, has none. Raises UnavailableError without a free address."""
        if DRIVER in (source, target):
            return address
        way = self._ways.get((source, target, address))
        if way is None:
            way = Way(
                name=f"{source}-to-{target}-{len(self._ways) + 1}",
                source=source,
                target=target,
                address=address,
                listen=self._addresses.new(address),
            )
            self._to_make.send_nowait(way)
            self._ways[source, target, address] = way
        return way.listen

    async def apply(self, name: str, rules: Mapping[Link, LinkFault]) -> None:
        """See ``chaos.live.seams.Network``. Raises ValueError, ImpossibleError or
        NetworkError; then the rules are as they were, as far as that can be done."""
        check_rules(rules, hosts=self.hosts, faults=self.faults, means=self.means)
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

    async def reset(self, links: Collection[Link]) -> int:
        """Connections of the first host of a link with the second end at the first,
        then at the second; where the direction from the first is cut, the second is not
        told for ``HALF_OPEN_S``. See ``reset_toxics`` for who sees a RST.

        Returns the number of proxies; how many connections they had is not known.
        Raises NetworkError.
        """
        async with self._turn:
            await self._wait_made()
            in_force = self._book.in_force()
            cut = {link for link, fault in in_force.items() if fault.is_cut}
            plans = [
                (way.name, toxic)
                for way, stream in reset_streams(self._ways.values(), links, cut)
                for toxic in reset_toxics(stream)
            ]
            for link in links:
                if link in cut:
                    self._half_open[link] = trio.current_time() + HALF_OPEN_S
                    self._nursery.start_soon(self._tell_later, HALF_OPEN_S)
            with trio.CancelScope(shield=True):
                try:
                    await self._in_parallel(plans, self._add)
                    await trio.sleep(RESET_S)
                    await self._in_parallel(reversed(plans), self._remove)
                except NetworkError as error:
                    await self._start_over(self._book, error)
        return len({name for name, _ in plans})

    async def _tell_later(self, after_s: float) -> None:
        await trio.sleep(after_s)
        async with self._turn:
            await self._use(self._book)

    async def _use(self, book: RuleBook) -> None:
        await self._wait_made()
        with trio.CancelScope(shield=True):
            try:
                await self._enforce(book)
            except NetworkError as error:
                await self._start_over(book, error)
        self._book = book

    async def _start_over(self, book: RuleBook, error: NetworkError) -> None:
        """With another server. Raises ``error`` if there is none."""
        if self._replace_server is None:
            raise error
        _log.warning("%s; another takes its place, and all connections end", error)
        self.control, self.server_name = await self._replace_server()
        self._replace_server = None
        self._in_place.clear()
        for way in self._ways.values():
            await self._make(way)
        await self._enforce(book)

    async def _enforce(self, book: RuleBook) -> None:
        now = trio.current_time()
        self._half_open = {
            link: until for link, until in self._half_open.items() if until > now
        }
        wanted = wanted_toxics(self._ways.values(), book.in_force(), self._half_open)
        old = self._in_place
        # The last one first: see HOLD_END_MS.
        gone = [(key[0], old[key]) for key in reversed(old) if key not in wanted]
        await self._in_parallel(gone, self._remove)
        changed = [
            (key[0], toxic)
            for key, toxic in wanted.items()
            if key in old and toxic != old[key]
        ]
        await self._in_parallel(changed, self._change)
        new = [(key[0], toxic) for key, toxic in wanted.items() if key not in old]
        await self._in_parallel(new, self._add)

    async def _in_parallel(
        self, plans: Iterable[tuple[str, ToxicPlan]], work: _Work
    ) -> None:
        """On each proxy in the order given. Raises NetworkError."""
        of_proxy: dict[str, list[ToxicPlan]] = {}
        for name, toxic in plans:
            of_proxy.setdefault(name, []).append(toxic)
        problems: list[ProxyError] = []
        patience_s = REPLACE_AFTER_S if self._replace_server else STUCK_TIMEOUT_S

        async def do(name: str, toxics: list[ToxicPlan]) -> None:
            try:
                for toxic in toxics:
                    await _patiently(work, name, toxic, for_s=patience_s)
            except ProxyError as error:
                problems.append(error)

        async with trio.open_nursery() as nursery:
            for name, toxics in of_proxy.items():
                nursery.start_soon(do, name, toxics)
        if problems:
            raise NetworkError(f"{self.server_name}: {problems[0]}") from problems[0]

    async def _add(self, name: str, toxic: ToxicPlan) -> None:
        try:
            await self.control.add_toxic(name, toxic)
        except ProxyError as error:
            if error.status != 409:  # It got there though nobody heard the answer.
                raise
        self._in_place[name, toxic.name] = toxic

    async def _change(self, name: str, toxic: ToxicPlan) -> None:
        await self.control.update_toxic(name, toxic)
        self._in_place[name, toxic.name] = toxic

    async def _remove(self, name: str, toxic: ToxicPlan) -> None:
        await self.control.remove_toxic(name, toxic.name)
        self._in_place.pop((name, toxic.name), None)

    # --- proxies come into being ---

    async def _wait_made(self) -> None:
        while len(self._made) < len(self._ways):
            await self._made_one.wait()

    async def make_proxies(self, ways: trio.MemoryReceiveChannel[Way]) -> None:
        """For ``open_proxies``: create what ``via`` announced. Raises NetworkError."""
        async for way in ways:
            await self._make(way)
            self._made.add(way.name)
            self._made_one.set()
            self._made_one = trio.Event()

    async def _make(self, way: Way) -> None:
        try:
            await self.control.create(way.name, listen=way.listen, upstream=way.address)
        except ProxyError as error:
            raise NetworkError(f"{self.server_name}: {error}") from error


class _Work(Protocol):
    async def __call__(self, name: str, toxic: ToxicPlan) -> None: ...


async def _patiently(work: _Work, name: str, toxic: ToxicPlan, *, for_s: float) -> None:
    """Again while the server does not answer in time."""
    end = trio.current_time() + for_s
    while True:
        try:
            await work(name, toxic)
        except ProxyError as error:
            is_hanging = error.status in (None, 503)
            if not is_hanging or trio.current_time() > end:
                raise
        else:
            return
        await trio.sleep(RETRY_S)
