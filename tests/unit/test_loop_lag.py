"""How late the loop is, on a clock of the test."""

from __future__ import annotations

import time

import pytest
import trio

from raftleader.loop_lag import INTERVAL_S, LoopLag


def measure(*lags_s: float, step_s: float = 1.0) -> LoopLag:
    """Lags that were noted ``step_s`` apart; the clock stands at the last."""
    now = step_s * len(lags_s)
    lag = LoopLag(0.07, lambda: now)
    for number, lag_s in enumerate(lags_s, start=1):
        lag.note(step_s * number, lag_s)
    return lag


def test_figures_are_of_the_last_minute_and_of_all_time() -> None:
    figures = measure(0.5, *[0.001] * 100, 0.2).figures()
    assert (figures.max_ms, figures.p99_ms, figures.late) == (200, 200, 1)
    assert (figures.lifetime_max_ms, figures.lifetime_late) == (500, 2)
    assert figures.lifetime_p99_ms == 200
    assert figures.limit_ms == 70


def test_figures_of_nothing_are_zero() -> None:
    figures = measure().figures()
    assert (figures.max_ms, figures.p99_ms, figures.late) == (0, 0, 0)
    assert (figures.lifetime_max_ms, figures.lifetime_p99_ms) == (0, 0)


def test_p99_leaves_out_one_of_a_hundred() -> None:
    figures = measure(*[0.003] * 99, 3.0, step_s=0.01).figures()
    assert figures.p99_ms == 3
    assert figures.lifetime_p99_ms == 3
    assert figures.max_ms == 3000


def test_lag_over_the_limit_is_said_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    measure(0.071, *[0.1] * 8, 0.3, 0.07, 0.05, *[0.0] * 10)
    first, second = (record.getMessage() for record in caplog.records)
    assert "71 ms late" in first
    assert "so late 1 times" in first
    assert "300 ms late" in second
    assert "so late 9 times" in second


async def test_loop_that_is_blocked_is_seen() -> None:
    lag = LoopLag(0.02)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lag.run)
        await trio.sleep(2 * INTERVAL_S)
        time.sleep(0.05)  # noqa: ASYNC251 - blocks the loop, to be measured
        await trio.sleep(2 * INTERVAL_S)
        nursery.cancel_scope.cancel()
    figures = lag.figures()
    assert 0.05 - INTERVAL_S <= figures.max_ms / 1000 < 1
    assert figures.late >= 1
