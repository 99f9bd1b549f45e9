"""The power goes at every operation of the disk, and at every named point, in all a
member does; afterwards nothing that was answered is missing, and all logs agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raftleader.replication.raft.configuration import Peer
from raftleader.replication.raft.membership import AddLearner, Promote, Remove

World = Any
Scenario = Callable[[World, str], None]


def load(world: World, victim: str) -> None:
    """Entries in batches, with pauses."""
    for batch in range(5):
        propose(world, *(b"load %d.%d" % (batch, at) for at in range(4)))
        world.run(0.06)


def rolling(world: World, victim: str) -> None:
    """Entries that fill segments."""
    for at in range(6):
        propose(world, b"large %d " % at + b"." * 900)
        world.run(0.01)


def snapshots(world: World, victim: str) -> None:
    """Every few entries a snapshot, of several pieces."""
    for at in range(24):
        propose(world, b"entry %02d " % at + b"." * 300)
        world.run(0.01)


def installing(world: World, victim: str) -> None:
    """The victim misses so much that it needs a snapshot, and gets one."""
    world.isolate(victim)
    world.run(1.0, until=lambda: world.leader not in (None, victim))
    for at in range(20):
        propose(world, b"missed %d" % at)
        world.run(0.01)
    world.heal()
    world.run(1.0)
    propose(world, b"after")
    world.run(0.1)


def conflict(world: World, victim: str) -> None:
    """The victim has entries that nobody else has, and others took their places."""
    propose(world, b"before")
    world.run(0.06)
    world.isolate(victim)
    if world.leader == victim:
        propose(world, *(b"lost %d" % at for at in range(5)))
    world.settle()
    world.run(1.0, until=lambda: world.leader not in (None, victim))
    propose(world, *(b"instead %d" % at for at in range(3)))
    world.run(0.06)
    world.heal()
    world.run(1.0)


def membership(world: World, victim: str) -> None:
    """A fourth node comes, has a voice, and another one goes."""
    if "d" not in world.members:
        world.launch("d", world.peers("a", "b", "c"), is_joining=True)
    change(world, AddLearner(Peer(node_id="d", address="at-d", is_voter=False)))
    propose(world, b"four")
    world.run(0.3)
    change(world, Promote("d"))
    world.run(0.3)
    leaving = next(one for one in "abc" if one not in (victim, world.leader))
    change(world, Remove(leaving))
    propose(world, b"three")
    world.run(0.3)


SCENARIOS: dict[Scenario, dict[str, int]] = {
    load: {},
    rolling: {"segment_bytes": 2048},
    snapshots: {"snapshot_entries": 8, "keep_entries": 3, "segment_bytes": 2048},
    installing: {"snapshot_entries": 6, "keep_entries": 2, "segment_bytes": 2048},
    conflict: {},
    membership: {},
}


EXERCISED = {
    (snapshots, True): {"snapshots_taken": 2},
    (snapshots, False): {"snapshots_taken": 2},
    (installing, True): {"snapshots_installed": 1},
    (installing, False): {"snapshots_installed": 1},
    (conflict, True): {"truncations": 1},
    (membership, True): {"changes": 3},
}
"""What the victim must have done when nothing goes wrong."""


def propose(world: World, *datas: bytes) -> None:
    world.run(3.0, until=lambda: world.leader is not None)
    world.propose(*datas)


def change(world: World, wanted: object) -> None:
    """What fails or is lost at a crash is not asked for again: the end decides."""
    world.run(3.0, until=lambda: world.leader is not None)
    world.members[world.leader].change(wanted, lambda result, error: None)
    world.run(0.2)


def prepare(make_world: Callable[[], World], scenario: Scenario) -> World:
    world = make_world()
    world.options |= SCENARIOS[scenario]
    world.start_group("a", "b", "c")
    world.elect()
    return world


def victim_of(world: World, is_leader: bool) -> str:
    leader = world.leader
    return leader if is_leader else next(one for one in "abc" if one != leader)


def finish(world: World) -> None:
    """Everybody comes back; then everything must be as it was promised."""
    world.heal()
    world.run(1.0)
    propose(world, b"the end")
    world.run(2.0)
    assert b"the end" in world.answers.ok()
    members = world.members[world.leader].configuration.node_ids
    reference = world.machines[world.leader].applied
    for name in members:
        assert world.machines[name].applied == reference, name
        statistics = world.members[name].statistics()
        assert statistics.applied_index == statistics.commit_index
    datas = [data for _, data in reference]
    assert len(datas) == len(set(datas)), "an entry was applied twice"
    assert set(world.answers.ok()) <= set(datas), "an answered entry is lost"
    answered = [data for data in datas if data in world.answers.ok()]
    assert answered == world.answers.ok(), "answers in another order than the log"
    refused = {
        name
        for name, answer in world.answers.given.items()
        if isinstance(answer, Exception) and answer.definite  # type: ignore[attr-defined]
    }
    assert not refused & set(datas), "a refused entry was applied"


@pytest.mark.parametrize("shares_power", [False, True], ids=["alone", "all"])
@pytest.mark.parametrize("is_leader", [True, False], ids=["leader", "follower"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_member_loses_nothing_when_the_power_goes_at_any_operation(
    make_world: Callable[[], World],
    scenario: Scenario,
    is_leader: bool,
    shares_power: bool,
) -> None:
    world = prepare(make_world, scenario)
    victim = victim_of(world, is_leader)
    before = world.disks[victim].operations
    scenario(world, victim)
    operations = world.disks[victim].operations - before
    finish(world)
    assert operations >= 4
    for count, least in EXERCISED.get((scenario, is_leader), {}).items():
        assert world.members[victim].counts[count] >= least

    for operation in range(1, operations + 1):
        world = prepare(make_world, scenario)
        world.shares_power = shares_power
        world.disks[victim].cut_power_in(operation)
        scenario(world, victim)
        assert world.crashes == [victim]
        finish(world)


@pytest.mark.parametrize("is_leader", [True, False], ids=["leader", "follower"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_member_loses_nothing_when_it_stops_at_any_named_point(
    make_world: Callable[[], World],
    stopped: type[Exception],
    scenario: Scenario,
    is_leader: bool,
) -> None:
    def run(stop_at: tuple[str, int] | None) -> tuple[World, dict[str, int]]:
        world = prepare(make_world, scenario)
        victim = victim_of(world, is_leader)
        passed: dict[str, int] = {}

        def at_point(name: str, point: str) -> None:
            if name == victim:
                passed[point] = passed.get(point, 0) + 1
                if (point, passed[point]) == stop_at:
                    raise stopped(point)

        world.at_point = at_point
        scenario(world, victim)
        world.at_point = lambda name, point: None
        finish(world)
        return world, passed

    _, passed = run(None)
    assert {"before-sync", "after-sync", "before-apply", "after-apply"} <= passed.keys()
    for point, times in sorted(passed.items()):
        for time in sorted({1, 2, 3, times // 2, times}):
            if 1 <= time <= times:
                world, _ = run((point, time))
                assert len(world.crashes) == 1
