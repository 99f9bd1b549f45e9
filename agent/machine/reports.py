"""Ends of executors on their way into the leaders' log. Pure.

Each is sent when the ends of all its tasks are in the log, and again until it is in the
log itself.
"""

from __future__ import annotations

import attrs

from agent.machine.held import Executor
from agent.status_updates import RESEND_TICKS
from raftleader.protocol.agent_rpc import ExecutorReport


@attrs.define
class ExecutorReports:
    """The ends that are not committed; :meth:`take_ready` says what is to be sent."""

    _over: dict[bytes, Executor] = attrs.field(factory=dict, init=False)
    _tick: int = attrs.field(default=0, init=False)

    @property
    def pending_count(self) -> int:
        """Ends that are not committed."""
        return len(self._over)

    def add(self, row: Executor, report: ExecutorReport) -> None:
        """This run is over."""
        row.report = report
        self._over[report.uuid] = row

    def commit(self, uuid: bytes) -> Executor | None:
        """This end is in the log; None if it is not one of ours (any more)."""
        return self._over.pop(uuid, None)

    def tick(self) -> None:
        """TICK_INTERVAL_S have passed."""
        self._tick += 1

    def send_everything_again(self) -> None:
        """A new leading session: it has seen nothing."""
        for row in self._over.values():
            row.sent_tick = None

    def take_ready(self) -> tuple[ExecutorReport, ...]:
        """Ends to be sent now; they count as sent."""
        ready: list[ExecutorReport] = []
        for row in self._over.values():
            is_due = row.sent_tick is None or self._tick - row.sent_tick >= RESEND_TICKS
            if is_due and not row.tasks and row.report is not None:
                row.sent_tick = self._tick
                ready.append(row.report)
        return tuple(ready)
