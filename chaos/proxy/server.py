"""The server: the API, and all proxies that it is told to make."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import trio

from chaos.proxy import documents
from chaos.proxy.addresses import BadListenError
from chaos.proxy.api import Api
from chaos.proxy.documents import ApiError, ProxyInput
from chaos.proxy.metrics import Metrics
from chaos.proxy.proxies import Grounds, Proxies
from raftleader.errors import ConfigError
from raftleader.httpd.server import join_address, serve_http

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8474

_log = logging.getLogger(__name__)


async def run_proxy(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    seed: int | None = None,
    config: Path | None = None,
    proxy_metrics: bool = False,
    runtime_metrics: bool = False,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; all connections are closed then.

    ``started`` is given ``HOST:PORT`` of the API. Raises ConfigError for an address or
    a ``config`` that is none, and OSError if the address cannot be bound.

    Args:
        port: 0 is any.
        seed: Of all that toxics draw, in the order they draw.
        config: JSON file, as for ``POST /populate``: proxies to begin with. One that
            cannot listen is logged, and those after it are not made.
    """
    given = [] if config is None else await _read(config)
    metrics = Metrics(has_proxies=proxy_metrics, has_runtime=runtime_metrics)
    problem: Exception | None = None
    async with trio.open_nursery() as nursery:
        grounds = Grounds(
            nursery=nursery,
            rng=random.Random(seed),
            count_bytes=metrics.count_bytes,
        )
        proxies = Proxies(grounds=grounds)
        await _populate(proxies, given)
        api = Api(proxies, metrics, nursery)
        try:
            address = join_address(host, port)
            bound = await nursery.start(serve_http, api.handle, address)
        except (ConfigError, OSError) as error:
            # Out of the nursery, so that it goes up alone, not in a group.
            problem = error
            nursery.cancel_scope.cancel()
        else:
            task_status.started(bound)
    if problem is not None:
        raise problem


async def _read(config: Path) -> list[ProxyInput]:
    try:
        return documents.proxy_inputs(await trio.Path(config).read_bytes())
    except OSError as error:
        raise ConfigError(f"config: {config}: {error.strerror}") from error
    except ApiError as error:
        raise ConfigError(f"config: {config}: {error}") from error


async def _populate(proxies: Proxies, given: list[ProxyInput]) -> None:
    for item in given:
        proxy = proxies.make(name=item.name, listen=item.listen, upstream=item.upstream)
        try:
            await proxies.add_or_replace(proxy, enabled=item.enabled)
        except BadListenError as error:
            _log.error("config: proxy %s: %s", item.name, error)
            return
