"""Crashes, torn writes, cuts and losses at random; a seed repeats a run exactly.

Disks lose what was not synced, links lose frames, nodes die in the middle of a step.
Whatever happens: no answered command is lost, no refused one is applied, all nodes
apply the same, a term has one leader, and what was answered before a command was
proposed stands before it in the log.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from chaos.sim.disk import PowerCut
from raftleader.errors import RaftLeaderError
from raftleader.replication.local_cluster import Applied, LocalNode

FAULTY_S = 4.0
OPERATIONS_MEAN = 500
"""Writes and syncs of a disk between two power cuts."""
NEVER = 10**9
NODE_IDS = ("n1", "n2", "n3")
FAULTS = ["crash", "crash all", "cut", "isolate", "silence", "stall", "drop", "delay"]


@attrs.define
class Record:
    """What happened, and the checks that need no waiting."""

    entries: dict[int, Applied] = attrs.field(factory=dict)
    leaders: dict[int, str] = attrs.field(factory=dict)
    answered: dict[bytes, int] = attrs.field(factory=dict)
    refused: set[bytes] = attrs.field(factory=set)
    last_answered: int = 0
    digest: Any = attrs.field(factory=hashlib.sha256)

    def note(self, *what: object) -> None:
        self.digest.update(repr((round(trio.current_time(), 9), *what)).encode())

    def on_apply(self, node_id: str, entry: Applied) -> object:
        self.note("apply", node_id, entry)
        assert self.entries.setdefault(entry.index, entry) == entry
        return entry.index

    def on_leadership(self, node: LocalNode) -> None:
        leadership = node.log.leadership
        if leadership.leading:
            leader = self.leaders.setdefault(leadership.term, node.node_id)
            assert leader == node.node_id, f"two leaders in term {leadership.term}"

    def on_answer(self, command: bytes, index: int, *, floor: int) -> None:
        self.note("answer", command, index)
        assert index > floor, "an earlier answer stands after this one"
        self.answered[command] = index
        self.last_answered = max(self.last_answered, index)


async def propose_now_and_then(lab: Any, record: Record, name: str) -> None:
    rng = random.Random(f"{lab.seed}/{name}")
    for number in range(10_000):
        await trio.sleep(rng.uniform(0.0, 0.02))
        nodes = [lab.cluster.nodes[node_id] for node_id in NODE_IDS]
        for node in nodes:
            record.on_leadership(node)
        # Whoever believes to lead, deposed or not; and now and then somebody else.
        leading = [node for node in nodes if node.log.leadership.leading]
        node = rng.choice(leading if leading and rng.random() < 0.95 else nodes)
        command = f"{name}/{number}".encode()
        floor = record.last_answered
        try:
            index = await node.log.propose(command, timeout_s=rng.choice([0.02, 1.0]))
        except RaftLeaderError as error:
            if error.definite:
                record.refused.add(command)
        else:
            record.on_answer(command, index, floor=floor)


async def break_things(lab: Any, record: Record, rng: random.Random) -> None:
    """Faults follow each other quickly, and half of them are soon repaired."""
    while True:
        await trio.sleep(rng.uniform(0.02, 0.4))
        for node_id, node in sorted(lab.cluster.nodes.items()):
            assert node.failure is None or isinstance(node.failure, PowerCut)
            if not node.is_running and rng.random() < 0.8:
                await lab.cluster.start(node_id)
                cut_power_some_time(lab, node_id, rng)
        if rng.random() < 0.5:
            lab.plan.heal_all()
        one, other = rng.sample(NODE_IDS, 2)
        leading = [n.node_id for n in lab.cluster.running if n.log.leadership.leading]
        if leading and rng.random() < 0.5:
            one = leading[0]
            other = rng.choice(lab.others(one))
        kind = rng.choice(FAULTS)
        record.note(kind, one, other)
        if kind == "crash" and lab.cluster.nodes[one].is_running:
            await lab.cluster.crash(one)
        elif kind == "crash all" and rng.random() < 0.3:
            await lab.cluster.crash()
        elif kind == "cut":
            lab.plan.cut(one, other)
        elif kind == "isolate":
            lab.isolate(one)
        elif kind == "silence":
            lab.plan.silence(one, other)
        elif kind == "stall":
            lab.plan.half_open(one, other)
        elif kind == "drop":
            lab.plan.drop(one, other, probability=rng.choice([0.01, 0.3]))
        elif kind == "delay":
            lab.plan.delay(one, other, delay_s=(0.0, rng.choice([0.01, 0.2])))


def cut_power_some_time(lab: Any, node_id: str, rng: random.Random) -> None:
    lab.disks[node_id].cut_power_in(1 + round(rng.expovariate(1 / OPERATIONS_MEAN)))


async def run_one(laboratory: Any, seed: int) -> Record:
    record = Record()
    rng = random.Random(seed)
    async with laboratory(seed=seed) as lab:
        lab.cluster._on_apply = record.on_apply
        await lab.cluster.start()
        for node_id in NODE_IDS:
            cut_power_some_time(lab, node_id, rng)
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(propose_now_and_then, lab, record, name)
            nursery.start_soon(break_things, lab, record, rng)
            await trio.sleep(FAULTY_S)
            nursery.cancel_scope.cancel()

        for disk in lab.disks.values():
            disk.cut_power_in(NEVER)
        lab.plan.heal_all()
        for node_id, node in sorted(lab.cluster.nodes.items()):
            if not node.is_running:
                await lab.cluster.start(node_id)
        await commit_the_end(lab)
        await lab.cluster.settle(timeout_s=5)
        for node in lab.cluster.running:
            assert len(lab.cluster.running) == 3
            check_final(node, record)
    return record


async def commit_the_end(lab: Any) -> None:
    """The whole network works again: soon one leader is there to stay."""
    with trio.fail_after(10):
        for attempt in range(1000):
            leader = await lab.cluster.leader(timeout_s=5)
            try:
                await leader.log.propose(b"the end %d" % attempt, timeout_s=5)
            except RaftLeaderError:
                continue  # it was deposed in the cut, and has just heard of it
            return


def check_final(node: LocalNode, record: Record) -> None:
    indexes = [entry.index for entry in node.applied]
    assert indexes == sorted(set(indexes)), "an index was applied twice"
    assert node.applied == [record.entries[index] for index in indexes]
    at = {entry.data: entry.index for entry in node.applied}
    assert len(at) == len(node.applied), "a command was applied twice"
    for command, index in record.answered.items():
        assert at.get(command) == index, f"{command!r} was answered and is lost"
    assert not record.refused & at.keys(), "a refused command was applied"


@contextmanager
def _repeatable(seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockClock]:
    """Trio shuffles its tasks; here it does so by the seed."""
    import trio._core._run as scheduler

    monkeypatch.setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkeypatch.setattr(scheduler, "_r", random.Random(seed))
    try:
        yield MockClock(autojump_threshold=0)
    except BaseException:
        print(f"seed {seed}")
        raise


def run_seed(laboratory: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> Record:
    with _repeatable(seed, monkeypatch) as clock:
        return trio.run(run_one, laboratory, seed, clock=clock)


@pytest.mark.parametrize("seed", range(1, 9))
def test_random_faults_break_no_promise(
    laboratory: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_seed(laboratory, seed, monkeypatch)
    assert record.answered, "nothing happened that could prove anything"


def test_random_faults_repeat_by_their_seed(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for _ in range(2):
        digests.add(run_seed(laboratory, 7, monkeypatch).digest.hexdigest())
    assert len(digests) == 1
