"""toxiproxy-python, kept on this side of a seam. Imported when it is needed: it is an
extra.

It has ways of its own: its calls block and have no time limit, its server is a global
of the process, it obeys the proxies of the environment, it passes over answers of 500,
and it cannot change a toxic. Here each thread has a server and a limit of its own, and
what fails is a ``ProxyError``. All of this blocks: ``Control`` calls it in threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import requests
import toxiproxy.proxy
import toxiproxy.server
from toxiproxy import Proxy, Toxiproxy
from toxiproxy.api import APIConsumer, validate_response
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from chaos.proxy.control import CALL_TIMEOUT_S, ProxyError, Server, ToxicPlan

T = TypeVar("T")


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
# in this process still has its global server, with our limit and errors.
toxiproxy.proxy.APIConsumer = _Consumer
toxiproxy.server.APIConsumer = _Consumer


def on_server(server: Server, timeout_s: float, work: Callable[[], T]) -> T:
    """Do ``work``, which calls the library, on that server. Raises ProxyError."""
    _target.server, _target.timeout_s = server, timeout_s
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


def version() -> str:
    return str(_Consumer.get("/version").json()["version"])


def create(name: str, *, listen: str, upstream: str) -> str:
    made = Toxiproxy().create(upstream=upstream, name=name, listen=listen)
    return str(made.listen)


def destroy(name: str) -> None:
    try:
        _proxy(name).destroy()
    except NotFound:
        pass


def set_enabled(name: str, enabled: bool) -> None:
    proxy = _proxy(name)
    if enabled:
        proxy.enable()
    else:
        proxy.disable()


def toxics(name: str) -> dict[str, ToxicPlan]:
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


def add_toxic(name: str, toxic: ToxicPlan) -> None:
    _proxy(name).add_toxic(**attrs.asdict(toxic))


def update_toxic(name: str, toxic: ToxicPlan) -> None:
    change = {"attributes": dict(toxic.attributes), "toxicity": toxic.toxicity}
    _Consumer.post(f"/proxies/{name}/toxics/{toxic.name}", json=change)


def remove_toxic(name: str, toxic: str) -> None:
    try:
        _proxy(name).destroy_toxic(toxic)
    except NotFound:
        pass


def reset() -> None:
    Toxiproxy().reset()


def _proxy(name: str) -> Any:
    """The library's object for a proxy, without asking the server for all of them."""
    return Proxy(name=name, upstream="", enabled=True, listen="")


def _said(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return text.decode("utf-8", "replace").strip() if isinstance(text, bytes) else text


def _text_of(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
