"""The collector in a process with an event loop."""

from __future__ import annotations

import gc

import trio

from raftleader.garbage import (
    YOUNG_INTERVAL_S,
    collect_young,
    tuned_garbage_collection,
)


class Node:
    """Something that can be in a cycle."""

    alive = 0

    def __init__(self) -> None:
        self.itself = self
        Node.alive += 1

    def __del__(self) -> None:
        Node.alive -= 1


async def test_young_garbage_goes_though_few_objects_were_made(
    autojump_clock: trio.testing.MockClock,
) -> None:
    Node.alive = 0
    with tuned_garbage_collection():
        for _ in range(10):
            Node()
        assert Node.alive == 10  # far from the threshold
        with trio.move_on_after(1.5 * YOUNG_INTERVAL_S):
            await collect_young()
    assert Node.alive == 0


def test_full_collections_are_as_good_as_off_and_put_back() -> None:
    before = gc.get_threshold()
    with tuned_garbage_collection():
        assert gc.get_threshold()[2] >= 1_000_000
    assert gc.get_threshold() == before
