"""``raftleader chaos sim`` and ``chaos replay``, apart from the parser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from chaos.results import Verdict
from chaos.sim.levels import Simulation, Trace
from chaos.sim.outcome import (
    EXIT_PARTIAL,
    EXIT_UNKNOWN,
    EXIT_VALID,
    EXIT_VIOLATED,
    Outcome,
)
from chaos.sim.runner import SEED_S_MAX, Campaign, Judged, run_campaign
from chaos.sim.worker import encode_report
from raftleader.cli.measured_cluster import progress_bar
from raftleader.cli.output import Output
from raftleader.cli.serve import run_until_ended
from raftleader.errors import ConfigError

SEED_MAX = 2**62
STANDARD_OUTPUT = Path("-")


@attrs.frozen(kw_only=True)
class SimRequest:
    """The arguments of ``chaos sim``, as they were typed.

    Attributes:
        function: Another simulation than the level's, as ``module:function``.
    """

    seeds: str
    level: str = "fast"
    engine: str = "raft"
    jobs: int | None = None
    seconds: float = 60.0
    minutes: float | None = None
    mutant: str | None = None
    is_twice: bool = False
    function: str = ""
    seed_s_max: float = SEED_S_MAX

    def campaign(self) -> Campaign:
        """What they mean. Raises ConfigError."""
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise ConfigError(f"--minutes: must be more than 0, not {self.minutes:g}")
        return Campaign(
            simulation=Simulation(
                level=self.level,
                engine=self.engine,
                seconds=self.seconds,
                mutant=self.mutant,
                function=self.function,
            ),
            seeds=parse_seeds(self.seeds),
            jobs=self.jobs or len(os.sched_getaffinity(0)),
            minutes=self.minutes,
            is_twice=self.is_twice,
            seed_s_max=self.seed_s_max,
        )


@attrs.frozen(kw_only=True)
class ReplayRequest:
    """The arguments of ``chaos replay``. ``trace`` may be ``-``."""

    seed: int
    level: str = "fast"
    engine: str = "raft"
    seconds: float = 60.0
    mutant: str | None = None
    trace: Path | None = None
    function: str = ""


def parse_seeds(text: str) -> range:
    """``A:B`` is from A up to, not including, B; ``A`` is one. Raises ConfigError."""
    first, colon, last = text.partition(":")
    numbers = [first, last] if colon else [first]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise ConfigError(f"--seeds: {text!r} is not A:B, such as 0:1000")
    start = int(first)
    stop = int(last) if colon else start + 1
    if start >= stop:
        raise ConfigError(f"--seeds: {text} is empty; B is not included")
    if stop > SEED_MAX:
        raise ConfigError("--seeds: a seed is less than 2**62")
    return range(start, stop)


async def run_sim(request: SimRequest, output: Output) -> int:
    """Run the seeds and show what they showed; the exit code.

    On a signal, what was seen until then is shown, and said to be partial.
    """
    campaign = request.campaign()
    outcome = Outcome(simulation=campaign.simulation, is_twice=campaign.is_twice)
    is_complete = False

    async def run() -> None:
        nonlocal is_complete
        with progress_bar(output, "seeds", len(campaign.seeds)) as bar:

            def note(judged: Judged) -> None:
                outcome.add(judged)
                found = len(outcome.violated_seeds)
                bar.show(len(outcome.seeds), f"seeds, {found} violated")
                if judged.report.verdict is Verdict.INVALID:
                    bar.say(str(judged.report))

            is_complete = await run_campaign(campaign, note)

    signal_code = await run_until_ended(run)
    outcome.show(output, is_complete=is_complete)
    is_stopped = not is_complete and campaign.minutes is None
    return EXIT_PARTIAL if signal_code or is_stopped else outcome.exit_code


def run_replay(request: ReplayRequest, output: Output) -> int:
    """Run the seed here and show its report; the exit code."""
    if output.as_json and request.trace == STANDARD_OUTPUT:
        raise ConfigError("--trace -: --json has standard output; name a file")
    simulate = Simulation(
        level=request.level,
        engine=request.engine,
        seconds=request.seconds,
        mutant=request.mutant,
        function=request.function,
    ).load()
    with _trace_to(request.trace, output) as trace:
        report = simulate(request.seed, trace=trace)
    if output.as_json:
        output.result(encode_report(report))
    else:
        is_apart = request.trace == STANDARD_OUTPUT
        # A report of anything but success says what was drawn by itself.
        is_valid = report.verdict is Verdict.VALID
        text = f"{report.options}\n{report}" if is_valid else str(report)
        print(text, file=output.err if is_apart else output.out, flush=True)
    codes = {Verdict.VALID: EXIT_VALID, Verdict.INVALID: EXIT_VIOLATED}
    return codes.get(report.verdict, EXIT_UNKNOWN)


@contextmanager
def _trace_to(path: Path | None, output: Output) -> Iterator[Trace | None]:
    if path is None:
        yield None
    elif path == STANDARD_OUTPUT:
        yield lambda line: print(line, file=output.out)
        output.out.flush()
    else:
        try:
            file = path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:  # exit code 1 would mean a broken promise
            raise ConfigError(f"--trace {path}: {error.strerror}") from error
        with file:
            yield lambda line: print(line, file=file)
