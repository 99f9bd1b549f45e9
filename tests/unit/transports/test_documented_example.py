"""The third-party transport of ``docs/transports.md``, as a reader would paste it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import trio

from transports.interface import Link
from transports.registry import register, transport_for, unregister

PAGE = Path(__file__).parents[3] / "docs" / "transports.md"
PREAMBLE = """\
from collections import Counter
import trio
from transports.interface import Link, LinkHandler
from transports.tcp import TcpTransport
"""


async def echo(link: Link) -> None:
    while True:
        await link.send(await link.receive())


async def test_documented_transport_works_under_its_scheme() -> None:
    (example,) = re.findall(
        r"```python\n(class CountingTransport.*?)```", PAGE.read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(PREAMBLE + example, names)
    counting = names["CountingTransport"]()
    register("counted", lambda: counting)
    try:
        transport = transport_for("counted://127.0.0.1:0")
    finally:
        unregister("counted")
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(transport.serve, "counted://127.0.0.1:0", echo)
        link = await transport.dial(bound.replace("tcp://", "counted://"))
        await link.send(b"x")
        assert await link.receive() == b"x"
        await link.aclose()
        nursery.cancel_scope.cancel()
    assert sum(counting.dials.values()) == 1
