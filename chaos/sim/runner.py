"""Many seeds, in processes of their own, side by side.

Each process is a fresh interpreter (``chaos/sim/worker.py``) that runs one seed after
the other. One that dies, or takes too long, costs its seed a violation and is replaced.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import attrs
import msgspec
import trio

from chaos.results import Verdict
from chaos.sim.levels import Simulation
from chaos.sim.report import Report, Violation
from chaos.sim.worker import Answer, decode_report, order_for
from raftleader.cli.local_process import child_environment, describe_exit
from raftleader.errors import ConfigError, RaftLeaderError

SEED_S_MAX = 300.0
"""Real time for a seed: a hundred times what one takes."""
START_S_MAX = 120.0
DYING_S_MAX = 0.05
"""A worker that has ended can be reaped at once; another one is killed."""
STDERR_LINES = 12
"""Last words of a worker that are shown."""

Listener = Callable[["Judged"], None]


class WorkerBrokenError(RaftLeaderError):
    """The simulation cannot even be started."""

    definite = True


class _WorkerLostError(Exception):
    """A worker ended in the middle of a seed, or took too long over it."""


@attrs.frozen(kw_only=True)
class Judged:
    """One seed, done.

    Attributes:
        report: What its run showed; if it was run twice, also whether that was the
            same.
        wall_s: Real time of all its runs.
        runs: How often it was run.
    """

    report: Report
    wall_s: float
    cpu_s: float
    runs: int


@attrs.frozen(kw_only=True)
class Campaign:
    """What is to be run.

    Attributes:
        seeds: Each is run once, or twice with ``is_twice``: then in two processes
            whose sets of strings have another order, and the traces are compared.
        jobs: How many seeds at the same time.
        minutes: Seeds that are not done after so much real time are left out.
        seed_s_max: Real time for one run of a seed.
    """

    simulation: Simulation
    seeds: range
    jobs: int = 1
    minutes: float | None = None
    is_twice: bool = False
    seed_s_max: float = SEED_S_MAX


async def run_campaign(campaign: Campaign, listener: Listener) -> bool:
    """Run its seeds; ``listener`` is told of each that is done, in no certain order.

    Returns whether all were run. Cancelling ends all processes. Raises ConfigError for
    a simulation that is refused, WorkerBrokenError for one that cannot be started.
    """
    seeds = iter(campaign.seeds)
    limit_s = float("inf") if campaign.minutes is None else 60 * campaign.minutes
    done = 0

    def count(judged: Judged) -> None:
        nonlocal done
        done += 1
        listener(judged)

    with trio.move_on_after(limit_s):
        async with trio.open_nursery() as nursery:
            for _ in range(min(campaign.jobs, len(campaign.seeds))):
                nursery.start_soon(_run_slot, campaign, seeds, count)
    return done == len(campaign.seeds)


async def _run_slot(
    campaign: Campaign, seeds: Iterator[int], listener: Listener
) -> None:
    """One seed after the other, with a worker for each of its runs."""
    passes = 2 if campaign.is_twice else 1
    workers = [_Worker(campaign, str(number + 1)) for number in range(passes)]
    try:
        for seed in seeds:
            answers = []
            for worker in workers:
                try:
                    answers.append(await worker.run(seed))
                except _WorkerLostError as error:
                    answers.append(_lost(campaign, seed, str(error)))
                    break
            listener(_judge(seed, answers))
    finally:
        with trio.CancelScope(shield=True):  # SIGKILL: it takes no time
            for worker in workers:
                await worker.aclose()


def _judge(seed: int, answers: list[tuple[Report, Answer]]) -> Judged:
    reports = [report for report, _ in answers]
    report = reports[-1] if len(answers) == 1 else _compare(seed, reports)
    return Judged(
        report=report,
        wall_s=sum(answer.wall_s for _, answer in answers),
        cpu_s=sum(answer.cpu_s for _, answer in answers),
        runs=len(answers),
    )


def _compare(seed: int, reports: Iterable[Report]) -> Report:
    first, second = reports
    if second.violations and second.violations[0].checker == "worker":
        return attrs.evolve(
            first,
            verdict=Verdict.INVALID,
            violations=(*first.violations, *second.violations),
        )
    if first.trace_hash == second.trace_hash:
        return first
    difference = Violation(
        seed=seed,
        checker="determinism",
        at_s=first.sim_seconds,
        message=f"two runs differ: trace {first.trace_hash} after "
        f"{first.sim_seconds:.3f} s, {second.trace_hash} after "
        f"{second.sim_seconds:.3f} s",
    )
    return attrs.evolve(
        first,
        verdict=Verdict.INVALID,
        violations=(*first.violations, difference),
    )


def _lost(campaign: Campaign, seed: int, message: str) -> tuple[Report, Answer]:
    report = Report(
        seed=seed,
        level=campaign.simulation.level,
        engine=campaign.simulation.engine,
        verdict=Verdict.INVALID,
        violations=(Violation(seed=seed, checker="worker", at_s=0.0, message=message),),
    )
    return report, Answer()


@attrs.define
class _Worker:
    """A worker process, started when it is needed and again after it was lost."""

    _campaign: Campaign
    _hash_seed: str
    _process: trio.Process | None = attrs.field(default=None, init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)
    _stderr: IO[bytes] = attrs.field(factory=tempfile.TemporaryFile, init=False)

    async def run(self, seed: int) -> tuple[Report, Answer]:
        """Run it. Raises _WorkerLostError, with the process gone."""
        if self._process is None:
            await self._start()
        try:
            with trio.fail_after(self._campaign.seed_s_max):
                answer = await self._ask(b"%d\n" % seed)
        except trio.TooSlowError:
            limit_s = self._campaign.seed_s_max
            await self._kill()
            raise _WorkerLostError(f"no end after {limit_s:g} s") from None
        except _WorkerLostError:
            raise _WorkerLostError(f"the process died: {await self._kill()}") from None
        if answer.refused:
            raise ConfigError(answer.refused)
        return decode_report(answer.report), answer

    async def aclose(self) -> None:
        """End the process."""
        await self._kill()
        self._stderr.close()

    async def _start(self) -> None:
        """Raises ConfigError if it refuses the simulation, WorkerBrokenError."""
        self._buffer.clear()
        with trio.CancelScope(shield=True):
            self._process = await trio.lowlevel.open_process(
                [sys.executable, "-P", "-m", "chaos.sim.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                # Ctrl-C in a terminal is for us alone: we end the workers.
                start_new_session=True,
                env={**child_environment(), "PYTHONHASHSEED": self._hash_seed},
            )
        order = order_for(self._campaign.simulation, self._campaign.seed_s_max)
        try:
            with trio.fail_after(START_S_MAX):
                answer = await self._ask(order)
        except (_WorkerLostError, trio.TooSlowError):
            raise WorkerBrokenError(
                f"the simulation does not start: {await self._kill()}"
            ) from None
        if answer.refused:
            raise ConfigError(answer.refused)

    async def _ask(self, line: bytes) -> Answer:
        """Raises _WorkerLostError, also for an answer that is none."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            await process.stdin.send_all(line)
            while b"\n" not in self._buffer[-1:]:
                received = await process.stdout.receive_some()
                if not received:
                    raise _WorkerLostError
                self._buffer += received
        except trio.BrokenResourceError:
            raise _WorkerLostError from None
        text = bytes(self._buffer)
        self._buffer.clear()
        try:
            return msgspec.json.decode(text, type=Answer)
        except msgspec.DecodeError:
            raise _WorkerLostError from None

    async def _kill(self) -> str:
        """End the process; how it ended, and its last words."""
        process, self._process = self._process, None
        if process is None:
            return ""
        with trio.CancelScope(shield=True):
            with trio.move_on_after(DYING_S_MAX):
                if process.stdin is not None:
                    await process.stdin.aclose()
                await process.wait()
            if process.returncode is None:
                process.kill()
            code = await process.wait()
            if process.stdout is not None:
                await process.stdout.aclose()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").splitlines()
        self._stderr.seek(0)
        self._stderr.truncate()
        return "\n".join([describe_exit(code), *lines[-STDERR_LINES:]])
