"""The demo's verdict: whatever is not as promised must show."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from raftleader.cli.demo import DemoReport, report_of, show_report
from raftleader.cli.demo_kill import KillRecord, forgotten_offers
from raftleader.cli.demo_work import WordCount, runs_by_task
from raftleader.cli.output import Output
from raftleader.framework import ClusterExecutor
from raftleader.protocol.ids import OfferId

EXPECTED = Counter({"raft": 3, "log": 1})


def work(*problems: str) -> WordCount:
    done = WordCount(cast(ClusterExecutor, None), groups=[["a.py"], ["b.py"]])
    done.parts = [{"raft": 1, "log": 1}, {"raft": 2}]
    done.problems = list(problems)
    return done


def kill(**changes: Any) -> KillRecord:
    given: dict[str, Any] = {
        "leader": "leader-1",
        "successor": "leader-2",
        "leaderless_s": 0.31234,
        "offers_carried": 2,
        "problems": (),
    }
    return KillRecord(**given | changes)


def report(
    *,
    done: WordCount | None = None,
    kills: tuple[KillRecord, ...] = (),
    runs: Counter[str] | None = None,
    expected: Counter[str] = EXPECTED,
) -> DemoReport:
    return report_of(
        done or work(),
        kills,
        Counter({"000001": 1, "000002": 1}) if runs is None else runs,
        expected=expected,
        elapsed_s=12.34567,
    )


def test_report_of_a_run_as_promised_is_ok() -> None:
    found = report(kills=(kill(), kill(leaderless_s=0.5, offers_carried=1)))
    assert found == DemoReport(
        ok=True,
        tasks=2,
        failovers=2,
        leaderless_s=[0.312, 0.5],
        tasks_run_twice=0,
        offers_carried=[2, 1],
        elapsed_s=12.346,
        problems=[],
    )


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (report(done=work("a task failed: no")), "a task failed: no"),
        (report(expected=Counter({"raft": 3})), "the result is wrong: 1 words differ"),
        (
            report(expected=Counter({"raft": 4, "log": 1})),
            "the result is wrong: 1 words differ",
        ),
        (report(runs=Counter({"000001": 2, "000002": 1})), "1 tasks ran twice"),
        (report(runs=Counter({"000001": 1})), "1 tasks ran, not 2"),
        (
            report(kills=(kill(offers_carried=0),)),
            "kill 1 (leader-1): no offer was carried over",
        ),
        (
            report(kills=(kill(problems=("offer o-1 was forgotten",)),)),
            "kill 1 (leader-1): offer o-1 was forgotten",
        ),
    ],
)
def test_report_of_anything_else_is_not_ok_and_says_why(
    found: DemoReport, problem: str
) -> None:
    assert not found.ok
    assert found.problems == [problem]


def test_report_as_json_has_the_promised_keys_and_is_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    show_report(report(), Output(as_json=True, out=out, err=err))
    document = json.loads(out.getvalue())
    assert list(document) == [
        "ok",
        "tasks",
        "failovers",
        "leaderless_s",
        "tasks_run_twice",
        "offers_carried",
        "elapsed_s",
        "problems",
    ]
    assert err.getvalue() == ""


def test_report_as_table_names_problems_on_standard_error() -> None:
    out, err = io.StringIO(), io.StringIO()
    show_report(report(runs=Counter()), Output(out=out, err=err))
    assert "all as promised" in out.getvalue()
    assert err.getvalue() == "problem: 0 tasks ran, not 2\n"


def test_runs_are_counted_by_piece_of_work_over_its_attempts(tmp_path: Path) -> None:
    log = tmp_path / "executions"
    assert runs_by_task(log) == Counter()
    log.write_text("000001 17\n000002 18\n000002.1 19\n")
    assert runs_by_task(log) == {"000001": 1, "000002": 2}


async def test_offer_that_a_framework_lets_go_is_not_forgotten(
    autojump_clock: trio.testing.MockClock,
) -> None:
    held = {OfferId("o-1"), OfferId("o-2")}

    async def let_go() -> None:
        await trio.sleep(1)
        held.discard(OfferId("o-1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(let_go)
        found = await forgotten_offers({OfferId("o-1")}, lambda: held)
    assert found == set()
    assert trio.current_time() < 1.1


async def test_offer_that_is_held_on_and_not_known_is_forgotten(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gone = {OfferId("o-1"), OfferId("o-3")}
    held = {OfferId("o-1"), OfferId("o-2")}
    assert await forgotten_offers(gone, lambda: held) == {"o-1"}
