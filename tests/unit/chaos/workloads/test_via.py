"""Ways around."""

from __future__ import annotations

import pytest
import trio

from chaos.workloads.via import dial_via, parse_via
from raftleader.errors import ConfigError
from raftleader.framework.http_client import connect_tcp


def test_ways_are_parsed() -> None:
    assert parse_via(["127.0.0.1:1=127.0.0.1:2"]) == {
        ("127.0.0.1", 1): ("127.0.0.1", 2)
    }
    assert parse_via([]) == {}


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.0.0.1:1=x", "=127.0.0.1:1"])
def test_ways_that_lead_nowhere_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_via([text])


async def test_connections_take_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[tuple[str, int]] = []

    async def dial(host: str, port: int, **options: object) -> trio.abc.Stream:
        dialled.append((host, port))
        return trio.testing.memory_stream_pair()[0]

    monkeypatch.setattr(trio, "open_tcp_stream", dial)
    dial_via({("10.0.0.1", 1): ("10.0.0.9", 7)})
    await connect_tcp("10.0.0.1", 1)
    await connect_tcp("10.0.0.2", 1)
    assert dialled == [("10.0.0.9", 7), ("10.0.0.2", 1)]
