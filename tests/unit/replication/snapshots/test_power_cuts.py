"""The power goes in every single operation of a store's life."""

from __future__ import annotations

import contextlib
import random

import pytest

from chaos.sim.disk import PowerCut, SimDisk
from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.snapshots import SnapshotStore

MEMBERS = Configuration(peers=(Peer(node_id="n1", address="h:1"),))
STATES = {index: random.Random(index).randbytes(150_000) for index in (1, 2, 3, 4)}


def _sent() -> dict[int, SnapshotMeta]:
    """The metas under which the states are sent."""
    store = SnapshotStore(SimDisk(random.Random(0)), "other", cluster_id="c")
    metas = {}
    for index, data in STATES.items():
        writer = store.begin(index, 1, MEMBERS)
        writer.write(data)
        metas[index] = writer.finish()
    return metas


METAS = _sent()


class _Life:
    """What a node does with its store; ``finished`` is what it may rely on."""

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk
        self.finished = 0

    def open(self) -> SnapshotStore:
        store = SnapshotStore(self.disk, "node/snapshots", cluster_id="c")
        newest = store.newest()
        index = 0 if newest is None else newest.index
        assert self.finished <= index
        self.finished = index
        if newest is not None:
            assert newest == METAS[index]
            assert b"".join(store.chunks(newest, 65_536)) == STATES[index]
        assert store.problems == ()
        return store

    def go_on(self) -> None:
        store = self.open()
        for index in range(self.finished + 1, len(STATES) + 1):
            meta, data = METAS[index], STATES[index]
            if index % 2:
                writer = store.begin(index, 1, MEMBERS)
                for at in range(0, len(data), 60_000):
                    writer.write(data[at : at + 60_000])
                writer.finish()
            else:
                offset = store.receive(meta, 0, b"")
                while offset < meta.size_bytes:
                    piece = data[offset : offset + 40_000]
                    offset = store.receive(meta, offset, piece)
                store.complete(meta)
            self.finished = index


def _operations() -> int:
    """How many there are if nothing happens."""
    disk = SimDisk(random.Random(0))
    _Life(disk).go_on()
    assert disk.operations > 30
    return disk.operations


@pytest.mark.parametrize("dies", ["power", "process", "process, then power", "twice"])
def test_store_never_loses_a_finished_snapshot(dies: str) -> None:
    for seed in range(8):
        for operation in range(1, _operations() + 1):
            disk = SimDisk(random.Random(seed))
            life = _Life(disk)
            disk.cut_power_in(operation)
            with pytest.raises(PowerCut):
                life.go_on()
            if dies == "twice":
                disk.crash()
                disk.cut_power_in(1 + operation % 5)
                with contextlib.suppress(PowerCut):
                    life.go_on()
                disk.restore_power()
            if dies.startswith("process"):
                disk.restore_power()
                life.open()
            if dies != "process":
                disk.crash()
            life.go_on()
            assert life.finished == max(STATES)
            disk.crash()
            life.open()
            assert disk.list("node/snapshots") == ["snapshot-4-1"]
