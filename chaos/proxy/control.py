"""Driving a server, the real one or ours, with toxiproxy-python (see ``library``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs
import trio

from chaos.proxy.toxics import DOWNSTREAM

CALL_TIMEOUT_S = 5.0
"""Of one call. On loopback it takes milliseconds; the real server may hang for as long
as somebody does not read what a toxic wants to pass on."""
THREADS_MAX = 8
"""Calls at once."""

_limiter = trio.CapacityLimiter(THREADS_MAX)


class ProxyError(Exception):
    """A call failed; ``status`` is the server's, or None where it did not answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


@attrs.frozen
class Server:
    """Where a server's API is."""

    host: str
    port: int


@attrs.frozen(kw_only=True)
class ToxicPlan:
    """A toxic to add; its name is unique among those of a proxy."""

    name: str
    type: str
    stream: str = DOWNSTREAM
    toxicity: float = 1.0
    attributes: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Control:
    """Calls to one server. Each raises ProxyError; one that is cancelled is waited
    for, a call's time at most."""

    server: Server
    timeout_s: float = CALL_TIMEOUT_S

    async def version(self) -> str:
        """As it calls itself, or ProxyError if nobody is there."""
        return str(await self._call("version"))

    async def create(self, name: str, *, listen: str, upstream: str) -> str:
        """A new proxy; the address it listens at."""
        made = await self._call("create", name, listen=listen, upstream=upstream)
        return str(made)

    async def destroy(self, name: str) -> None:
        """Close its port and all its connections. It may be gone already."""
        await self._call("destroy", name)

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """Down: its port and all connections are closed. Up: it listens there again."""
        await self._call("set_enabled", name, enabled)

    async def toxics(self, name: str) -> dict[str, ToxicPlan]:
        """Of a proxy, by name."""
        return dict(await self._call("toxics", name))

    async def add_toxic(self, name: str, toxic: ToxicPlan) -> None:
        """To a proxy, behind the toxics of the same stream."""
        await self._call("add_toxic", name, toxic)

    async def update_toxic(self, name: str, toxic: ToxicPlan) -> None:
        """Give the toxic of that name these attributes and this toxicity."""
        await self._call("update_toxic", name, toxic)

    async def remove_toxic(self, name: str, toxic: str) -> None:
        """It may be gone already."""
        await self._call("remove_toxic", name, toxic)

    async def reset(self) -> None:
        """All proxies up, all toxics gone."""
        await self._call("reset")

    async def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """The function of ``library`` of that name."""

        def in_thread() -> Any:
            from chaos.proxy import library

            work = partial(getattr(library, name), *arguments, **options)
            return library.on_server(self.server, self.timeout_s, work)

        return await trio.to_thread.run_sync(in_thread, limiter=_limiter)


def missing_library() -> str | None:
    """What to install before there can be any ``Control``; None if it is there."""
    if importlib.util.find_spec("toxiproxy") is not None:
        return None
    return "toxiproxy-python is not installed: pip install 'raftleader[chaos]'"
