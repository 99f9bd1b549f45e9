"""``docs/zoo.md``, as text.

Written anew by ``python -m chaos.zoo.page > docs/zoo.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.judging.promises import PROMISES
from chaos.zoo.catalog import MUTANTS
from chaos.zoo.entry import Hunt, Level, LiveRun
from chaos.zoo.measured import SERIES, SERIES_LIVE, Measured, kept

_HEAD = f"""\
# The bug zoo

    raftleader chaos zoo                  # hunt each mutant by seeds, from 1 on
    raftleader chaos zoo --start 5000     # by seeds of your own choosing
    raftleader chaos zoo --live           # on real processes too: minutes more

A suite that finds nothing has shown nothing, unless it is known what it would find. So
there are mutants: each takes one rule out of the real code by putting something else in
the place of a small method, and must be caught by a checker whose business it is. The
seeds that takes are the suite's own quality figure. Mutants are off unless one is
asked for by name (`--mutant NAME` of `chaos sim`, `chaos replay` and `chaos live`); no
production code reads that.

*level* is where a mutant is caught: `fast` and `whole` are those of the simulator
([chaos.md](chaos.md)), `live` are real processes ([chaos-live.md](chaos-live.md)),
`scenario` are small directed runs of PySyncObj as it comes ([engines.md](engines.md)).
*seeds* is the median over {SERIES} series of seeds, of {SERIES_LIVE} for `live`, and in
brackets what each series took; no seed is in two series. This page is made from
`chaos/zoo/catalog.py` and `chaos/zoo/measured.json`, which `raftleader chaos zoo
--measure` (with `--live`, if these are meant too) writes anew in the source tree;
`python -m chaos.zoo.page > docs/zoo.md` follows.
"""

_TAIL = """\
## What is caught on real processes

Simulated mutants say what the simulator sees; these go through the processes, sockets
and disks of `raftleader chaos live`, and its own checkers:
"""

_REST = """\
Without `--live` they are listed as not run. Where the machine lacks what one needs, it
is listed so, with the capability by the name that `raftleader chaos doctor` gives it.

## What the zoo has found

A mutant that breaks a promise and is not caught is the most valuable of all: something
in the suite does not look. These were not caught, or seldom, when they were planted
first:

* `forget-an-accept`: a repeated ACCEPT was refused though the first had launched its
  tasks, and nobody minded, for both answers were known to the log. `accepts_once` now
  compares what an ACCEPT refuses with what the same ACCEPT has launched before.
* `read-without-barrier`: the simulated frameworks moved to a new leader too late to be
  told anything by it while the old one still answered. The fast level has somebody now
  who reads from every node that thinks it leads (`chaos/sim/fast/readers.py`), and what
  one read has shown a later one must show.
* `start-before-it-is-written`, `forget-the-checkpoint-sync`: agents died at any time
  but in the few milliseconds that matter, and never lost their power. Now they die at
  named moments too (`chaos/sim/fast/moments.py`), and lose records that nobody waited
  for.
* `obey-old-orders`: the judge asked the agent's own machine which term it had seen, and
  that was what the mutant had changed; and an order that comes again does little harm.
  It remembers for itself now, and looks whom the agent follows.
* `take-any-directory`: that a member without its disk takes part was seen only when
  something was lost by it, in one seed of two hundred. Now a node that was started
  so is held, once it votes or acknowledges, to what its name has promised before.
* `answer-before-commit`: an answer that came too early was seen only if its call was
  lost by a failover; in one series of forty seeds it was not. Whoever is answered now
  looks at once whether any node has applied it.
* `read-from-anyone`: the clients of the workload `registry` stayed with the leader they
  had found, and never heard what another node would say. Half of them begin each call
  at a node of their own now.
* `pysyncobj-truncates`, `pysyncobj-syncs-late`: votes, acknowledgements and what is on
  disk were judged for our own engine only; now for `pysyncobj` too. And a log that is
  shorter than what its node acknowledged is seen at once, not only if the node dies
  before it has grown again.

## Rules that stand twice

A rule is not in the zoo if another one covers for it, so that to take it out breaks
nothing that can be seen:

* The fence of `apply` (an entry counts in the term it was made in) stands behind the
  log's own, which never commits for a deposed leader what it proposed.
* The guard of `pysyncobj` against answers of earlier reigns stands behind links that
  end with their connection: of 38,000 answers in 40 runs none came in another reign.
* A configuration that counted from its commit on, not from its entry on, would be safe
  as long as one member is changed at a time.
"""


def page() -> str:
    """The whole page, without a line feed at its end."""
    return "\n".join(_lines()).rstrip("\n")


def _lines() -> Iterator[str]:
    yield _HEAD
    measured = kept()
    yield "| mutant | what is missing | promise | level | caught by | seeds |"
    yield "|---|---|---|---|---|---|"
    for mutant in MUTANTS:
        for hunt in mutant.hunts:
            row = (
                f"`{mutant.name}`",
                mutant.rule,
                mutant.promise,
                _level(hunt),
                ", ".join(hunt.checkers),
                _seeds(measured.get((mutant.name, hunt.level))),
            )
            yield f"| {' | '.join(row)} |"
    yield ""
    used = dict.fromkeys(mutant.promise for mutant in MUTANTS)
    words = [f"{name}: {PROMISES[name].text}" for name in sorted(used, key=_number)]
    yield "Promises: " + "; ".join(words) + "."
    yield ""
    yield _TAIL
    for mutant in MUTANTS:
        for hunt in mutant.hunts:
            if hunt.live is not None:
                yield f"* `{mutant.name}`: {_words(hunt.live)}"
    yield ""
    yield _REST


def _number(promise: str) -> int:
    return int(promise[1:])


def _level(hunt: Hunt) -> str:
    is_usual = hunt.engine == "raft" or hunt.level is Level.SCENARIO
    return hunt.level.value if is_usual else f"{hunt.level.value}, {hunt.engine}"


def _seeds(measured: Measured | None) -> str:
    if measured is None:
        return "not measured"
    series = ", ".join("-" if took is None else str(took) for took in measured.took)
    return f"{measured.words} ({series})"


def _words(run: LiveRun) -> str:
    needs = ", ".join(one.value for one in run.needs)
    return (
        f"`--faults {run.faults} --workload {run.workload} --for {run.for_s:g}s"
        f" --disks {run.disks}`" + (f"; it needs {needs}" if needs else "")
    )


if __name__ == "__main__":
    print(page())  # noqa: T201  # printing is what it is for
