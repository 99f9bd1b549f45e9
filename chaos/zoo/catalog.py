"""The mutants: what is missing in each, which promise that breaks, who catches it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chaos.machine.capabilities import Ability
from chaos.zoo.entry import Hunt, Level, LiveRun, Mutant

P1_SIMULATED = "P1 answered means committed"
P2 = "P2 offers survive or are rescinded"
P2_HELD = "P2 frameworks hold their offers"
P3 = "P3 an ACCEPT counts once"
P4 = "P4 no resource twice"
P5 = "P5 a launch is started once"
P6 = "P6 updates arrive in order"
P7 = "P7 deadlines are durable"
P8 = "P8 a deposed leader is harmless"
P9 = "P9 equal digests at an index"
TOLD = "what was told is on disk"
STAY = "committed entries never change"
SAFE = "a committed entry survives every election"
ONE_VOTE = "one vote a term"
OLD_ANSWERS = "answers count in their term only"
FAILS = "nothing fails"
DONE = "everything gets done"
LOST = "stock PySyncObj keeps what it answered"
P1_LIVE = "P1 answered means in the log"
ONE_LOG_LIVE = "I1 all nodes apply one log"
REGISTERS_LIVE = "I17 registers are linearizable"
WHOLE_TRIES = 40
LIVE_TRIES = 5


def _fast(*checkers: str) -> Hunt:
    return Hunt(level=Level.FAST, checkers=checkers)


def _whole(*checkers: str, engine: str = "raft") -> Hunt:
    return Hunt(level=Level.WHOLE, checkers=checkers, engine=engine, tries=WHOLE_TRIES)


def _scenario() -> Hunt:
    return Hunt(level=Level.SCENARIO, checkers=(LOST,), engine="stock", tries=8)


def _live(run: LiveRun, *checkers: str) -> Hunt:
    return Hunt(level=Level.LIVE, checkers=checkers, tries=LIVE_TRIES, live=run)


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="acknowledge-before-sync",
        rule="messages leave before the entries they promise are on the disk",
        promise="P1",
        hunts=(_fast(TOLD),),
    ),
    Mutant(
        name="never-sync",
        rule="the journal is written, and never synced",
        promise="P1",
        hunts=(
            _fast(TOLD),
            _live(
                LiveRun(
                    faults="power-cut@all",
                    workload="churn",
                    for_s=20.0,
                    disks="ext4",
                    needs=(Ability.ROOT, Ability.NAMESPACES, Ability.LOOP_EXT4),
                ),
                P1_LIVE,
                ONE_LOG_LIVE,
            ),
        ),
    ),
    Mutant(
        name="answer-before-commit",
        rule="a call is answered when it is submitted, not when the log has it",
        promise="P1",
        hunts=(
            _whole(P1_SIMULATED),
            _live(LiveRun(faults="kill@leader", workload="churn", for_s=15.0), P1_LIVE),
        ),
    ),
    Mutant(
        name="read-without-barrier",
        rule="a leader answers reads as long as it thinks that it leads",
        promise="P1",
        hunts=(_fast(P1_SIMULATED),),
    ),
    Mutant(
        name="read-from-anyone",
        rule="every node answers reads, from what it has",
        promise="P1",
        hunts=(
            _live(
                LiveRun(faults="pause", workload="registry", for_s=15.0),
                REGISTERS_LIVE,
            ),
        ),
    ),
    Mutant(
        name="truncate-unconditionally",
        rule="an append cuts whatever follows its place, conflict or not",
        promise="P1",
        hunts=(_fast(TOLD, STAY, SAFE, FAILS),),
    ),
    Mutant(
        name="count-old-term-entries",
        rule="copies of entries of earlier terms count for a commit",
        promise="P1",
        hunts=(_fast(SAFE),),
    ),
    Mutant(
        name="commit-beyond-match",
        rule="a follower commits what it has, not what it shares with the leader",
        promise="P1",
        hunts=(_fast(STAY, FAILS),),
    ),
    Mutant(
        name="forget-the-vote",
        rule="the vote of a term is not written down",
        promise="P8",
        hunts=(_fast(TOLD, ONE_VOTE),),
    ),
    Mutant(
        name="skip-the-term-check",
        rule="an answer to an earlier reign counts in this one",
        promise="P8",
        hunts=(_fast(OLD_ANSWERS),),
    ),
    Mutant(
        name="take-any-directory",
        rule="a member that lost its data directory takes part as before",
        promise="P1",
        hunts=(_fast(TOLD, STAY, P1_SIMULATED),),
    ),
    Mutant(
        name="believe-a-torn-journal",
        rule="the journal takes a write for whole whose beginning is whole",
        promise="P10",
        hunts=(_fast(FAILS, STAY, P9),),
    ),
    Mutant(
        name="leave-the-directory-unsynced",
        rule="a snapshot counts before its name is on the disk",
        promise="P1",
        hunts=(_fast(FAILS),),
    ),
    Mutant(
        name="apply-twice",
        rule="after a snapshot the entry before it is applied again",
        promise="P9",
        hunts=(_fast(FAILS),),
    ),
    Mutant(
        name="snapshot-without-filters",
        rule="a field of a row is left out of snapshots",
        promise="P9",
        hunts=(_fast(P9),),
    ),
    Mutant(
        name="ids-from-a-counter",
        rule="ids come from a counter of the process, not from the place in the log",
        promise="P9",
        hunts=(_fast(P9),),
    ),
    Mutant(
        name="drop-an-offer",
        rule="a new leader forgets an offer that is out",
        promise="P2",
        hunts=(_fast(P2),),
    ),
    Mutant(
        name="greet-without-offers",
        rule="a framework that comes back is not told of its offers",
        promise="P2",
        hunts=(_whole(P2_HELD),),
    ),
    Mutant(
        name="forget-an-accept",
        rule="an ACCEPT that is repeated is taken for another one",
        promise="P3",
        hunts=(_fast(P3),),
    ),
    Mutant(
        name="offer-twice",
        rule="what is offered to one framework is free for others",
        promise="P4",
        hunts=(_fast(P4),),
    ),
    Mutant(
        name="relaunch-finished-task",
        rule="an agent forgets which tasks it has finished",
        promise="P5",
        hunts=(_fast(P5),),
    ),
    Mutant(
        name="start-before-it-is-written",
        rule="an agent starts a task without having written down that it does",
        promise="P5",
        hunts=(_fast(P5),),
    ),
    Mutant(
        name="forget-the-checkpoint-sync",
        rule="an agent starts a task before what it wrote of it is on the disk",
        promise="P5",
        hunts=(_fast(P5),),
    ),
    Mutant(
        name="say-updates-once",
        rule="an agent sends each status update once",
        promise="P6",
        hunts=(_fast(P6, DONE),),
    ),
    Mutant(
        name="acknowledge-any-update",
        rule="an acknowledgement counts for another update than the one it names",
        promise="P6",
        hunts=(_fast(P6),),
    ),
    Mutant(
        name="greet-without-updates",
        rule="a framework that comes back is told of updates to come only",
        promise="P6",
        hunts=(_whole(P6, DONE),),
    ),
    Mutant(
        name="restart-deadlines",
        rule="with a new leader the deadlines of absent frameworks start anew",
        promise="P7",
        hunts=(_fast(P7),),
    ),
    Mutant(
        name="trust-the-wall-clock",
        rule="cluster time is what the leader's wall clock says",
        promise="P7",
        hunts=(
            _fast(P7),
            _live(
                LiveRun(
                    faults="clock-jump,kill@leader",
                    workload="churn,hoarder",
                    for_s=15.0,
                    needs=(Ability.FAKETIME,),
                ),
                P7,
            ),
        ),
    ),
    Mutant(
        name="obey-old-orders",
        rule="an agent obeys whoever says that it leads, in whatever term",
        promise="P8",
        hunts=(_fast(P8),),
    ),
    Mutant(
        name="pysyncobj-truncates",
        rule="engine pysyncobj without its guard P: every append cuts what follows",
        promise="P1",
        hunts=(_whole(TOLD, STAY, engine="pysyncobj"),),
    ),
    Mutant(
        name="pysyncobj-syncs-late",
        rule="engine pysyncobj without its guard W: messages leave before the sync",
        promise="P1",
        hunts=(_whole(TOLD, STAY, engine="pysyncobj"),),
    ),
    Mutant(
        name="stock-pysyncobj-truncates",
        rule="PySyncObj as it comes: a backlog that is sent twice, the leader dies (P)",
        promise="P1",
        hunts=(_scenario(),),
    ),
    Mutant(
        name="stock-pysyncobj-counts-old-answers",
        rule="PySyncObj as it comes: an acknowledgement of an earlier reign (R)",
        promise="P1",
        hunts=(_scenario(),),
    ),
    Mutant(
        name="stock-pysyncobj-never-syncs",
        rule="PySyncObj as it comes: the power goes everywhere (W)",
        promise="P1",
        hunts=(_scenario(),),
    ),
    Mutant(
        name="stock-pysyncobj-in-bad-weather",
        rule="PySyncObj as it comes: messages late, lost and doubled, by seed",
        promise="P1",
        hunts=(_scenario(),),
    ),
)
"""All of them."""

BY_NAME: Mapping[str, Mutant] = MappingProxyType({one.name: one for one in MUTANTS})
