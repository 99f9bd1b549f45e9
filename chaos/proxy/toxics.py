"""The kinds of toxics: what each does to what flows through its stage.

Each has the meaning and the quirks that the real Toxiproxy has; numbers without
meaning there (a rate or size below what works) are taken for the nearest that has one.
A stage that is interrupted passes on what it holds at once, without its effect.
"""

from __future__ import annotations

import math
import random

import attrs
import trio

from chaos.proxy.pieces import Behaviour, Stage, let_through
from chaos.proxy.pipes import Chunk

LATENCY_CHUNKS_MAX = 1024
"""So much of a link may be under way in a latency toxic: 32 MiB at most."""
SLICE_INTERVAL_S = 0.1
"""A bandwidth toxic passes on what fits this time."""


@attrs.define(kw_only=True)
class Noop:
    """Nothing."""

    async def __call__(self, stage: Stage) -> None:
        await let_through(stage)


@attrs.define(kw_only=True)
class Latency:
    """Bytes arrive later, by ``latency`` +/- ``jitter`` milliseconds after they were
    sent. Their order stays, so a chunk that is early waits for one that is late."""

    latency: int = 0
    jitter: int = 0

    async def __call__(self, stage: Stage) -> None:
        while (chunk := await stage.take()) is not None:
            delay_ms = self.latency
            if self.jitter > 0:
                delay_ms += stage.rng.randrange(2 * self.jitter) - self.jitter
            left_s = delay_ms / 1000 - (trio.current_time() - chunk.read_at)
            await trio.sleep(max(0.0, left_s))
            # A second latency toxic counts from when this one let it go.
            stage.held[0] = attrs.evolve(chunk, read_at=chunk.read_at + left_s)
            await stage.pass_on()
        stage.close()


@attrs.define(kw_only=True)
class Bandwidth:
    """No more than ``rate`` kB (of 1000) a second; with 0 nothing goes on, and
    nothing is lost."""

    rate: int = 0

    async def __call__(self, stage: Stage) -> None:
        owed_s = 0.0
        while (chunk := await stage.take()) is not None:
            if self.rate <= 0:
                await trio.sleep_forever()
            owed_s += len(chunk.data) / (1000 * self.rate)
            slice_bytes = int(1000 * self.rate * SLICE_INTERVAL_S)
            while len(stage.held[0].data) > slice_bytes:
                await trio.sleep(SLICE_INTERVAL_S)
                await stage.pass_on(slice_bytes)
                owed_s -= SLICE_INTERVAL_S
            began = trio.current_time()
            await trio.sleep(max(0.0, owed_s))
            # Sleeping takes a little longer: the next sleep is that much shorter.
            owed_s -= trio.current_time() - began
            await stage.pass_on()
        stage.close()


@attrs.define(kw_only=True)
class SlowClose:
    """The end of the connection is passed on ``delay`` milliseconds later."""

    delay: int = 0

    async def __call__(self, stage: Stage) -> None:
        while await stage.take() is not None:
            await stage.pass_on()
        await trio.sleep(max(0, self.delay) / 1000)
        stage.close()


@attrs.define(kw_only=True)
class Timeout:
    """Bytes are lost, and the connection ends after ``timeout`` milliseconds without
    any; with 0 it never does. When the toxic goes, the connection ends: its bytes
    have a hole."""

    timeout: int = 0

    async def __call__(self, stage: Stage) -> None:
        limit_s = self.timeout / 1000 if self.timeout > 0 else math.inf
        is_alive = True
        while is_alive:
            is_alive = False
            with trio.move_on_after(limit_s):
                is_alive = await stage.take() is not None
                stage.drop()
        stage.close()


@attrs.define(kw_only=True)
class ResetPeer:
    """``timeout`` milliseconds after the first bytes, or the end, the connection ends
    and they are lost. Connections that began while the toxic was there end with a RST
    (see ``links``)."""

    timeout: int = 0

    async def __call__(self, stage: Stage) -> None:
        await stage.take()
        stage.drop()
        stage.is_doomed = True
        await trio.sleep(max(0, self.timeout) / 1000)
        stage.close()


@attrs.define(kw_only=True)
class Slicer:
    """Bytes arrive in pieces of about ``average_size``, give or take
    ``size_variation``, with ``delay`` microseconds after each."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    async def __call__(self, stage: Stage) -> None:
        while (chunk := await stage.take()) is not None:
            for size in self.sizes(len(chunk.data), stage.rng):
                await stage.pass_on(size)
                await trio.sleep(max(0, self.delay) / 1_000_000)
            stage.drop()
        stage.close()

    def sizes(self, total: int, rng: random.Random) -> list[int]:
        """Of the pieces of so many bytes. A piece is halved, about, until it is no
        larger than the average and its variation; so none stands out."""
        average = max(1, self.average_size)
        variation = max(0, self.size_variation)
        sizes: list[int] = []
        todo = [total]
        while todo:
            size = todo.pop()
            if size - average <= variation or size < 2:
                sizes.append(size)
                continue
            left = size // 2
            if variation:
                left += rng.randrange(2 * variation) - variation
            left = min(max(left, 1), size - 1)
            todo += [size - left, left]
        return sizes


@attrs.define(kw_only=True)
class LimitData:
    """The connection ends when ``bytes`` have gone through it."""

    bytes: int = 0

    async def __call__(self, stage: Stage) -> None:
        while (chunk := await stage.take()) is not None:
            left = max(0, self.bytes - stage.passed)
            if left:
                stage.held[0] = Chunk(chunk.data[:left], chunk.read_at)
                await stage.pass_on()
            if left <= len(chunk.data):
                break
        stage.drop()
        stage.close()


AnyToxic = (
    Noop | Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData
)

KINDS: dict[str, type[AnyToxic]] = {
    "noop": Noop,
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
}
"""By the name of their type."""

UPSTREAM, DOWNSTREAM = "upstream", "downstream"
"""From who dialled the proxy to who listens behind it, and back."""


@attrs.define(kw_only=True, eq=False)
class Toxic:
    """A toxic of a proxy.

    Attributes:
        stream: As it was asked for: letters may be upper case.
        direction: The same, UPSTREAM or DOWNSTREAM.
        toxicity: How likely it acts on a connection; drawn for each.
    """

    name: str
    type: str
    stream: str
    direction: str
    toxicity: float
    behaviour_of: AnyToxic

    @property
    def behaviour(self) -> Behaviour:
        return self.behaviour_of

    @property
    def chunks_max(self) -> int:
        """What may wait before its stages."""
        return LATENCY_CHUNKS_MAX if isinstance(self.behaviour_of, Latency) else 1

    @property
    def ends_connections(self) -> bool:
        """Whether connections that it acted on end with it."""
        return isinstance(self.behaviour_of, Timeout)

    @property
    def resets(self) -> bool:
        """Whether connections that begin now shall end with a RST."""
        return isinstance(self.behaviour_of, ResetPeer)
