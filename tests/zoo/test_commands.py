"""``raftleader chaos zoo``: what it prints, and with which exit code it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from chaos.machine.capabilities import Ability, Capability, Machine
from chaos.zoo.catalog import BY_NAME, MUTANTS
from chaos.zoo.commands import NOT_ASKED, ZooRequest, measured_of, plan, run_zoo
from chaos.zoo.entry import Level
from chaos.zoo.hunting import Found
from chaos.zoo.measured import APART, Measured, keep, kept, starts
from chaos.zoo.showing import Result, show
from raftleader.cli.output import Output
from raftleader.errors import ConfigError


def machine_without(*abilities: Ability) -> Machine:
    return Machine(
        tuple(
            Capability(
                ability=one,
                is_there=one not in abilities,
                used_for="",
                why="forbidden",
            )
            for one in Ability
        )
    )


async def zoo(request: ZooRequest, *, as_json: bool = True) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = await run_zoo(request, Output(as_json=as_json, out=out, err=err))
    return code, out.getvalue(), err.getvalue()


async def test_zoo_shows_who_caught_a_mutant() -> None:
    code, out, _ = await zoo(ZooRequest(mutant="drop-an-offer"), as_json=False)
    assert code == 0
    assert "drop-an-offer  P2       fast   P2 offers survive or are rescinded" in out
    assert "example: raftleader chaos replay " in out
    assert "1 of 1 were caught" in out


async def test_zoo_says_the_same_as_json() -> None:
    request = ZooRequest(mutant="never-sync", start=1)
    code, out, err = await zoo(request)
    document: dict[str, Any] = json.loads(out)
    assert code == 0
    assert document["verdict"] == "valid"
    assert document["is_complete"] is True
    (hunt,) = document["hunts"]
    assert hunt["checker"] == "what was told is on disk"
    assert hunt["seeds_taken"] == hunt["seed"]
    assert hunt["usually"] >= 1
    (left,) = document["not_run"]
    assert left == {
        "mutant": "never-sync",
        "level": "live",
        "why": NOT_ASKED,
    }
    assert "not run: never-sync, live: real processes" in err


def test_mutant_that_is_not_caught_is_shown_and_costs_the_exit_code() -> None:
    mutant = BY_NAME["skip-the-term-check"]
    hunt = mutant.hunts[0]
    missed = Found(mutant=mutant, hunt=hunt, start=1, took=9, wall_s=1.0)
    caught = attrs.evolve(missed, took=3, seed=3, checker="it")
    result = Result(found=[caught, missed], left=[], measured={}, start=1)
    assert result.exit_code == 1
    assert result.as_json()["verdict"] == "invalid"
    assert attrs.evolve(result, found=[caught]).exit_code == 0
    assert attrs.evolve(result, found=[]).exit_code == 1
    assert attrs.evolve(result, is_complete=False).exit_code == 130
    out = io.StringIO()
    show(result, Output(out=out, err=out))
    assert "NOT CAUGHT" in out.getvalue()
    assert f"not caught: skip-the-term-check, fast: {mutant.rule}" in out.getvalue()
    assert "1 of 2 were caught, in 2 s" in out.getvalue()


async def test_zoo_refuses_a_mutant_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="did you mean drop-an-offer"):
        await zoo(ZooRequest(mutant="drop-offer"))
    with pytest.raises(ConfigError, match="--tries: expected 1 to"):
        await zoo(ZooRequest(tries=0))


def test_plan_begins_with_what_takes_longest() -> None:
    jobs, left = plan(ZooRequest(), machine_without())
    levels = [job.hunt.level for job in jobs]
    assert levels[0] is Level.WHOLE
    assert levels[-1] is Level.LIVE
    assert len(jobs) == sum(len(one.hunts) for one in MUTANTS)
    assert left == []


def test_plan_leaves_out_what_the_machine_lacks_and_says_so() -> None:
    machine = machine_without(Ability.LOOP_EXT4)
    _, left = plan(ZooRequest(mutant="never-sync"), machine)
    (one,) = left
    assert one.hunt.level is Level.LIVE
    assert "loop-ext4" in one.why
    assert "forbidden" in one.why


def test_plan_of_a_measurement_has_series_apart() -> None:
    jobs, _ = plan(ZooRequest(mutant="drop-an-offer", is_measuring=True), None)
    assert [job.start for job in jobs] == [1 + number * APART for number in range(5)]


def test_measured_figures_come_back_as_they_were_kept(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    rows = {
        ("forget-the-vote", Level.FAST): Measured(
            mutant="forget-the-vote", level="fast", took=(3, None, 1), tries=9
        ),
        ("gone-by-now", Level.FAST): Measured(
            mutant="gone-by-now", level="fast", took=(1,), tries=9
        ),
    }
    keep(rows, MUTANTS, path)
    (one,) = kept(path).values()
    assert (one.median, one.most, one.words) == (3, 3, "3")
    assert Measured(mutant="", level="fast", took=(None, 1, None), tries=9).words == (
        "> 9"
    )
    with pytest.raises(ConfigError, match=r"measured\.json"):
        kept(tmp_path / "nowhere" / "measured.json")


def test_series_of_a_hunt_are_put_together() -> None:
    mutant = BY_NAME["drop-an-offer"]
    jobs, _ = plan(ZooRequest(mutant=mutant.name, is_measuring=True), None)
    found = [
        Found(
            mutant=mutant,
            hunt=job.hunt,
            start=job.start,
            took=took,
            wall_s=0.0,
            seed=seed,
        )
        for job, took, seed in zip(
            jobs, (1, 2, 200, 4, 5), (1, 1002, None, 3004, 4005), strict=True
        )
    ]
    (one,) = measured_of(jobs, found[::-1]).values()
    assert one.took == (1, 2, None, 4, 5)
    assert one.median == 4
    assert len(starts(mutant.hunts[0])) == 5
