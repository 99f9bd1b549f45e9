"""What was seen of a run: judged as it comes, counted, and traced."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import attrs

from chaos.checkers.answered_committed import AnsweredIsCommitted
from chaos.judging.log_judge import LogJudge, Problem
from chaos.sim.options import Fault
from chaos.sim.report import Violation
from chaos.sim.whole.clock import VirtualClock
from raftleader.protocol.ids import FrameworkId, TaskKey
from raftleader.protocol.tasks import TaskStatus
from raftleader.state.cluster import ClusterState
from raftleader.state.outcomes import Applied

VIOLATIONS_MAX = 50
FAILED = "nothing fails"
"""Names what must not happen and no checker looks for."""


@attrs.define(eq=False)
class History:
    """Filled by everybody while the run goes on.

    Attributes:
        sink: Given each line of the trace; None keeps only its hash.
        violations: In the order in which they were seen.
        counts: How often what happened, by name.
        coverage: How often each class of faults fired.
        points: How often nodes came to the named points of their code.
        answered: Tasks whose ACCEPT was answered, in that order.
        heard: Tasks whose framework heard of any update.
        ended: Tasks whose framework heard of their end.
        offers_used: Offer ids by framework name that were in an ACCEPT or DECLINE
            that was not certainly in vain.
    """

    seed: int
    clock: VirtualClock
    sink: Callable[[str], object] | None = None
    violations: list[Violation] = attrs.field(factory=list)
    counts: Counter[str] = attrs.field(factory=Counter)
    coverage: Counter[Fault] = attrs.field(factory=Counter)
    points: Counter[str] = attrs.field(factory=Counter)
    log: LogJudge = attrs.field(factory=LogJudge)
    answered: dict[str, None] = attrs.field(factory=dict)
    heard: set[str] = attrs.field(factory=set)
    ended: set[str] = attrs.field(factory=set)
    offers_used: dict[str, set[str]] = attrs.field(factory=dict)
    _hash: hashlib.blake2b = attrs.field(
        factory=lambda: hashlib.blake2b(digest_size=16), init=False
    )

    @property
    def trace_hash(self) -> str:
        """Of everything noted, delivered and committed so far."""
        return self._hash.hexdigest()

    @property
    def terms_led(self) -> int:
        """Terms in which somebody led."""
        return len(self.log.one_leader.leaders)

    def note(self, text: str, *, counted: str | None = None) -> None:
        """Add a line to the trace."""
        line = f"{self.clock.now_s:11.6f} {text}"
        self._hash.update(line.encode())
        if self.sink is not None:
            self.sink(line)
        if counted is not None:
            self.counts[counted] += 1

    def fired(self, fault: Fault, text: str) -> None:
        """A fault began."""
        self.coverage[fault] += 1
        self.note(f"{fault.label}: {text}")

    def report(self, problems: Iterable[Problem]) -> None:
        """These are broken promises."""
        for checker, text in problems:
            self.note(f"VIOLATION {checker}: {text}")
            if len(self.violations) < VIOLATIONS_MAX:
                at_s = round(self.clock.now_s, 6)
                self.violations.append(
                    Violation(seed=self.seed, checker=checker, at_s=at_s, message=text)
                )

    def fail(self, text: str, checker: str = FAILED) -> None:
        """As ``report``, for one."""
        self.report([(checker, text)])

    # --- What is seen ---------------------------------------------------------------

    def frames(self, source: str, target: str, frames: list[bytes]) -> None:
        """These were delivered."""
        self._hash.update(f"{self.clock.now_s:.6f} {source}>{target}".encode())
        for frame in frames:
            self._hash.update(frame)
        if self.sink is not None:
            sizes = " + ".join(str(len(frame)) for frame in frames)
            checksum = zlib.crc32(b"".join(frames))
            self.sink(
                f"{self.clock.now_s:11.6f} {source} > {target} {sizes} bytes,"
                f" checksum {checksum:08x}"
            )

    def leads(self, node: str, term: int) -> None:
        """A node says that it leads a term."""
        self.note(f"{node} leads term {term}")
        self.report(self.log.leads(node, term))

    def applied(
        self, life: str, term: int, data: bytes, state: ClusterState, applied: Applied
    ) -> None:
        """A node applied an entry."""
        if applied.index > self.log.committed.last_index:
            self.counts["entries"] += 1
            self.note(f"{life} commits {applied.index} of term {term}")
        now_s = self.clock.now_s
        self.report(self.log.applied(life, term, data, state, applied, now_s))

    def observe(self, life: str, state: ClusterState) -> None:
        """Compare the state of a node with others of its index."""
        self.report(self.log.observed(life, state))

    def started(self, agent: str, key: TaskKey) -> None:
        """An agent starts a task."""
        self.note(f"{agent} starts {key[1]}", counted="started")
        self.report(self.log.started(agent, key, self.clock.now_s))

    def accepted(self, framework_id: FrameworkId | None, tasks: list[str]) -> None:
        """An ACCEPT with these tasks was answered."""
        self.answered.update(dict.fromkeys(tasks))
        self.counts["acked"] += 1
        named = self.log.accepts.named
        self.report(
            (
                AnsweredIsCommitted.name,
                f"{task} was answered, and nobody has applied it",
            )
            for task in tasks
            if (framework_id, task) not in named
        )

    def delivered(self, framework_id: FrameworkId, status: TaskStatus) -> None:
        """An update that is to be acknowledged reaches its framework."""
        self.heard.add(status.task_id)
        if status.state.is_terminal:
            self.ended.add(status.task_id)
        self.report(self.log.heard(framework_id, status))


@contextmanager
def gathered_log(history: History) -> Iterator[None]:
    """Everything logged by ours meanwhile goes into the trace, from INFO on; what is
    logged at ERROR is a failure."""
    handler = _Gatherer(history)
    names = ("raftleader", "agent", "chaos", "transports")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.INFO)
        one.propagate = False
    try:
        yield
    finally:
        for one, (level, propagate) in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)
            one.propagate = propagate


class _Gatherer(logging.Handler):
    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._history.fail(text)
        else:
            self._history.note(text)
