"""Running until told to end."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from raftleader.cli.serve import run_until_ended


async def forever() -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)],
)
async def test_service_ends_cleanly_on_a_signal(
    number: signal.Signals, code: int
) -> None:
    cleaned: list[str] = []

    async def service() -> None:
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                # A second signal while cleaning up changes nothing.
                os.kill(os.getpid(), signal.SIGINT)
                await trio.testing.wait_all_tasks_blocked()
                cleaned.append("yes")

    # Whoever runs the tests under nohup hands an ignored SIGHUP down.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with trio.fail_after(5):
            assert await run_until_ended(service) == code
    finally:
        signal.signal(number, before)
    assert cleaned == ["yes"]


async def test_service_under_nohup_outlives_its_terminal() -> None:
    finished: list[str] = []

    async def hung_up() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked()
        await trio.lowlevel.checkpoint()
        finished.append("yes")

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with trio.fail_after(5):
            assert await run_until_ended(hung_up) == 0
        assert finished == ["yes"]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_service_ends_when_its_lifeline_is_cut() -> None:
    read_end, write_end = os.pipe()

    async def cut() -> None:
        os.close(write_end)
        await trio.sleep_forever()

    try:
        with trio.fail_after(5):
            assert await run_until_ended(cut, lifeline_fd=read_end) == 0
        timer, _ = signal.getitimer(signal.ITIMER_REAL)
        assert timer > 0, "a stop that hangs must be ended by the kernel"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.close(read_end)


async def test_service_that_returns_is_success_and_its_error_comes_out() -> None:
    async def nothing() -> None:
        return None

    async def fails() -> None:
        raise OSError("disk")

    assert await run_until_ended(nothing) == 0
    with pytest.raises(ExceptionGroup) as caught:
        await run_until_ended(fails)
    assert caught.group_contains(OSError, match="disk")
