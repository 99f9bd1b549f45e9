"""A PySyncObj cluster of one: its own disk is the majority."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from raftleader.errors import ConfigError, InvalidInputError
from raftleader.replication.interface import Applier
from raftleader.replication.local_cluster import CrashableLog, LocalCluster
from raftleader.replication.pysyncobj_backend import PySyncObjLog
from raftleader.replication.settings import RaftSettings
from transports.memory import MemoryNetwork


def make_log(directory: Path, applier: Applier, node_id: str = "n1") -> PySyncObjLog:
    return PySyncObjLog(
        cluster_id="c",
        node_id=node_id,
        members={"n1": "mem://n1"},
        transport=MemoryNetwork(rng=random.Random(1)).transport(node_id),
        journal_path=directory / node_id,
        applier=applier,
        rng=random.Random(1),
        settings=RaftSettings(entry_bytes_max=1000),
    )


async def test_lone_member_leads_and_keeps_what_it_answered(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def make(_node_id: str, applier: Applier) -> CrashableLog:
        return make_log(tmp_path, applier)

    async with trio.open_nursery() as nursery:
        cluster = LocalCluster(nursery, ["n1"], make)
        for life in range(3):
            await cluster.start()
            node = await cluster.leader(timeout_s=2)
            await node.log.propose(b"%d" % life, timeout_s=1)
            assert node.commands == [b"%d" % number for number in range(life + 1)]
            await cluster.crash()


async def test_entry_over_the_limit_is_refused_by_name(tmp_path: Path) -> None:
    log = make_log(tmp_path, lambda index, term, data: None)
    with pytest.raises(InvalidInputError, match="data: 1001 bytes; the limit is 1000"):
        await log.propose(bytes(1001), timeout_s=1)


def test_node_that_is_no_member_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="members does not name this node, 'n2'"):
        make_log(tmp_path, lambda index, term, data: None, node_id="n2")
