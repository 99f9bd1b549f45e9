"""What the nemeses of disks have in common."""

from __future__ import annotations

import random
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import psutil
import trio

from chaos.disks.errors import DiskError
from chaos.disks.live_disks import LiveDisks
from chaos.disks.waiting import wait_until
from chaos.live.faults import Injection
from chaos.live.seams import Cluster, ImpossibleError, World
from chaos.nemeses.targets import leaders_hit, see_crowd

VIOLATION = "violation"
"""In the detail of a record: a promise of the product that was seen broken, in words.
(``problem`` is what went wrong with the nemesis itself.)"""
START_WITHIN_S = 5.0
"""From a release to a process: it is started at once."""
DEATH_WITHIN_S = 10.0
"""A node that cannot start says so in half a second; a busy machine takes longer."""


@attrs.define(kw_only=True)
class DiskWound:
    """See ``chaos.live.seams.Wound``; ``mend`` does what ``heal`` promises."""

    targets: tuple[str, ...]
    means: str
    detail: Mapping[str, Any]
    mend: Callable[[], Awaitable[Mapping[str, Any]]]

    async def heal(self) -> Mapping[str, Any]:
        return await self.mend()


def disks_of(world: World) -> LiveDisks:
    """Raises ImpossibleError if they are none of ours."""
    if not isinstance(world.disks, LiveDisks):
        raise ImpossibleError("the disks of this run cannot be broken")
    return world.disks


async def choose(injection: Injection, world: World) -> tuple[str, ...]:
    """The leader nodes that are hit. Raises ImpossibleError."""
    crowd = await see_crowd(world.cluster, injection.target)
    return leaders_hit(injection.target, crowd, random.Random(injection.seed))


def rng_of(injection: Injection) -> random.Random:
    """For everything but whom it hits."""
    return random.Random(f"{injection.fault.value} {injection.seed}")


@contextmanager
def impossible_if_disk_refuses() -> Iterator[None]:
    """For an injection that puts right what it did: what the machine does not let us do
    to a disk is impossible here, and no fault of the nemesis."""
    try:
        yield
    except DiskError as error:
        raise ImpossibleError(str(error)) from error


@asynccontextmanager
async def held_on_error(
    cluster: Cluster, nodes: Collection[str]
) -> AsyncIterator[None]:
    """Hold them; if the block fails or is cancelled, let them go again. What must be
    put right before they start is the block's to do."""
    for node in nodes:
        cluster.hold(node)
    try:
        yield
    except BaseException:
        for node in nodes:
            cluster.release(node)
        raise


async def kill(cluster: Cluster, nodes: Collection[str]) -> None:
    """All at one moment; returns when they are gone."""
    for node in nodes:
        cluster.kill(node)
    for node in nodes:
        await cluster.wait_dead(node)


@attrs.frozen(kw_only=True)
class Attempt:
    """A start that was watched.

    Attributes:
        has_started: There was a process at all.
        has_died: It was gone within ``DEATH_WITHIN_S``.
        said: What came into its log meanwhile.
    """

    has_started: bool
    has_died: bool
    said: str


async def attempt_start(cluster: Cluster, node: str) -> Attempt:
    """Let a held, dead node start once, and watch whether it refuses. It is held
    again afterwards, and dead: what does not die by itself is killed. Cancelled, it is
    held, and may still be alive."""
    log = cluster.node(node).log_file
    before = log.stat().st_size if log.exists() else 0
    has_started = has_died = False
    cluster.release(node)
    try:
        with trio.move_on_after(START_WITHIN_S):
            await wait_until(lambda: cluster.pid(node) is not None)
            has_started = True
    finally:
        cluster.hold(node)
    if has_started:
        with trio.move_on_after(DEATH_WITHIN_S):
            await cluster.wait_dead(node)
            has_died = True
    await kill(cluster, [node])
    return Attempt(
        has_started=has_started, has_died=has_died, said=read_from(log, before)
    )


def is_stopped(pid: int | None) -> bool:
    """Whether a signal has stopped this process, so that it cannot do anything."""
    try:
        return pid is not None and psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def read_from(log: Path, offset: int) -> str:
    """What came into a log file after ``offset``."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            return str(file.read().decode(errors="replace"))
    except OSError:
        return ""
