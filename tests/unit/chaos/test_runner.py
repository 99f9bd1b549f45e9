"""Many seeds in processes of their own: none is forgotten, whatever becomes of it."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.fake_simulation import (
    DIFFERING,
    DYING,
    HANGING,
    UNKNOWN,
    VIOLATING,
    simulate,
)

from chaos.sim.commands import (
    ReplayRequest,
    SimRequest,
    parse_seeds,
    run_replay,
    run_sim,
)
from chaos.sim.levels import Simulation
from chaos.sim.runner import WorkerBrokenError
from chaos.sim.worker import decode_report, encode_report
from raftleader.cli.exit_codes import sole_error
from raftleader.cli.output import Output
from raftleader.errors import ConfigError

TESTS = str(Path(__file__).parents[2])
FAKE = SimRequest(
    seeds="0:4", jobs=2, function="support.fake_simulation:simulate", seconds=30.0
)


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the processes that run the seeds."""
    monkeypatch.setenv("PYTHONPATH", TESTS)


@attrs.frozen
class Done:
    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


async def run(request: SimRequest, *, as_json: bool = True) -> Done:
    out, err = io.StringIO(), io.StringIO()
    code = await run_sim(request, Output(as_json=as_json, out=out, err=err))
    return Done(code, out.getvalue(), err.getvalue())


async def test_seeds_are_all_run_and_counted() -> None:
    done = await run(FAKE)
    assert done.exit_code == 0
    found = done.json
    assert list(found)[:9] == [
        "engine",
        "level",
        "seeds",
        "unknown",
        "violations",
        "sim_seconds_per_second",
        "elections",
        "acked",
        "crashes",
    ]
    assert (found["engine"], found["level"]) == ("raft", "fast")
    assert (found["seeds"], found["unknown"], found["violations"]) == (4, 0, [])
    assert (found["elections"], found["acked"], found["crashes"]) == (8, 40, 4)
    assert found["sim_seconds_per_second"] > 0
    assert found["is_complete"] is True
    assert found["coverage"]["crash"] == 4
    assert found["coverage"]["drop"] == 0


async def test_violation_is_shown_with_the_command_that_replays_it() -> None:
    done = await run(attrs.evolve(FAKE, seeds="6:9", mutant="m", seed_s_max=1.0))
    assert done.exit_code == 1
    by_seed = {one["seed"]: one for one in done.json["violations"]}
    assert sorted(by_seed) == [HANGING, VIOLATING]
    assert by_seed[VIOLATING] == {
        "seed": VIOLATING,
        "checker": "log",
        "at_s": 3.25,
        "message": "an entry is lost",
    }
    assert by_seed[HANGING]["checker"] == "worker"
    assert by_seed[HANGING]["message"] == "no end after 1 s"
    table = await run(attrs.evolve(FAKE, seeds="8", mutant="m"), as_json=False)
    replay = "replay: raftleader chaos replay 8 --level fast --seconds 30 --mutant m"
    assert replay in table.out.splitlines()
    assert table.out.splitlines()[-1] == "invalid"


async def test_process_that_dies_costs_its_seed_alone_and_names_it() -> None:
    done = await run(attrs.evolve(FAKE, seeds="3:6", jobs=1))
    assert done.exit_code == 1
    assert done.json["seeds"] == 3
    (violation,) = done.json["violations"]
    assert violation["seed"] == DYING
    assert violation["message"].startswith("the process died: signal SIGKILL\n")
    assert violation["message"].endswith("\na last word")
    after = await run(attrs.evolve(FAKE, seeds="5:12", jobs=1, seed_s_max=1.0))
    assert after.json["seeds"] == 7
    assert {one["seed"] for one in after.json["violations"]} == {5, 6, 8}


async def test_two_runs_of_a_seed_that_differ_are_a_violation() -> None:
    done = await run(attrs.evolve(FAKE, seeds="9:14", is_twice=True))
    assert done.exit_code == 1
    (violation,) = done.json["violations"]
    assert (violation["seed"], violation["checker"]) == (DIFFERING, "determinism")
    assert done.json["repeated"] == 5
    once = await run(attrs.evolve(FAKE, seeds="9:14"))
    assert once.json["violations"] == []


async def test_process_lost_in_the_second_run_is_a_violation_too() -> None:
    done = await run(attrs.evolve(FAKE, seeds="5", is_twice=True))
    assert [one["checker"] for one in done.json["violations"]] == ["worker"]


async def test_too_many_runs_that_show_too_little_are_not_a_pass() -> None:
    few = await run(attrs.evolve(FAKE, seeds="10:12"))
    assert few.exit_code == 0
    many = await run(attrs.evolve(FAKE, seeds="10:12"), as_json=False)
    assert "valid" in many.out.splitlines()[-1]
    done = await run(attrs.evolve(FAKE, seeds=f"{UNKNOWN}"))
    assert done.exit_code == 2
    assert done.json["unknown"] == 1
    assert done.json["unknown_seeds"] == [UNKNOWN]
    table = await run(attrs.evolve(FAKE, seeds=f"{UNKNOWN}"), as_json=False)
    assert "too little in 1 seeds: no leader changed" in table.out
    assert table.out.splitlines()[-1] == "unknown"


