"""A switch for Ethernet frames that breaks links as it is told: a process of its own.

    python -P -m chaos.network.switch

It is given the descriptors of TAP devices, each the other end of a host's only device,
and passes frames between them. It is told by lines of JSON on its standard input: first
``Ports``, then any number of ``Rules``; each is answered by a line, ``Done``, once it
is in force. When its input ends, so does it, and the devices with it.

It reads no more than ``BURST`` frames of a device before it looks at the others.
"""

from __future__ import annotations

import gc
import os
import random
import select
import sys
import time
from collections.abc import Iterable

import attrs
import msgspec

from chaos.network.switch_frames import (
    LINK_BYTES,
    FaultyFrames,
    LinkRule,
    mac_bytes,
)

FRAME_BYTES_MAX = 65_536
BURST = 64
BURSTS_BEFORE_CHANGE = 16
"""A device's own queue holds 1,000 frames."""
PRIORITY = -15
"""If it may: it must not wait for the nodes whose frames it passes on."""
_ADDRESS_BYTES = 6


class Ports(msgspec.Struct, frozen=True):
    """Which descriptor leads to which hardware address."""

    seed: int
    fds: dict[str, int]


class Rules(msgspec.Struct, frozen=True):
    """All faulty links, from now on."""

    rules: list[LinkRule]


class Done(msgspec.Struct, frozen=True):
    """Frames so far, by what became of them; see ``FaultyFrames.counts``, and
    ``passed``: written to a host; ``stray``: to nobody; ``refused``: not taken."""

    counts: dict[str, int]


@attrs.define
class Switch:
    """The devices and what waits between them."""

    ports: dict[bytes, int]
    frames: FaultyFrames

    def run(self, commands_fd: int, answers_fd: int) -> None:
        """Until the commands end."""
        poll = select.epoll()
        poll.register(commands_fd, select.EPOLLIN)
        for fd in self.ports.values():
            poll.register(fd, select.EPOLLIN)
        lines = Lines(commands_fd)
        while True:
            for fd, _ in poll.poll(self._wait_s()):
                if fd != commands_fd:
                    self._pass_on(fd)
                    continue
                for line in lines.read():
                    self._pass_on_all()
                    rules = msgspec.json.decode(line, type=Rules).rules
                    self._send(self.frames.use(rules))
                    answer = Done(dict(self.frames.counts))
                    os.write(answers_fd, msgspec.json.encode(answer) + b"\n")
                if lines.has_ended:
                    return
            self._send(self.frames.due(time.monotonic()))

    def _wait_s(self) -> float:
        due = self.frames.next_due
        return -1.0 if due is None else max(0.0, due - time.monotonic())

    def _pass_on_all(self) -> None:
        """What hosts have sent by now meets the rules under which it was sent, however
        late we come to it: a reset that was cut must not be heard after the cut."""
        for fd in self.ports.values():
            for _ in range(BURSTS_BEFORE_CHANGE):
                if not self._pass_on(fd):
                    break

    def _pass_on(self, fd: int) -> bool:
        """Frames of one device; whether there may be more. The usual case, a link
        without a fault, comes first: it decides how many frames a second we can do."""
        faulty = self.frames.faulty_links
        ports, counts = self.ports, self.frames.counts
        for _ in range(BURST):
            try:
                frame = os.read(fd, FRAME_BYTES_MAX)
            except BlockingIOError:
                return False
            if frame[:LINK_BYTES] in faulty:
                self._send(self.frames.arrive(frame, time.monotonic()))
                continue
            port = ports.get(frame[:_ADDRESS_BYTES])
            if port is None:
                counts["stray"] += 1
                continue
            try:
                os.write(port, frame)
                counts["passed"] += 1
            except OSError:
                counts["refused"] += 1
        return True

    def _send(self, frames: Iterable[bytes]) -> None:
        counts = self.frames.counts
        for frame in frames:
            port = self.ports.get(frame[:_ADDRESS_BYTES])
            try:
                if port is not None:
                    os.write(port, frame)
                    counts["passed"] += 1
            except OSError:  # the host's queue is full, or its device is down
                counts["refused"] += 1


@attrs.define
class Lines:
    """Whole lines out of a descriptor that is read when there is something."""

    fd: int
    has_ended: bool = False
    _rest: bytes = b""

    def read(self) -> list[bytes]:
        """Blocks if there is nothing yet."""
        data = os.read(self.fd, 1 << 16)
        self.has_ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def main() -> None:
    """Serve the devices that our parent opened."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    except PermissionError:
        pass
    commands_fd, answers_fd = sys.stdin.fileno(), sys.stdout.fileno()
    lines = Lines(commands_fd)
    while not (told := lines.read()):
        if lines.has_ended:
            return
    ports = msgspec.json.decode(told[0], type=Ports)
    for fd in ports.fds.values():
        os.set_blocking(fd, False)
    switch = Switch(
        {mac_bytes(mac): fd for mac, fd in ports.fds.items()},
        FaultyFrames(random.Random(ports.seed)),
    )
    gc.disable()  # nothing here makes cycles; a collection would be a hiccup of all
    os.write(answers_fd, msgspec.json.encode(Done({})) + b"\n")
    switch.run(commands_fd, answers_fd)


if __name__ == "__main__":
    main()
