"""Nothing is said before what it promises is on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import OutcomeUnknownError
from raftleader.replication.old_journal import Journal
from raftleader.replication.local_cluster import LocalNode
from raftleader.replication.single_node import SingleNodeLog


class PowerCut(Exception):
    """The node lost its power before its disk took the write."""


class MortalJournal(Journal):
    """Loses what waits for ``sync`` at the first one after ``doom`` named its node."""

    doomed: set[str]

    def sync(self) -> None:
        if self.is_dirty and self.path.name in self.doomed:
            self.abandon()
            raise PowerCut
        super().sync()


@pytest.fixture
def doom(laboratory: Any) -> Callable[[str], None]:
    MortalJournal.doomed = set()
    return MortalJournal.doomed.add


def journal_of(lab: Any, node_id: str) -> list[bytes]:
    journal = Journal.open(lab.directory / node_id, cluster_id="c", node_id=node_id)
    journal.close()
    return [entry.data for entry in journal.entries]


async def test_follower_acknowledges_only_what_is_on_its_disk(
    laboratory: Any, doom: Callable[[str], None], autojump_clock: MockClock
) -> None:
    async with laboratory(open_journal=MortalJournal.open) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        gone, mortal = lab.others(leader.node_id)
        await lab.cluster.crash(gone)
        doom(mortal)
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"not on two disks", timeout_s=5)
        assert isinstance(lab.cluster.nodes[mortal].failure, PowerCut)
        assert leader.commands == []


async def test_leader_sends_only_what_is_on_its_disk(
    laboratory: Any, doom: Callable[[str], None], autojump_clock: MockClock
) -> None:
    async with laboratory(open_journal=MortalJournal.open) as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await leader.log.propose(b"before", timeout_s=5)
        doom(leader.node_id)
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"unsynced", timeout_s=5)
        assert isinstance(leader.failure, PowerCut)
        await lab.cluster.stop()
        for node_id in lab.cluster.nodes:
            assert b"\x00before" in journal_of(lab, node_id)
            assert b"\x00unsynced" not in journal_of(lab, node_id)


async def test_vote_is_on_the_disk_before_it_is_given(
    laboratory: Any, doom: Callable[[str], None], autojump_clock: MockClock
) -> None:
    async with laboratory(open_journal=MortalJournal.open) as lab:
        await lab.cluster.start("n1", "n2")
        leader = await lab.cluster.leader(timeout_s=5)
        term = leader.log.leadership.term
        (voter,) = {"n1", "n2"} - {leader.node_id}
        await lab.cluster.crash(leader.node_id)
        doom(voter)
        # Its own campaign wants a vote, and so does that of the one that returns.
        await lab.cluster.start(leader.node_id)
        await lab.cluster.nodes[voter].ended.wait()
        await trio.sleep(5)
        assert isinstance(lab.cluster.nodes[voter].failure, PowerCut)
        assert not lab.cluster.nodes[leader.node_id].log.leadership.leading
        assert lab.cluster.nodes[leader.node_id].log.leadership.term <= term + 1


async def test_failed_disk_stops_the_node_loudly(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)

        def failing(descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fdatasync", failing)
        with pytest.raises(OutcomeUnknownError):
            await leader.log.propose(b"x", timeout_s=5)
        assert isinstance(leader.failure, OSError)


@pytest.fixture
def syncs(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each fdatasync from now on."""
    done: list[int] = []
    monkeypatch.setattr(os, "fdatasync", done.append)
    return done


async def propose_many(node: LocalNode, count: int) -> None:
    async def propose(number: int) -> None:
        await node.log.propose(b"%d" % number, timeout_s=5)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(propose, number)


async def test_proposals_that_come_together_share_a_sync(
    laboratory: Any, syncs: list[int], autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        syncs.clear()
        await propose_many(leader, 1000)
        await lab.cluster.settle(timeout_s=5)
        assert len(leader.commands) == 1000
        assert 2 <= len(syncs) <= 6  # three nodes, in one or two batches


async def test_idle_cluster_writes_nothing(
    laboratory: Any, syncs: list[int], autojump_clock: MockClock
) -> None:
    async with laboratory() as lab:
        await lab.cluster.start()
        leader = await lab.cluster.leader(timeout_s=5)
        await lab.cluster.settle(timeout_s=5)
        size = leader.log.statistics().journal_bytes
        syncs.clear()
        await trio.sleep(30)
        assert syncs == []
        assert leader.log.statistics().journal_bytes == size


async def test_single_node_shares_a_sync_among_waiting_proposals(
    tmp_path: Path, syncs: list[int], autojump_clock: MockClock
) -> None:
    applied: list[bytes] = []
    log = SingleNodeLog("n1", tmp_path / "j", lambda i, t, data: applied.append(data))
    node = LocalNode("n1", log, [])
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        syncs.clear()
        await propose_many(node, 1000)
        assert len(applied) == 1000
        assert len(syncs) <= 2
        nursery.cancel_scope.cancel()
