"""``demo``: a word count that survives the death of its leader, again and again."""

from __future__ import annotations

import random
import sysconfig
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

import raftleader
from raftleader.cli.demo_kill import KillRecord, kill_leader
from raftleader.cli.demo_spectator import open_spectator
from raftleader.cli.demo_words import add_up, count_words, groups_of, source_files
from raftleader.cli.demo_work import WINDOW, WordCount, runs_by_task
from raftleader.cli.exit_codes import EXIT_FAILED, EXIT_OK
from raftleader.cli.local_cluster import LocalCluster
from raftleader.cli.measured_cluster import Bar, measured_cluster, progress_bar
from raftleader.cli.output import Output
from raftleader.cli.serve import run_until_ended
from raftleader.framework import ClusterExecutor
from raftleader.protocol.ids import OfferId

AGENTS = 3
AGENT_RESOURCES = "cpus:2.1;mem:1024"
"""Of each agent: two tasks, and a little that no task can use. It is offered around
all the time, so that there always is an offer to carry over."""
TASK_CPUS, TASK_MEM_MB = 1.0, 64.0
GOODBYE_TIMEOUT_S = 5.0
"""For ending the executor when the demo is interrupted."""


@attrs.frozen(kw_only=True)
class DemoRequest:
    """How much work, and how much harm."""

    kills: int = 2
    tasks: int = 300
    engine: str = "auto"
    folder: Path = attrs.field(factory=lambda: Path(sysconfig.get_path("stdlib")))


@attrs.frozen(kw_only=True)
class DemoReport:
    """What the demo found; ``ok`` is its verdict. See ``docs/cli.md``."""

    ok: bool
    tasks: int
    failovers: int
    leaderless_s: list[float]
    tasks_run_twice: int
    offers_carried: list[int]
    elapsed_s: float
    problems: list[str]


async def run_demo(request: DemoRequest, output: Output, rng: random.Random) -> int:
    """Run it until done or interrupted; returns the exit code."""
    reports: list[DemoReport] = []

    async def service() -> None:
        reports.append(await play(request, output, rng))

    code = await run_until_ended(service)
    if not reports:
        return code
    show_report(reports[0], output)
    return EXIT_OK if reports[0].ok else EXIT_FAILED


async def play(request: DemoRequest, output: Output, rng: random.Random) -> DemoReport:
    """The whole: count here, count on a cluster that is being killed, compare."""
    began_at = time.monotonic()
    groups = groups_of(source_files(request.folder), request.tasks)
    with progress_bar(output, "starting a cluster", len(groups)) as bar:
        async with measured_cluster(
            agents=AGENTS,
            agent_resources=AGENT_RESOURCES,
            engine=request.engine,
            rng=rng,
        ) as cluster:
            log = cluster.folder / "executions"
            work, kills = await count_with_kills(cluster, groups, request, log, bar)
            runs = runs_by_task(log)
        bar.show(work.ended, "counting here, to compare")
        expected = await trio.to_thread.run_sync(count_in_process, groups)
    elapsed_s = time.monotonic() - began_at
    return report_of(work, kills, runs, expected=expected, elapsed_s=elapsed_s)


