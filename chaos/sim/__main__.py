"""Run seeds: ``python -m chaos.sim 1-20 44 --fault-s 12``.

Prints a line for each seed that passed and a report for each that did not; exits
with 1 if there was one. ``--trace`` also prints all that happened.

The order of sets of strings depends on Python's hash seed, which is fixed when an
interpreter starts: so this one starts itself again with a fixed one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from chaos.results import Verdict
from chaos.sim.world import Plan, simulate

HASH_SEED = "0"


def main(out: TextIO, arguments: list[str]) -> int:
    """Run what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos.sim", description=__doc__)
    parser.add_argument("seeds", nargs="+", help="numbers, or ranges such as 1-20")
    parser.add_argument("--fault-s", type=float, default=Plan().fault_s)
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args(arguments)
    failed = 0
    for seed in _numbers(options.seeds):
        report = simulate(seed, Plan(fault_s=options.fault_s))
        if options.trace:
            for time_s, text in report.history.trace:
                print(f"{time_s:10.4f} {text}", file=out)
        print(report, file=out, flush=True)
        failed += report.verdict is not Verdict.VALID
    return 1 if failed else 0


def _numbers(texts: list[str]) -> Iterator[int]:
    for text in texts:
        first, _, last = text.partition("-")
        yield from range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "chaos.sim", *sys.argv[1:]])
    sys.exit(main(sys.stdout, sys.argv[1:]))
