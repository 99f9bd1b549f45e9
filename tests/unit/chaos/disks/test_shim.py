"""Calls of another process that fail or wait, by a preloaded library or a tracer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio

from chaos.disks.live_disks import LiveDisks, open_disks
from chaos.disks.preload import merged
from chaos.disks.shim import Call, Shim
from chaos.disks.tracer import trace_syncs
from chaos.machine.tools import find_tool

NODE = "leader-1"
WRITER = """
import errno, os, sys, time
folder, = sys.argv[1:]
fd = os.open(folder + "/file", os.O_RDWR | os.O_CREAT)
other = os.open(folder + "/../other", os.O_RDWR | os.O_CREAT)
calls = {
    "sync": lambda: os.fdatasync(fd),
    "fsync": lambda: os.fsync(fd),
    "write": lambda: os.write(fd, b"x"),
    "pwrite": lambda: os.pwrite(fd, b"x", 0),
    "allocate": lambda: os.posix_fallocate(fd, 0, 4096),
    "truncate": lambda: os.ftruncate(fd, 10),
    "open": lambda: os.close(os.open(folder + "/new", os.O_RDWR | os.O_CREAT)),
    "look": lambda: os.close(os.open(folder + "/file", os.O_RDONLY)),
    "mkdir": lambda: os.mkdir(folder + "/made"),
    "rename": lambda: os.rename(folder + "/file", folder + "/renamed"),
    "unlink": lambda: os.unlink(folder + "/renamed"),
    "read": lambda: os.pread(fd, 1, 0),
    "other": lambda: (os.write(other, b"x"), os.fsync(other)),
}
print("ready", flush=True)
for line in sys.stdin:
    began = time.monotonic()
    try:
        calls[line.strip()]()
        word = "ok"
    except OSError as error:
        word = errno.errorcode[error.errno]
    print(word, round(time.monotonic() - began, 3), flush=True)
"""


@attrs.frozen
class Writer:
    """A process that does what it is told, and says what came of it."""

    process: subprocess.Popen[str]

    def ask(self, call: str) -> tuple[str, float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{call}\n")
        self.process.stdin.flush()
        word, seconds = self.process.stdout.readline().split()
        return word, float(seconds)

    def outcome(self, call: str) -> str:
        return self.ask(call)[0]


@contextmanager
def writer_on(disks: LiveDisks) -> Iterator[Writer]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, str(disks.data_dir(NODE))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=merged(os.environ, disks.environment(NODE)),
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Writer(process)
        finally:
            process.kill()


@pytest.fixture
async def disks(tmp_path: Path) -> AsyncIterator[LiveDisks]:
    async with open_disks("plain", [NODE], tmp_path) as made:
        if made.means.why_no_shim:
            pytest.skip(made.means.why_no_shim)
        yield made


def shim_of(disks: LiveDisks) -> Shim:
    shim = disks.disk(NODE).shim
    assert shim is not None
    return shim


async def test_shim_fails_the_calls_it_was_told_and_no_others(disks: LiveDisks) -> None:
    shim = shim_of(disks)
    with writer_on(disks) as writer:
        for call in ("write", "sync", "allocate", "other"):
            assert writer.outcome(call) == "ok"

        shim.set(Call.WRITE, Call.ALLOCATE, error=errno.ENOSPC)
        assert writer.outcome("write") == "ENOSPC"
        assert writer.outcome("pwrite") == "ENOSPC"
        assert writer.outcome("allocate") == "ENOSPC"
        for call in ("sync", "read", "open", "other"):
            assert writer.outcome(call) == "ok"
        assert shim.hits(Call.WRITE) == 2
        assert shim.hits(Call.ALLOCATE) == 1

        shim.clear()
        assert writer.outcome("write") == "ok"
        shim.set(Call.CHANGE, error=errno.EROFS)
        for call in ("truncate", "open", "mkdir", "rename", "unlink"):
            assert writer.outcome(call) == "EROFS", call
        for call in ("look", "read", "write"):
            assert writer.outcome(call) == "ok", call
        shim.clear()
        for call in ("truncate", "open", "mkdir", "rename", "unlink"):
            assert writer.outcome(call) == "ok", call


async def test_shim_fails_so_many_calls_and_then_no_more(disks: LiveDisks) -> None:
    shim = shim_of(disks)
    with writer_on(disks) as writer:
        shim.set(Call.SYNC, error=errno.EIO, times=2)
        outcomes = [writer.outcome(call) for call in ("sync", "fsync", "sync", "sync")]
        assert outcomes == ["EIO", "EIO", "ok", "ok"]
        assert shim.hits(Call.SYNC) == 2


async def test_shim_delays_a_call_that_then_succeeds(disks: LiveDisks) -> None:
    shim = shim_of(disks)
    with writer_on(disks) as writer:
        shim.set(Call.SYNC, delay_ms=120)
        word, seconds = writer.ask("sync")
        assert (word, shim.hits(Call.SYNC)) == ("ok", 1)
        assert seconds >= 0.12
        assert writer.ask("write")[1] < 0.1
        shim.clear()
        assert writer.ask("sync")[1] < 0.1


async def test_shim_holds_for_the_next_life_of_the_process(disks: LiveDisks) -> None:
    shim_of(disks).set(Call.SYNC, error=errno.EIO)
    for _ in range(2):
        with writer_on(disks) as writer:
            assert writer.outcome("sync") == "EIO"


async def test_tracer_fails_syncs_until_it_is_called_off(disks: LiveDisks) -> None:
    if find_tool("strace") is None:
        pytest.skip("no strace (apt install strace)")
    with writer_on(disks) as writer, trio.fail_after(10):
        call_off = await trace_syncs(writer.process.pid, error=errno.EIO, times=1)
        assert [writer.outcome("sync") for _ in range(2)] == ["EIO", "ok"]
        await call_off()
        call_off = await trace_syncs(writer.process.pid, delay_ms=100)
        word, seconds = writer.ask("fsync")
        assert word == "ok"
        assert seconds >= 0.1
        await call_off()
        assert writer.ask("sync")[1] < 0.1


def test_merged_environments_preload_every_library() -> None:
    assert merged(
        {"LD_PRELOAD": "a.so", "A": "1", "B": "1"}, {"B": "2"}, {"LD_PRELOAD": "b.so"}
    ) == {"LD_PRELOAD": "a.so:b.so", "A": "1", "B": "2"}
    assert merged({"A": "1"}) == {"A": "1"}