async def count_with_kills(
    cluster: LocalCluster,
    groups: Sequence[Sequence[str]],
    request: DemoRequest,
    log: Path,
    bar: Bar,
) -> tuple[WordCount, list[KillRecord]]:
    """Do the work, and kill the leader ``kills`` times, evenly over it."""
    records: list[KillRecord] = []
    marks = [len(groups) * (n + 1) // (request.kills + 1) for n in range(request.kills)]
    async with (
        open_executor(cluster.leader_addresses, log) as executor,
        open_spectator(cluster.leader_addresses) as spectator,
        trio.open_nursery() as nursery,
    ):
        work = WordCount(executor, groups)
        nursery.start_soon(work.run)
        nursery.start_soon(show_progress, work, bar)

        def held_by_executor() -> set[OfferId]:
            return set(executor.outstanding_offers)

        for number, mark in enumerate(marks):
            bar.show(work.ended, f"counting words ({number} of {len(marks)} kills)")
            work.allow(mark + WINDOW)
            await work.wait_moving_to(mark)
            record = await kill_leader(cluster, spectator, held_by_executor)
            records.append(record)
            bar.say(
                f"{work.ended:>4} tasks done: killed {record.leader};"
                f" {record.successor} leads after {record.leaderless_s:.3f} s,"
                f" offers carried over: {record.offers_carried}"
            )
        bar.show(work.ended, f"counting words ({len(marks)} of {len(marks)} kills)")
        work.allow(len(groups))
        await work.wait_moving_to(len(groups))
        nursery.cancel_scope.cancel()
    return work, records


async def show_progress(work: WordCount, bar: Bar) -> None:
    """Move the bar; until cancelled."""
    for count in range(1, len(work.groups) + 1):
        await work.wait_ended(count)
        bar.show(work.ended)


def count_in_process(groups: Sequence[Sequence[str]]) -> Counter[str]:
    """The truth: the same files, counted here."""
    return add_up(count_words(group) for group in groups)


@asynccontextmanager
async def open_executor(
    leaders: Sequence[str], log: Path
) -> AsyncIterator[ClusterExecutor]:
    """An executor that is shut down without blocking us.

    Left by an exception or a cancellation, it kills what runs and is waited for
    only a few seconds.
    """
    executor = ClusterExecutor(
        leaders,
        name="word count",
        cpus=TASK_CPUS,
        mem_mb=TASK_MEM_MB,
        paths=import_paths(),
        execution_log=str(log),
    )
    try:
        yield executor
        await trio.to_thread.run_sync(executor.shutdown)
    except BaseException as error:
        with trio.move_on_after(GOODBYE_TIMEOUT_S, shield=True):
            await trio.to_thread.run_sync(
                executor.__exit__,
                KeyboardInterrupt,
                None,
                error.__traceback__,
                abandon_on_cancel=True,
            )
        raise


def import_paths() -> list[str]:
    """Where a task finds this package: beside us, for agents on this machine."""
    return [str(Path(raftleader.__file__).resolve().parents[1])]


def report_of(
    work: WordCount,
    kills: Sequence[KillRecord],
    runs: Counter[str],
    *,
    expected: Counter[str],
    elapsed_s: float,
) -> DemoReport:
    """The verdict: every problem in words, and ok if there is none."""
    problems = [*work.problems]
    for number, kill in enumerate(kills, start=1):
        problems += [f"kill {number} ({kill.leader}): {text}" for text in kill.problems]
        if kill.offers_carried == 0:
            problems.append(f"kill {number} ({kill.leader}): no offer was carried over")
    if work.total != expected:
        differing = sum((work.total - expected + (expected - work.total)).values())
        problems.append(f"the result is wrong: {differing} words differ")
    twice = sum(count - 1 for count in runs.values())
    if twice:
        problems.append(f"{twice} tasks ran twice")
    if len(runs) != len(work.groups):
        problems.append(f"{len(runs)} tasks ran, not {len(work.groups)}")
    return DemoReport(
        ok=not problems,
        tasks=len(work.groups),
        failovers=len(kills),
        leaderless_s=[round(kill.leaderless_s, 3) for kill in kills],
        tasks_run_twice=twice,
        offers_carried=[kill.offers_carried for kill in kills],
        elapsed_s=round(elapsed_s, 3),
        problems=problems,
    )


def show_report(report: DemoReport, output: Output) -> None:
    """One JSON object, or a small table and a verdict."""
    if output.as_json:
        output.result(attrs.asdict(report))
        return
    output.record(
        {
            "tasks": report.tasks,
            "failovers": report.failovers,
            "without a leader, s": report.leaderless_s,
            "tasks run twice": report.tasks_run_twice,
            "offers carried over": report.offers_carried,
            "elapsed, s": report.elapsed_s,
            "all as promised": report.ok,
        }
    )
    for problem in report.problems:
        output.note(f"problem: {problem}")
