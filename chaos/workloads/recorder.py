"""Takes down what a workload asks for, and what it is told.

A *process* of the history does one thing after the other, but a framework has many
calls on their way. So calls are spread over processes ``NAME/1``, ``NAME/2``, ...: a
call has the lowest that is free, and one that ended with *info* is never free again.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import trio

from chaos.history.merge import read_history
from chaos.history.queries import workload_of
from chaos.history.records import Happening, Op, OpType
from chaos.history.writer import HistoryWriter
from raftleader.errors import RaftLeaderError

ERROR_CHARS_MAX = 300


class Recorder:
    """The history of one workload.

    Args:
        name: Of the workload, e.g. ``churn-1``.
        first_process: Number of its first process; higher than any of an earlier life.
    """

    def __init__(
        self, name: str, history: HistoryWriter, *, first_process: int = 1
    ) -> None:
        self.name = name
        self.counts: Counter[tuple[str, OpType]] = Counter()
        self._history = history
        self._ids = itertools.count(1)
        self._processes = itertools.count(first_process)
        self._free: list[int] = []

    def now_ns(self) -> int:
        """The clock of all histories."""
        return self._history.now_ns()

    def tell(self, what: str, **value: Any) -> None:
        """Something happened without our asking."""
        self._history.write(
            Happening(process=self.name, what=what, at_ns=self.now_ns(), value=value)
        )

    def operation(
        self,
        f: str,
        *,
        key: str = "",
        value: Any = None,
        node: str = "",
        is_read: bool = False,
    ) -> Operation:
        """A call; it begins with ``with``. See ``Operation``."""
        return Operation(self, f, key=key, value=value, node=node, is_read=is_read)

    def summary(self) -> dict[str, dict[str, int]]:
        """By what was asked, how often it ended how."""
        found: dict[str, dict[str, int]] = {}
        for (f, type), count in sorted(
            self.counts.items(), key=lambda item: (item[0][0], item[0][1].value)
        ):
            found.setdefault(f, {})[type.value] = count
        return found

    # --- For Operation ------------------------------------------------------------

    def begin(self, operation: Operation) -> tuple[int, int]:
        number = heapq.heappop(self._free) if self._free else next(self._processes)
        id = next(self._ids)
        self._write(operation, number, id, OpType.INVOKE, operation.value, "")
        return number, id

    def end(self, operation: Operation, number: int, id: int, error: str) -> None:
        assert operation.type is not None
        self._write(operation, number, id, operation.type, operation.answer, error)
        self.counts[operation.f, operation.type] += 1
        if operation.type is not OpType.INFO:
            heapq.heappush(self._free, number)

    def _write(
        self,
        operation: Operation,
        number: int,
        id: int,
        type: OpType,
        value: Any,
        error: str,
    ) -> None:
        self._history.write(
            Op(
                process=f"{self.name}/{number}",
                id=id,
                type=type,
                f=operation.f,
                at_ns=self.now_ns(),
                key=operation.key,
                value=value,
                error=error[:ERROR_CHARS_MAX],
                node=operation.node,
            )
        )


class Operation:
    """A call, from ``with`` to its end.

    Errors on purpose end here: one that is definite makes it FAIL, any other INFO. A
    read that went wrong is FAIL whatever the error, for it has no effect. What is no
    error on purpose, a cancellation too, makes it INFO and goes on its way.

    Attributes:
        answer: To be set to what was learnt, if that is OK.
        node: ``HOST:PORT`` it was sent to; may be set until it ends.
        is_in_doubt: Set it, and a definite error is taken for an unknown one.
        type: How it ended; None before.
        problem: The error that ended it.
    """

    def __init__(
        self,
        recorder: Recorder,
        f: str,
        *,
        key: str,
        value: Any,
        node: str,
        is_read: bool,
    ) -> None:
        self.f = f
        self.key = key
        self.value = value
        self.node = node
        self.answer: Any = None
        self.is_in_doubt = False
        self.type: OpType | None = None
        self.problem: RaftLeaderError | None = None
        self._is_read = is_read
        self._recorder = recorder
        self._name = (0, 0)

    @property
    def is_ok(self) -> bool:
        return self.type is OpType.OK

    def __enter__(self) -> Operation:
        self._name = self._recorder.begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        words = ""
        if error is None:
            self.type = OpType.OK
        else:
            self.answer = None
            words = (
                "Cancelled"
                if isinstance(error, trio.Cancelled)
                else f"{type(error).__name__}: {error}"
            )
            is_definite = isinstance(error, RaftLeaderError) and error.definite
            if self._is_read or (is_definite and not self.is_in_doubt):
                self.type = OpType.FAIL
            else:
                self.type = OpType.INFO
        if isinstance(error, RaftLeaderError):
            self.problem = error
        self._recorder.end(self, *self._name, words)
        return isinstance(error, RaftLeaderError)


def earlier_lives(path: Path) -> tuple[int, int]:
    """How many lives wrote to this history, and its highest process number."""
    lives = highest = 0
    if path.exists():
        for record in read_history(path):
            if isinstance(record, Happening) and record.what == "began":
                lives += 1
            elif isinstance(record, Op):
                number = record.process[len(workload_of(record.process)) + 1 :]
                highest = max(highest, int(number))
    return lives, highest
