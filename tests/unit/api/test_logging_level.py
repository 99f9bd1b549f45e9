"""A level of logging that is changed for a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing
from support.operator_calls import read, status_and_text

from raftleader.api.operator.logging_level import LoggingLevel

Clock = trio.testing.MockClock


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(before)


async def test_level_goes_back_after_its_time(autojump_clock: Clock) -> None:
    logger = logging.getLogger("test of levels")
    logger.setLevel(logging.WARNING)
    level = LoggingLevel(logger)
    level.set(3, 10.0)
    assert (level.level, logger.level) == (1, logging.DEBUG)
    await trio.sleep(9)
    level.set(1, 10.0)
    await trio.sleep(9)
    assert logger.level == logging.DEBUG
    await trio.sleep(2)
    assert (level.level, logger.level) == (0, logging.WARNING)


async def test_level_zero_ends_a_change_at_once(autojump_clock: Clock) -> None:
    logger = logging.getLogger("test of levels")
    logger.setLevel(logging.WARNING)
    level = LoggingLevel(logger)
    level.set(1, 10.0)
    level.set(0, 10.0)
    assert (level.level, logger.level) == (0, logging.WARNING)


async def test_level_is_set_by_a_call(
    client: Any, autojump_clock: Clock, root: logging.Logger
) -> None:
    assert await read(client, "GET_LOGGING_LEVEL") == {"level": 0}
    body = {"level": 1, "duration": {"nanoseconds": 5 * 10**9}}
    assert await status_and_text(client, "SET_LOGGING_LEVEL", body) == (200, "")
    assert await read(client, "GET_LOGGING_LEVEL") == {"level": 1}
    assert root.level == logging.DEBUG
    await trio.sleep(6)
    assert root.level == logging.INFO


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 200, "0\n"),
        ("?level=1", 400, "Expecting 'duration=value' in query.\n"),
        ("?duration=1secs", 400, "Expecting 'level=value' in query.\n"),
        ("?level=x&duration=1secs", 400, "Invalid level 'x'.\n"),
        ("?level=-1&duration=1secs", 400, "Invalid level '-1'.\n"),
        ("?level=1&duration=soon", 400, "Invalid duration 'soon'.\n"),
    ],
)
async def test_toggle_page_reads_its_query_as_mesos_does(
    query: str, status: int, text: str, client: Any
) -> None:
    answer = await client.get(f"/logging/toggle{query}")
    assert (answer.status, answer.body.decode()) == (status, text)


async def test_toggle_page_changes_the_level(
    client: Any, autojump_clock: Clock, root: logging.Logger
) -> None:
    answer = await client.get("/logging/toggle?level=2&duration=1.5mins")
    assert answer.status == 200
    assert (await client.get("/logging/toggle")).body == b"1\n"
    await trio.sleep(89)
    assert root.level == logging.DEBUG
    await trio.sleep(2)
    assert root.level == logging.INFO
