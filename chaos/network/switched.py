"""Hosts on TAP devices whose other ends are in a switch of our own: a child process.

The switch can do to a frame what the kernel here cannot: delay it, repeat it, change
it. It runs in a process of its own, so the run's event loop is not disturbed by it.
Measured on a virtual machine of two cores: a packet there and back takes 0.07 ms (over
the bridge 0.014 ms), 2,000 frames a second take 6 % of a core, and 200,000 a second are
the most.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import attrs
import msgspec
import trio

from chaos.live.seams import Link, LinkFault
from chaos.network.hosts import Hosts
from chaos.network.namespaces import NetworkError
from chaos.network.switch import Done, Ports, Rules
from chaos.network.switch_frames import LinkRule
from raftleader.cli.local_process import child_environment, describe_exit
from raftleader.framework.nursery import open_plain_nursery

_TUN_DEVICE = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
ANSWER_TIMEOUT_S = 10.0
"""The switch answers within a millisecond; on a machine this busy, within a second."""
END_TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 64 * 1024


@attrs.define
class SwitchProcess:
    """The switch that joins some hosts."""

    hosts: Hosts
    process: trio.Process
    counts: Counter[str] = attrs.field(factory=Counter)
    """Frames by what became of them, as of the last change of rules."""
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _received: bytes = b""

    async def enforce(self, rules: Mapping[Link, LinkFault]) -> None:
        """From now on these rules are in force, and no others. Not to be cancelled: it
        takes a millisecond. Raises NetworkError if the switch does not answer."""
        hosts = self.hosts.layout.hosts
        links = [
            LinkRule(
                source=hosts[source].mac,
                target=hosts[target].mac,
                **attrs.asdict(fault),
            )
            for (source, target), fault in rules.items()
        ]
        await self.tell(Rules(links))

    async def tell(self, message: Ports | Rules) -> None:
        """Returns once the switch has done it."""
        assert self.process.stdin is not None
        async with self._turn:
            try:
                with trio.fail_after(ANSWER_TIMEOUT_S):
                    line = msgspec.json.encode(message) + b"\n"
                    await self.process.stdin.send_all(line)
                    answer = await self._answer()
            except trio.TooSlowError as error:
                raise NetworkError(
                    f"the switch did not answer within {ANSWER_TIMEOUT_S:g} s"
                ) from error
            except trio.BrokenResourceError as error:
                raise NetworkError("the switch has ended") from error
        self.counts = Counter(answer.counts)

    async def _answer(self) -> Done:
        assert self.process.stdout is not None
        while b"\n" not in self._received:
            data = await self.process.stdout.receive_some(ANSWER_BYTES_MAX)
            if not data:
                raise NetworkError("the switch has ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return msgspec.json.decode(line, type=Done)


@asynccontextmanager
async def open_switch(hosts: Hosts, seed: int) -> AsyncIterator[SwitchProcess]:
    """Join these hosts, which have no devices yet, for as long as the block runs.

    Raises NetworkError; also in the middle of the block, which is then cancelled, if
    the switch ends: nothing that is measured without a network means anything.
    """
    taps = await trio.to_thread.run_sync(_make_taps, hosts)
    try:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "chaos.network.switch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=tuple(taps.values()),
            # Ctrl-C is for the run: it ends the switch last.
            start_new_session=True,
            env=child_environment(),
        )
    finally:
        for fd in taps.values():
            os.close(fd)
    switch = SwitchProcess(hosts, process)
    try:
        await switch.tell(Ports(seed=seed, fds=taps))
        await trio.to_thread.run_sync(hosts.set_up)
        async with open_plain_nursery() as nursery:
            nursery.start_soon(_watch, process)
            yield switch
            nursery.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _watch(process: trio.Process) -> None:
    code = await process.wait()
    raise NetworkError(f"the switch ended by itself: {describe_exit(code)}")


async def _end(process: trio.Process) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()
    with trio.move_on_after(END_TIMEOUT_S):
        await process.wait()
        return
    process.kill()
    await process.wait()


def _make_taps(hosts: Hosts) -> dict[str, int]:
    """By hardware address: descriptors of each host's device."""
    taps: dict[str, int] = {}
    try:
        for name, host in hosts.layout.hosts.items():
            device = hosts.device(name)
            taps[host.mac] = hosts.namespaces[name].run(partial(_tap, device))
    except OSError as error:
        for fd in taps.values():
            os.close(fd)
        raise NetworkError(f"{_TUN_DEVICE}: {error.strerror}") from error
    return taps


def _tap(name: str) -> int:
    """A TAP device in the calling thread's namespace. It has no offloads: what we read
    are frames as on a wire, with all checksums."""
    fd = os.open(_TUN_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI)
        fcntl.ioctl(fd, _TUNSETIFF, request)
    except BaseException:
        os.close(fd)
        raise
    return fd
