"""The HTTP API: which call does what, and what it answers.

Statuses, bodies and texts are those of Toxiproxy 2.12, as asked of the real one.
"""

from __future__ import annotations

import logging
import posixpath
import random
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import trio

from chaos.proxy import documents
from chaos.proxy.addresses import BadListenError
from chaos.proxy.documents import ApiError, ProxyInput
from chaos.proxy.go_json import write
from chaos.proxy.metrics import CONTENT_TYPE, Metrics
from chaos.proxy.proxies import Proxies, Proxy
from chaos.proxy.toxics import Toxic
from raftleader.httpd.messages import Deferred, Request, Response

VERSION = "2.12.0+raftleader"
"""Whose API this is, and that it is not the real one."""
ANSWER_TIMEOUT_S = 25.0
"""A call that takes longer is answered 503; it goes on."""

_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"
_ID_LETTERS = "0123456789abcdefghijklmnopqrstuv"

_Call = Callable[[Request, list[str]], Awaitable[Response]]

_log = logging.getLogger(__name__)


class Api:
    """Answers for ``proxies``. ``handle`` is the HTTP server's handler.

    Args:
        nursery: Calls go on in it when their client does not wait.
    """

    def __init__(
        self, proxies: Proxies, metrics: Metrics, nursery: trio.Nursery
    ) -> None:
        self._proxies = proxies
        self._metrics = metrics
        self._nursery = nursery
        self._ids = random.Random()
        one, toxics = ("proxies", "*"), ("proxies", "*", "toxics")
        self._routes: dict[tuple[str, ...], dict[str, _Call]] = {
            ("reset",): {"POST": self._reset},
            ("proxies",): {"GET": self._list_all, "POST": self._create},
            ("populate",): {"POST": self._populate},
            one: {
                "GET": self._show,
                "POST": self._update,
                "PATCH": self._update,
                "DELETE": self._delete,
            },
            toxics: {"GET": self._list_toxics, "POST": self._add_toxic},
            (*toxics, "*"): {
                "GET": self._show_toxic,
                "POST": self._update_toxic,
                "PATCH": self._update_toxic,
                "DELETE": self._remove_toxic,
            },
            ("version",): {"GET": self._version},
        }
        if metrics.are_shown:
            self._routes["metrics",] = dict.fromkeys(("GET", "POST"), self._figures)

    def handle(self, request: Request) -> Response | Deferred:
        clean = posixpath.normpath(f"/{request.path.lstrip('/')}")
        clean += "/" if request.path.endswith("/") and clean != "/" else ""
        if clean != request.path:
            query = urlsplit(request.target).query
            location = f"{clean}?{query}" if query else clean
            return Response(status=301, headers=(("Location", location),))
        parts = clean[1:].split("/")
        calls, names = self._routed(parts)
        if calls is None:
            return _plain(404, "404 page not found\n")
        call = calls.get(request.method)
        if call is None:
            return Response(status=405)
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            return self._with_id(_plain(403, "User agent not allowed\n"))

        async def answer() -> Response:
            return self._with_id(await self._answer(call, request, names))

        return answer

    def _routed(self, parts: list[str]) -> tuple[dict[str, _Call] | None, list[str]]:
        for pattern, calls in self._routes.items():
            if len(pattern) == len(parts) and all(
                wanted in ("*", part) and part
                for wanted, part in zip(pattern, parts, strict=True)
            ):
                names = [
                    part
                    for wanted, part in zip(pattern, parts, strict=True)
                    if wanted == "*"
                ]
                return calls, names
        return None, []

    async def _answer(
        self, call: _Call, request: Request, names: list[str]
    ) -> Response:
        answers: list[Response] = []
        is_done = trio.Event()

        async def work() -> None:
            try:
                answers.append(await call(request, names))
            except ApiError as error:
                answers.append(_problem(error))
            except BadListenError as error:
                answers.append(_problem(ApiError(500, str(error))))
            except Exception as error:
                _log.exception("a call failed")
                answers.append(_problem(ApiError(500, repr(error))))
            finally:
                is_done.set()

        self._nursery.start_soon(work)
        with trio.move_on_after(ANSWER_TIMEOUT_S):
            await is_done.wait()
        return answers[0] if answers else Response(status=503)

    def _with_id(self, response: Response) -> Response:
        name = "".join(self._ids.choices(_ID_LETTERS, k=20))
        return Response(
            status=response.status,
            headers=(*response.headers, ("X-Toxiproxy-Request-Id", name)),
            body=response.body,
        )

    # --- proxies ---

    def _named(self, name: str) -> Proxy:
        proxy = self._proxies.by_name.get(name)
        if proxy is None:
            raise documents.PROXY_NOT_FOUND
        return proxy

    async def _list_all(self, request: Request, names: list[str]) -> Response:
        proxies = sorted(self._proxies.by_name.items())
        return _json({name: documents.proxy_document(proxy) for name, proxy in proxies})

    async def _create(self, request: Request, names: list[str]) -> Response:
        given = documents.proxy_input(request.body, ProxyInput())
        if not given.name:
            raise documents.missing("name")
        if not given.upstream:
            raise documents.missing("upstream")
        async with self._proxies.lock:
            if given.name in self._proxies.by_name:
                raise documents.PROXY_EXISTS
            proxy = self._made(given)
            await self._proxies.add(proxy, enabled=given.enabled)
        return _json(documents.proxy_document(proxy), status=201)

    def _made(self, given: ProxyInput) -> Proxy:
        return self._proxies.make(
            name=given.name, listen=given.listen, upstream=given.upstream
        )

    async def _populate(self, request: Request, names: list[str]) -> Response:
        made: list[Proxy] = []
        problem: ApiError | None = None
        try:
            given = documents.proxy_inputs(request.body)
            async with self._proxies.lock:
                for item in given:
                    proxy = self._made(item)
                    made.append(
                        await self._proxies.add_or_replace(proxy, enabled=item.enabled)
                    )
        except ApiError as error:
            problem = error
        except BadListenError as error:
            problem = ApiError(500, str(error))
        document = problem.document if problem is not None else {}
        listed = [documents.proxy_document(proxy) for proxy in made]
        document["proxies"] = listed or None
        return _json(document, status=problem.status if problem is not None else 201)

    async def _show(self, request: Request, names: list[str]) -> Response:
        return _json(documents.proxy_document(self._named(names[0])))

    async def _update(self, request: Request, names: list[str]) -> Response:
        proxy = self._named(names[0])
        async with proxy.lock:
            now = ProxyInput(
                listen=proxy.listen, upstream=proxy.upstream, enabled=proxy.enabled
            )
            wanted = documents.proxy_input(request.body, now)
            await proxy.update(
                listen=wanted.listen, upstream=wanted.upstream, enabled=wanted.enabled
            )
        return _json(documents.proxy_document(proxy))

    async def _delete(self, request: Request, names: list[str]) -> Response:
        async with self._proxies.lock:
            self._proxies.remove(self._named(names[0]))
        return Response(status=204)

    async def _reset(self, request: Request, names: list[str]) -> Response:
        for proxy in list(self._proxies.by_name.values()):
            async with proxy.lock:
                await proxy.start()
                for toxic in proxy.toxics:
                    await proxy.remove_toxic(toxic)
        return Response(status=204)

    # --- toxics ---

    def _toxic(self, proxy: Proxy, name: str) -> Toxic:
        toxic = proxy.toxic(name)
        if toxic is None:
            raise documents.TOXIC_NOT_FOUND
        return toxic

    async def _list_toxics(self, request: Request, names: list[str]) -> Response:
        toxics = self._named(names[0]).toxics
        return _json([documents.toxic_document(toxic) for toxic in toxics])

    async def _add_toxic(self, request: Request, names: list[str]) -> Response:
        proxy = self._named(names[0])
        async with proxy.lock:
            toxic = documents.toxic_input(request.body)
            if proxy.toxic(toxic.name) is not None:
                raise documents.TOXIC_EXISTS
            documents.set_attributes(toxic, request.body, is_new=True)
            await proxy.add_toxic(toxic)
        return _json(documents.toxic_document(toxic))

    async def _show_toxic(self, request: Request, names: list[str]) -> Response:
        toxic = self._toxic(self._named(names[0]), names[1])
        return _json(documents.toxic_document(toxic))

    async def _update_toxic(self, request: Request, names: list[str]) -> Response:
        proxy = self._named(names[0])
        async with proxy.lock:
            toxic = self._toxic(proxy, names[1])
            documents.set_attributes(toxic, request.body, is_new=False)
            await proxy.update_toxic(toxic)
        return _json(documents.toxic_document(toxic))

    async def _remove_toxic(self, request: Request, names: list[str]) -> Response:
        proxy = self._named(names[0])
        async with proxy.lock:
            await proxy.remove_toxic(self._toxic(proxy, names[1]))
        return Response(status=204)

    # --- the server ---

    async def _version(self, request: Request, names: list[str]) -> Response:
        return Response(
            status=200,
            headers=(("Content-Type", f"{_JSON};charset=utf-8"),),
            body=f'{{"version": "{VERSION}"}}\n'.encode(),
        )

    async def _figures(self, request: Request, names: list[str]) -> Response:
        return Response(
            status=200,
            headers=(("Content-Type", CONTENT_TYPE),),
            body=self._metrics.text().encode(),
        )


def _json(document: object, *, status: int = 200) -> Response:
    return Response(
        status=status, headers=(("Content-Type", _JSON),), body=write(document)
    )


def _plain(status: int, text: str) -> Response:
    headers = (("Content-Type", _PLAIN), ("X-Content-Type-Options", "nosniff"))
    return Response(status=status, headers=headers, body=text.encode())


def _problem(error: ApiError) -> Response:
    return _plain(error.status, f"{write(error.document).decode()}\n")