async def test_minutes_end_a_campaign_that_is_then_not_complete() -> None:
    request = attrs.evolve(FAKE, seeds="0:4", mutant="slow", jobs=1)
    done = await run(attrs.evolve(request, minutes=1.0 / 60))
    assert done.exit_code == 0
    assert 0 < done.json["seeds"] < 4
    assert done.json["is_complete"] is False


async def test_signal_shows_what_was_seen_and_says_that_it_is_partial() -> None:
    results: list[Done] = []

    async def campaign() -> None:
        request = attrs.evolve(FAKE, seeds="0:4", mutant="slow", jobs=1)
        results.append(await run(request, as_json=False))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(campaign)
            await trio.sleep(1.0)
            os.kill(os.getpid(), signal.SIGINT)
    (done,) = results
    assert done.exit_code == 130
    assert "a partial result: not all seeds were run" in done.out.splitlines()


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (SimRequest(seeds="5:5"), "--seeds: 5:5 is empty"),
        (SimRequest(seeds="a:b"), "--seeds: 'a:b' is not A:B"),
        (SimRequest(seeds="-3:5"), "--seeds: '-3:5' is not A:B"),
        (SimRequest(seeds="0:99999999999999999999"), "--seeds: a seed is less than"),
        (SimRequest(seeds="1:2", minutes=0.0), "--minutes: must be more than 0"),
        (SimRequest(seeds="1:2", seconds=0.0), "--seconds: a run is 1 to 86400"),
        (SimRequest(seeds="1:2", seconds=float("nan")), "--seconds: a run is 1 to"),
        (
            SimRequest(seeds="1:2", engine="pysyncobj"),
            "--level fast --engine pysyncobj: there is no such simulation; possible "
            "are fast with raft, whole with raft, whole with pysyncobj",
        ),
        (attrs.evolve(FAKE, mutant="none such"), "there is no mutant 'none such'"),
    ],
)
async def test_mistake_is_a_configuration_error(
    request_: SimRequest, problem: str
) -> None:
    with pytest.raises((ConfigError, ExceptionGroup)) as raised:
        await run(request_)
    error = sole_error(raised.value)
    assert isinstance(error, ConfigError)
    assert problem in str(error)


async def test_simulation_that_cannot_start_ends_the_campaign_at_once() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await run(attrs.evolve(FAKE, function="support.nowhere:simulate"))
    error = sole_error(raised.value)
    assert isinstance(error, WorkerBrokenError)
    assert "No module named 'support.nowhere'" in str(error)


def test_seeds_are_a_half_open_range_or_one() -> None:
    assert parse_seeds("3:7") == range(3, 7)
    assert parse_seeds("44") == range(44, 45)


def test_report_is_the_same_on_the_other_side() -> None:
    for seed in (0, UNKNOWN, VIOLATING):
        report = simulate(seed)
        assert decode_report(json.loads(json.dumps(encode_report(report)))) == report


def test_simulation_as_arguments_leaves_out_what_is_the_default() -> None:
    assert Simulation().arguments() == ["--level", "fast"]
    whole = Simulation(level="whole", engine="pysyncobj", seconds=12.5, mutant="x")
    text = "--level whole --engine pysyncobj --seconds 12.5 --mutant x"
    assert " ".join(whole.arguments()) == text


@pytest.mark.parametrize(("seed", "code"), [(1, 0), (VIOLATING, 1), (UNKNOWN, 2)])
def test_replay_says_all_and_writes_the_trace(
    seed: int, code: int, tmp_path: Path
) -> None:
    out = io.StringIO()
    trace = tmp_path / "trace"
    request = ReplayRequest(seed=seed, function=FAKE.function, trace=trace)
    assert run_replay(request, Output(out=out)) == code
    assert f"options of {seed}" in out.getvalue()
    lines = [f"{seed} does step {step}" for step in range(5)]
    assert trace.read_text() == "".join(f"{line}\n" for line in lines)
    out, err = io.StringIO(), io.StringIO()
    request = attrs.evolve(request, trace=Path("-"))
    assert run_replay(request, Output(out=out, err=err)) == code
    assert out.getvalue() == trace.read_text()
    assert f"seed {seed}" in err.getvalue()


def test_replay_as_json_keeps_standard_output_for_it(tmp_path: Path) -> None:
    out = io.StringIO()
    request = ReplayRequest(seed=3, function=FAKE.function, trace=tmp_path / "t")
    assert run_replay(request, Output(as_json=True, out=out)) == 0
    assert json.loads(out.getvalue())["seed"] == 3
    with pytest.raises(ConfigError, match="--trace -"):
        run_replay(attrs.evolve(request, trace=Path("-")), Output(as_json=True))
