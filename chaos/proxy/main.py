"""``python -P -m chaos.proxy.main``: the server as a process of its own, with the
flags of the real one. It ends with TERM or Ctrl-C, or with whoever holds the other
end of ``-die-with-fd``."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from chaos.proxy.api import VERSION
from chaos.proxy.server import DEFAULT_HOST, DEFAULT_PORT, run_proxy
from raftleader.errors import ConfigError
from raftleader.framework.nursery import open_plain_nursery


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code. 2 is a mistake of the caller."""
    flags = _parser().parse_args(arguments)
    if flags.version:
        print(f"toxiproxy-server version {VERSION}")  # noqa: T201
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        trio.run(_serve, flags)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"raftleader chaos proxy: {error}\n")
        return 2
    return 0


async def _serve(flags: argparse.Namespace) -> None:
    async with open_plain_nursery() as nursery:
        nursery.start_soon(_until_told, nursery.cancel)
        if flags.die_with_fd is not None:
            nursery.start_soon(_until_alone, flags.die_with_fd, nursery.cancel)
        await run_proxy(
            flags.host,
            flags.port,
            seed=flags.seed,
            config=flags.config,
            proxy_metrics=flags.proxy_metrics,
            runtime_metrics=flags.runtime_metrics,
        )


async def _until_told(end: Callable[[], None]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            end()


async def _until_alone(fd: int, end: Callable[[], None]) -> None:
    os.set_blocking(fd, False)
    async with trio.lowlevel.FdStream(fd) as stream:
        while await stream.receive_some():
            pass
    end()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="raftleader chaos proxy",
        description="A TCP proxy with the API of Toxiproxy 2.12.",
        allow_abbrev=False,
    )

    def add(name: str, **options: object) -> None:
        # One dash is the real one's way, two are ours.
        parser.add_argument(f"-{name}", f"--{name}", **options)  # type: ignore[arg-type]

    add("host", default=DEFAULT_HOST)
    add("port", type=int, default=DEFAULT_PORT)
    add("config", type=Path, default=None)
    add("seed", type=int, default=None)
    add("proxy-metrics", action="store_true")
    add("runtime-metrics", action="store_true")
    add("version", action="store_true")
    add("die-with-fd", type=int, default=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
