"""Faults of a test, on a world without processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from support.fake_world import FakeJournal, FakeNemesis, fake_world

from chaos.history.records import FaultPhase, FaultRecord
from chaos.live.atlas import Shape
from chaos.live.faults import Fault
from chaos.live.seams import Nemesis
from chaos.testing.errors import NemesisError
from chaos.testing.faults import Faults
from raftleader.cli.api_client import open_api_client
from raftleader.framework.nursery import open_plain_nursery


@attrs.define
class Scene:
    faults: Faults
    nemesis: FakeNemesis
    journal: FakeJournal
    problems: list[str]

    @property
    def phases(self) -> list[tuple[int, str, FaultPhase]]:
        return [
            (one.id, one.fault, one.phase)
            for one in self.journal.records
            if isinstance(one, FaultRecord)
        ]


@asynccontextmanager
async def scene(folder: Path, **options: Any) -> AsyncIterator[Scene]:
    nemesis = FakeNemesis()
    problems: list[str] = []

    def find() -> Mapping[Fault, Nemesis]:
        return dict.fromkeys(Fault, nemesis)

    find_nemeses: Callable[[], Mapping[Fault, Nemesis]] = find
    async with open_api_client([]) as client, open_plain_nursery() as nursery:
        world = fake_world(folder, client)
        assert isinstance(world.journal, FakeJournal)
        shape = Shape(leaders=3, agents=2, frameworks=0)
        faults = Faults(
            world=world,
            seed=7,
            find_nemeses=find_nemeses,
            nursery=nursery,
            problems=problems,
            violations=[],
            **{"shape": shape, "has_clocks": False, **options},
        )
        yield Scene(faults, nemesis, world.journal, problems)
        nursery.cancel()


async def test_fault_is_healed_after_its_time(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as made:
        held = await made.faults.inject("kill", "leader", 3.0)
        assert held.injection.fault is Fault.KILL
        assert not await made.faults.wait_healed(held, 2.9)
        assert await made.faults.wait_healed(held, 0.2)
        assert made.phases == [
            (1, "kill", FaultPhase.INJECT),
            (1, "kill", FaultPhase.HEAL),
        ]
        assert made.faults.wounds == 1


async def test_fault_without_a_time_is_healed_when_it_is_asked_to_and_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as made:
        held = await made.faults.inject("kill", None, None)
        assert not await made.faults.wait_healed(held, 1000.0)
        await made.faults.heal(held)
        await made.faults.heal(held)
        await made.faults.heal_all()
        assert made.nemesis.healed == [1]


async def test_everything_is_healed_in_the_end_also_when_it_is_cut_short(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as made:
        made.nemesis.heal_s = 2.0
        await made.faults.inject("kill", None, None)
        await made.faults.inject("kill", None, 60.0)
        await made.faults.heal_all()
        assert sorted(made.nemesis.healed) == [1, 2]
        await made.faults.inject("kill", None, None)
    assert sorted(made.nemesis.healed) == [1, 2, 3]


async def test_fault_that_cannot_be_made_says_why_and_is_recorded(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as made:
        with pytest.raises(NemesisError, match="pause: nobody leads; `raftleader chao"):
            await made.faults.inject("pause", "leader", 1.0)
        assert made.phases == [(1, "pause", FaultPhase.IMPOSSIBLE)]


@pytest.mark.parametrize(
    ("fault", "options", "words"),
    [
        ("partition", {}, r'stands on loopback; it takes .*network="proxies"'),
        ("loss", {}, "a network of its own .*: raftleader chaos live"),
        ("clock-jump", {}, r"unless the cluster has .*\(clocks=True\)"),
        ("framework-kill", {}, "no processes of frameworks"),
        ("power-cut", {}, "file systems of the run's own: raftleader chaos live"),
        (
            "transfer",
            {"shape": Shape(leaders=1, agents=1, frameworks=0)},
            "it takes three leader nodes",
        ),
    ],
)
async def test_fault_that_the_cluster_has_not_the_means_for_says_what_it_takes(
    tmp_path: Path, fault: str, options: dict[str, Any], words: str
) -> None:
    async with scene(tmp_path, **options) as made:
        with pytest.raises(NemesisError, match=words):
            await made.faults.inject(fault, None, None)
        assert made.phases == []


async def test_a_name_that_was_not_hit_is_an_error_and_nothing_stays_broken(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as made:
        with pytest.raises(NemesisError, match="leader-2 cannot be hit: is it dead"):
            await made.faults.inject("kill", "leader-2", None)
        assert made.nemesis.healed == [1]
        held = await made.faults.inject("kill", "leader-1", None)
        assert held.wound.targets == ("leader-1",)


async def test_fault_that_cannot_be_healed_is_told_to_whoever_heals_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as made:
        made.nemesis.heal_error = OSError(5, "Input/output error")
        held = await made.faults.inject("kill", None, None)
        with pytest.raises(NemesisError, match="could not be healed: OSError"):
            await made.faults.heal(held)
        assert len(made.problems) == 1
        made.nemesis.heal_error, made.nemesis.heal_s = None, 10_000.0
        held = await made.faults.inject("kill", None, None)
        with pytest.raises(NemesisError, match="not healed within 60 s"):
            await made.faults.heal(held)


async def test_what_a_nemesis_saw_broken_is_kept(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        made.nemesis.heal_detail = {"violation": "it went on"}
        await made.faults.heal(await made.faults.inject("kill", None, None))
        assert made.faults.violations == ["kill: it went on"]


async def test_schedule_makes_faults_until_it_is_ended(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as made:
        background = await made.faults.begin_schedule("kill", 10.0, 1000.0)
        await trio.sleep(35.0)
        await made.faults.end_schedule(background)
        assert 3 <= made.faults.wounds <= 5
        assert made.nemesis.healed == made.nemesis.injected
        assert len(background.injections) > 80
        await trio.sleep(100.0)
        assert made.faults.wounds == len(made.nemesis.injected)
        other = await made.faults.begin_schedule("kill", 10.0, 1000.0)
        assert other.injections[0].number > background.injections[-1].number
        await made.faults.heal_all()
        assert other.ended.is_set()


async def test_schedule_leaves_out_what_of_a_group_cannot_be_and_nothing_that_was_named(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as made:
        background = await made.faults.begin_schedule("process,network", 1.0, 100.0)
        faults = {one.fault for one in background.injections}
        assert Fault.KILL in faults
        assert not faults & {Fault.PARTITION, Fault.FRAMEWORK_KILL}
        with pytest.raises(NemesisError, match="partition: the cluster stands on"):
            await made.faults.begin_schedule("kill,partition", 1.0, 100.0)
        with pytest.raises(NemesisError, match="nothing of 'network' can be made"):
            await made.faults.begin_schedule("network", 1.0, 100.0)
        with pytest.raises(NemesisError, match="every_s: expected more than 0"):
            await made.faults.begin_schedule("kill", 0.0, 100.0)
        await made.faults.heal_all()
