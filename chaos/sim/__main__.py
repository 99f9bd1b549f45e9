"""Run seeds: ``python -m chaos.sim 1-20 44 --fault-s 12``.

Prints a line for each seed that passed and a report for each that did not. Exits with
1 if a promise was broken, with 2 if only too little was seen in some run. ``--trace``
also prints all that happened.

The order of sets of strings depends on Python's hash seed, which is fixed when an
interpreter starts: so this one starts itself again with a fixed one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from chaos.results import Verdict, worst
from chaos.sim.whole.world import Plan, simulate

HASH_SEED = "0"
EXIT_CODES = {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.UNKNOWN: 2}


def main(out: TextIO, arguments: list[str]) -> int:
    """Run what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos.sim", description=__doc__)
    parser.add_argument("seeds", nargs="+", help="numbers, or ranges such as 1-20")
    parser.add_argument("--fault-s", type=float, default=Plan().fault_s)
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args(arguments)
    verdicts: list[Verdict] = []
    for seed in _numbers(options.seeds):
        report = simulate(seed, Plan(fault_s=options.fault_s))
        if options.trace:
            for time_s, text in report.history.trace:
                print(f"{time_s:10.4f} {text}", file=out)
        print(report, file=out, flush=True)
        verdicts.append(report.verdict)
    return EXIT_CODES[worst(verdicts)]


def _numbers(texts: list[str]) -> Iterator[int]:
    for text in texts:
        first, _, last = text.partition("-")
        yield from range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "chaos.sim", *sys.argv[1:]])
    sys.exit(main(sys.stdout, sys.argv[1:]))
