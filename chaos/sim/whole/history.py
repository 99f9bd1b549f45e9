"""What was seen of a run: material for the checkers, and a trace to read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

from chaos.checkers.replicas_agree import Observed
from chaos.checkers.updates_in_order import Delivered
from raftleader.state.cluster import ClusterState
from raftleader.state.invariants import violations
from raftleader.state.snapshot import digest

DIGEST_EVERY = 8
"""A digest costs time in proportion to the state, so not after every entry."""


@attrs.define(eq=False)
class History:
    """Filled by everybody while the run goes on.

    Attributes:
        trace: What happened, with its time in seconds.
        counts: How often what happened, by name.
        answered: Task ids whose ACCEPT was answered.
        offers_seen, offers_used: Offer ids by framework name; used by an ACCEPT or
            DECLINE that was not certainly in vain.
        failures: What must not happen and no checker looks for, in words.
        errors_logged: Log records of level ERROR and above.
    """

    trace: list[tuple[float, str]] = attrs.field(factory=list)
    counts: Counter[str] = attrs.field(factory=Counter)
    digests: list[Observed] = attrs.field(factory=list)
    violations: list[str] = attrs.field(factory=list)
    entries_judged: int = 0
    answered: set[str] = attrs.field(factory=set)
    delivered: list[Delivered] = attrs.field(factory=list)
    offers_seen: dict[str, set[str]] = attrs.field(factory=dict)
    offers_used: dict[str, set[str]] = attrs.field(factory=dict)
    failures: list[str] = attrs.field(factory=list)
    errors_logged: list[str] = attrs.field(factory=list)

    def note(self, text: str, *, counted: str | None = None) -> None:
        """Add a line to the trace."""
        self.trace.append((round(trio.current_time(), 6), text))
        if counted is not None:
            self.counts[counted] += 1

    def fail(self, text: str) -> None:
        """Note what must not happen."""
        self.note(f"FAILURE {text}")
        self.failures.append(text)

    def applied(self, life: str, state: ClusterState, *, is_judged: bool) -> None:
        """A node applied an entry. ``is_judged``: look for violations (P4)."""
        if state.index % DIGEST_EVERY == 0:
            self.observe(life, state)
        if is_judged and state.index > self.entries_judged:
            self.entries_judged = state.index
            self.violations += [
                f"{life} at index {state.index}: {text}" for text in violations(state)
            ]

    def observe(self, life: str, state: ClusterState) -> None:
        """Note the digest of a node's state."""
        self.digests.append(
            Observed(node=life, index=state.index, digest=digest(state).hex())
        )


@contextmanager
def gathered_log(history: History) -> Iterator[None]:
    """Everything logged by ours at ERROR meanwhile goes into the history.

    WARNING and INFO go into the trace.
    """
    handler = _Gatherer(history)
    loggers = [logging.getLogger(name) for name in ("raftleader", "agent", "chaos")]
    loggers.append(logging.getLogger("transports"))
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
        self._history.note(text)
        if record.levelno >= logging.ERROR:
            self._history.errors_logged.append(text)
