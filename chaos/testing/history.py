"""The history of a test: what it did, what it was told, what was broken meanwhile.

Operations are pairs of records (``chaos.history.records``): asked, and ended *ok*,
*fail* (it did not happen) or *info* (nobody knows). They stand in the timeline of the
report.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import msgspec

from chaos.checkers.linearizable import check_linearizable
from chaos.checkers.registers import Register, register_histories
from chaos.history.merge import read_history
from chaos.history.queries import (
    FaultWindow,
    Operation,
    fault_windows,
    operations,
    records_of,
)
from chaos.history.records import Happening, Op, OpType, Record
from chaos.history.writer import HistoryWriter, now_ns
from chaos.results import Verdict
from chaos.testing.errors import BrokenPromiseError

WHO = "test"
JUDGED_WORDS = frozenset(
    {
        "began",
        "crashed",
        "ended",
        "error",
        "impossible",
        "offer",
        "resubscribed",
        "settled",
        "subscribed",
        "update",
    }
)
"""What our own workloads say, in a form that checkers know."""
SHOWN = 5


@attrs.define(eq=False, repr=False)
class OpInProgress:
    """An operation that was asked for. Say once how it ended; if you do not, it ended
    ok when the block was left, or as the exception that left it says."""

    _history: ChaosHistory
    _process: int
    _id: int
    f: str
    key: str
    _ended: OpType | None = None

    def __repr__(self) -> str:
        return f"<{self.f}: {self._ended.value if self._ended else 'asked'}>"

    def ok(self, value: Any = None) -> None:
        """It happened; ``value`` is what was learnt."""
        self._end(OpType.OK, value=value)

    def fail(self, why: str = "") -> None:
        """It certainly did not happen, and never will."""
        self._end(OpType.FAIL, error=why)

    def info(self, why: str = "") -> None:
        """Nobody knows: it may have happened, or happen yet."""
        self._end(OpType.INFO, error=why)

    @property
    def is_ended(self) -> bool:
        return self._ended is not None

    def _end(self, how: OpType, *, value: Any = None, error: str = "") -> None:
        if self._ended is not None:
            raise ValueError(f"{self.f} has ended already: {self._ended.value}")
        self._ended = how
        self._history._ended(self, how, value, error)


@attrs.define(eq=False, repr=False)
class ChaosHistory:
    """Writes down what a test does; may be used by many threads at once.

    Values and keys must be what JSON has. ``folder`` is that of the cluster.
    """

    folder: Path
    _writer: HistoryWriter
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _ids: Iterator[int] = attrs.field(factory=lambda: count(1), init=False)
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1), init=False)
    _free: list[int] = attrs.field(factory=list, init=False)
    """Processes that are doing nothing."""

    def __repr__(self) -> str:
        return f"<history in {self.folder}>"

    @contextmanager
    def op(self, f: str, *, key: str = "", value: Any = None) -> Iterator[OpInProgress]:
        """An operation, for the block: ``f`` is what is asked (``"submit"``), of
        ``key``, with ``value``.

        An exception is written down and goes on: *fail* if it has ``definite = True``,
        as those of our errors have that mean that it did not happen; else *info*.
        """
        op = self._begin(f, key, value)
        try:
            yield op
        except BaseException as error:
            if not op.is_ended:
                words = f"{type(error).__name__}: {error}"
                if getattr(error, "definite", False) is True:
                    op.fail(words)
                else:
                    op.info(words)
            raise
        if not op.is_ended:
            op.ok()

    def happened(self, what: str, value: Any = None) -> None:
        """Something the test was told, or noticed. Raises ValueError for words that
        have a meaning to checkers."""
        if what in JUDGED_WORDS:
            raise ValueError(
                f"{what!r} is a word of our own workloads, whose records are judged;"
                " use another"
            )
        self._writer.write(
            Happening(process=WHO, what=what, at_ns=now_ns(), value=value)
        )

    # --- reading back ---

    def records(self) -> list[Record]:
        """Everything so far, in the order of time: the test's, faults, lives and deaths
        of nodes, what leader nodes said of themselves."""
        found = [
            record
            for path in (self.folder / "driver.jsonl", *self._files())
            if path.exists()
            for record in read_history(path)
        ]
        return sorted(found, key=lambda record: record.at_ns)

    def operations(self, f: str | None = None) -> list[Operation]:
        """Those of the test, of one kind or all, in the order of their beginnings."""
        return [one for one in operations(self.records()) if f in (None, one.f)]

    def happenings(self, what: str | None = None) -> list[Happening]:
        """Those of the test, in the order of time."""
        found = records_of(self.records(), Happening)
        return [one for one in found if what in (None, one.what)]

    def faults(self) -> list[FaultWindow]:
        """What was broken so far, and from when until when."""
        return fault_windows(self.records())

    def check_linearizable(self, initial: Hashable = None) -> int:
        """Judge operations called ``read``, ``write`` and ``cas``, each key by itself:
        they must look as if one happened after the other, each between its beginning
        and its end.

        The value of a ``read`` is what ``ok`` was told; that of a ``cas`` is a pair,
        expected and new, and ``ok`` is told whether it was as expected. Registers begin
        with ``initial``. Returns how many operations were judged; raises
        BrokenPromiseError for those that cannot be, also where that could not be found
        out in time.
        """
        histories = register_histories(self.operations())
        found = check_linearizable(histories, Register(initial))
        if found.verdict is Verdict.INVALID or found.problems:
            lines = [f"{key}: {words}" for key, _, words in found.problems[:SHOWN]]
            raise BrokenPromiseError("not linearizable:\n  " + "\n  ".join(lines))
        return found.judged

    # --- writing ---

    def close(self) -> None:
        """Idempotent."""
        self._writer.close()

    def _begin(self, f: str, key: str, value: Any) -> OpInProgress:
        with self._lock:
            process = self._free.pop(0) if self._free else next(self._numbers)
            number = next(self._ids)
        self._write(process, number, OpType.INVOKE, f, key, value=value)
        return OpInProgress(self, process, number, f, key)

    def _ended(self, op: OpInProgress, how: OpType, value: Any, error: str) -> None:
        self._write(op._process, op._id, how, op.f, op.key, value=value, error=error)
        if how is not OpType.INFO:
            with self._lock:
                self._free.append(op._process)

    def _write(
        self,
        process: int,
        number: int,
        how: OpType,
        f: str,
        key: str,
        *,
        value: Any,
        error: str = "",
    ) -> None:
        record = Op(
            process=f"{WHO}/{process}",
            id=number,
            type=how,
            f=f,
            at_ns=now_ns(),
            key=key,
            value=value,
            error=error,
        )
        try:
            self._writer.write(record)
        except (TypeError, msgspec.EncodeError) as problem:
            raise TypeError(f"{f}: the value is none of JSON: {problem}") from problem

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("workloads/*.jsonl"))
