from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing
from support.fake_world import FakeJournal

from chaos.history.records import NodeSample
from chaos.live.seams import World
from chaos.live.watcher import OpCounter, Watcher


class Statuses:
    """Of each leader node by address; ``leader-3`` never answers in time."""

    def __init__(self) -> None:
        self.leading = "leader-1"
        self.term = 1
        self.asked = 0

    async def ask(self, address: str) -> dict[str, Any] | None:
        self.asked += 1
        name = address.partition(":")[0]
        if name == "leader-3":
            await trio.sleep(0.5)
            return None
        await trio.lowlevel.checkpoint()
        return {
            "leading": name == self.leading,
            "term": self.term,
            "leader": self.leading,
            "commit_index": round(trio.current_time() * 10),
            "applied_index": 3,
        }


async def test_a_sample_is_kept_when_something_turned_and_every_second(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    statuses = Statuses()
    watcher = Watcher(cluster=world.cluster, journal=world.journal, ask=statuses.ask)
    with trio.move_on_after(3.95):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            await trio.sleep(1.55)
            assert watcher.leader() == "leader-1"
            statuses.leading, statuses.term = "leader-2", 2
    assert watcher.leader() == "leader-2"
    assert isinstance(world.journal, FakeJournal)
    samples = [one for one in world.journal.records if isinstance(one, NodeSample)]
    of_first = [one for one in samples if one.node == "leader-1"]
    assert [(round(s.at_ns / 1e9, 1), s.role, s.term) for s in of_first] == [
        (0.0, "leader", 1),
        (1.0, "leader", 1),
        (1.6, "follower", 2),
        (2.6, "follower", 2),
        (3.6, "follower", 2),
    ]
    assert [one.is_up for one in samples if one.node == "leader-3"] == [False] * 4
    assert statuses.asked > 80


def test_operations_are_counted_as_files_grow(tmp_path: Path) -> None:
    counter = OpCounter(tmp_path)
    assert counter.count() == 0
    path = tmp_path / "churn-1.jsonl"
    path.write_bytes(b'{"kind":"op","type":"ok"}\n{"kind":"op","type":"invoke"}\n')
    assert counter.count() == 1
    with path.open("ab") as file:
        file.write(b'{"kind":"op","type":"ok"}\n{"kind":"op","ty')
    assert counter.count() == 2
    with path.open("ab") as file:
        file.write(b'pe":"ok"}\n')
    assert counter.count() == 3
