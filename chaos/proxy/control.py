"""Driving a server, the real one or ours, with toxiproxy-python.

The library is kept on this side of the seam, for it has ways of its own: its calls
block and have no time limit, its server is a global of the process, it obeys the
proxies of the environment, it passes over answers of 500, and it cannot change a
toxic. Here calls run in threads, each with its limit, against the server of each
``Control``; what fails is a ``ProxyError``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs
import requests
import toxiproxy.proxy
import toxiproxy.server
import trio
from toxiproxy import Proxy, Toxiproxy
from toxiproxy.api import APIConsumer, validate_response
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from chaos.proxy.toxics import DOWNSTREAM

CALL_TIMEOUT_S = 5.0
"""Of one call. On loopback it takes milliseconds; the real server may hang for as long
as somebody does not read what a toxic wants to pass on."""
THREADS_MAX = 8
"""Calls at once."""

T = TypeVar("T")

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


class _Target(threading.local):
    server: Server | None = None
    timeout_s: float = CALL_TIMEOUT_S


_target = _Target()


class _Consumer(APIConsumer):  # type: ignore[misc]
    """What the library sends its calls through: to the thread's server, in time."""

    @classmethod
    def get(cls, url: str, params: Any = None, **options: Any) -> Any:
        return cls._ask("GET", url, params=params, **options)

    @classmethod
    def delete(cls, url: str, **options: Any) -> Any:
        return cls._ask("DELETE", url, **options)

    @classmethod
    def post(cls, url: str, data: Any = None, json: Any = None, **options: Any) -> Any:
        return cls._ask("POST", url, data=data, json=json, **options)

    @classmethod
    def _ask(cls, method: str, url: str, **options: Any) -> requests.Response:
        server = _target.server or Server(APIConsumer.host, APIConsumer.port)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"http://{server.host}:{server.port}{url}",
                timeout=_target.timeout_s,
                **options,
            )
        validate_response(answer)
        if answer.status_code >= 400:
            raise ProxyError(_text_of(answer), answer.status_code)
        return answer


# The library's modules have each their own name for it. Whoever else uses the library
# in this process sees no difference but the time limit.
toxiproxy.proxy.APIConsumer = _Consumer
toxiproxy.server.APIConsumer = _Consumer


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

        def ask() -> str:
            version = _Consumer.get("/version").json()["version"]
            return str(version)

        return await self._call(ask)

    async def create(self, name: str, *, listen: str, upstream: str) -> str:
        """A new proxy; the address it listens at."""

        def create() -> str:
            made = Toxiproxy().create(upstream=upstream, name=name, listen=listen)
            return str(made.listen)

        return await self._call(create)

    async def destroy(self, name: str) -> None:
        """Close its port and all its connections. It may be gone already."""
        await self._call(lambda: _consume_absence(_proxy(name).destroy))

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """Down: its port and all connections are closed. Up: it listens there again."""
        proxy = _proxy(name)
        await self._call(proxy.enable if enabled else proxy.disable)

    async def toxics(self, name: str) -> dict[str, ToxicPlan]:
        """Of a proxy, by name."""

        def ask() -> dict[str, ToxicPlan]:
            return {
                toxic.name: ToxicPlan(
                    name=toxic.name,
                    type=toxic.type,
                    stream=toxic.stream,
                    toxicity=toxic.toxicity,
                    attributes=toxic.attributes,
                )
                for toxic in _proxy(name).toxics().values()
            }

        return await self._call(ask)

    async def add_toxic(self, name: str, toxic: ToxicPlan) -> None:
        """To a proxy, behind the toxics of the same stream."""
        await self._call(lambda: _proxy(name).add_toxic(**attrs.asdict(toxic)))

    async def update_toxic(self, name: str, toxic: ToxicPlan) -> None:
        """Give the toxic of that name these attributes and this toxicity."""
        change = {"attributes": dict(toxic.attributes), "toxicity": toxic.toxicity}
        url = f"/proxies/{name}/toxics/{toxic.name}"
        await self._call(lambda: _Consumer.post(url, json=change))

    async def remove_toxic(self, name: str, toxic: str) -> None:
        """It may be gone already."""
        await self._call(
            lambda: _consume_absence(lambda: _proxy(name).destroy_toxic(toxic))
        )

    async def reset(self) -> None:
        """All proxies up, all toxics gone."""
        await self._call(Toxiproxy().reset)

    async def _call(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(self._in_thread, work, limiter=_limiter)

    def _in_thread(self, work: Callable[[], T]) -> T:
        _target.server, _target.timeout_s = self.server, self.timeout_s
        try:
            return work()
        except NotFound as error:
            raise ProxyError(_said(error), 404) from error
        except ProxyExists as error:
            raise ProxyError(_said(error), 409) from error
        except InvalidToxic as error:
            raise ProxyError(_said(error), 400) from error
        except (requests.RequestException, ValueError, KeyError) as error:
            raise ProxyError(f"no answer to be used: {error}") from error
        finally:
            _target.server = None
            _target.timeout_s = CALL_TIMEOUT_S


def _proxy(name: str) -> Any:
    """The library's object for a proxy, without asking the server for all of them."""
    return Proxy(name=name, upstream="", enabled=True, listen="")


def _consume_absence(work: Callable[[], Any]) -> None:
    try:
        work()
    except NotFound:
        pass


def _said(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return text.decode("utf-8", "replace").strip() if isinstance(text, bytes) else text


def _text_of(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
