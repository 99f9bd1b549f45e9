"""Run seeds without the command line's dress: ``python -m chaos.sim 1-20 44``.

Prints a line for each seed that passed and a report for each that did not. Exits with
1 if a promise was broken, with 2 if only too little was seen in some run. ``--trace``
also prints all that happened. ``raftleader chaos sim`` runs many at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TextIO

from chaos.results import Verdict, worst
from chaos.sim.levels import Simulation

EXIT_CODES = {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.UNKNOWN: 2}


def main(out: TextIO, arguments: list[str]) -> int:
    """Run what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos.sim", description=__doc__)
    parser.add_argument("seeds", nargs="+", help="numbers, or ranges such as 1-20")
    parser.add_argument("--level", default="whole")
    parser.add_argument("--engine", default="raft")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args(arguments)
    simulate = Simulation(
        level=options.level, engine=options.engine, seconds=options.seconds
    ).load()
    verdicts: list[Verdict] = []
    for seed in _numbers(options.seeds):
        report = simulate(
            seed, trace=(lambda line: print(line, file=out)) if options.trace else None
        )
        print(report, file=out, flush=True)
        verdicts.append(report.verdict)
    return EXIT_CODES[worst(verdicts)]


def _numbers(texts: list[str]) -> Iterator[int]:
    for text in texts:
        first, _, last = text.partition("-")
        yield from range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main(sys.stdout, sys.argv[1:]))
