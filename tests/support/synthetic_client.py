"""A made-up framework: one process that does things, and writes them down."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from typing import Any

import attrs
from support.synthetic_cluster import MS, SyntheticCluster

from chaos.history.records import Happening, Op, OpType, Record
from raftleader.protocol.ids import FrameworkId, OfferId, TaskId


@attrs.define(eq=False)
class Client:
    """A workload's process.

    Attributes:
        busy_until_ns: Its last operation ends then.
        used: Offers that it has answered.
        futures: By task, when its future began, and in which slot.
    """

    name: str
    kind: str
    records: list[Record]
    rng: random.Random
    life: int = 1
    framework_id: FrameworkId | None = None
    busy_until_ns: int = 0
    is_connected: bool = False
    begins_nothing: bool = False
    used: set[OfferId] = attrs.field(factory=set)
    told: set[OfferId] = attrs.field(factory=set)
    heard: set[bytes] = attrs.field(factory=set)
    launched: dict[TaskId, bytes] = attrs.field(factory=dict)
    futures: dict[TaskId, tuple[int, int]] = attrs.field(factory=dict)
    ids: Any = attrs.field(factory=lambda: count(1), init=False)
    _tasks: Any = attrs.field(factory=lambda: count(1), init=False)

    @property
    def process(self) -> str:
        return f"{self.name}/{self.life}"

    def hears(self, what: str, at_ns: int, **value: Any) -> None:
        if self.is_silent and what in ("offer", "update", "disconnected"):
            return
        self.records.append(
            Happening(
                process=self.name,
                what=what,
                at_ns=at_ns,
                value={"instance": 1, **value},
            )
        )

    @property
    def is_silent(self) -> bool:
        """It tells of its futures, and of nothing that lies below."""
        return self.kind == "futures"

    def call(
        self,
        cluster: SyntheticCluster,
        f: str,
        value: Any,
        perform: Callable[[], Any],
        *,
        key: str = "",
    ) -> Any:
        """One operation that ends well; ``perform`` says what it learns."""
        if self.is_silent:
            cluster.now_ns += self.rng.randrange(200_000, MS)
            return perform()
        number = next(self.ids)
        early_ns = self.rng.randrange(1, 8) * MS
        began_ns = max(self.busy_until_ns + 1000, cluster.now_ns - early_ns)
        cluster.now_ns = max(cluster.now_ns, began_ns) + self.rng.randrange(200_000, MS)
        answer = perform()
        ended_ns = cluster.now_ns + self.rng.randrange(100_000, 12 * MS)
        node = cluster.leader.name if cluster.leader else ""
        common: dict[str, Any] = {
            "process": self.process,
            "id": number,
            "f": f,
            "key": key,
            "node": node,
        }
        self.records.append(
            Op(**common, type=OpType.INVOKE, at_ns=began_ns, value=value)
        )
        self.records.append(Op(**common, type=OpType.OK, at_ns=ended_ns, value=answer))
        self.busy_until_ns = ended_ns
        return answer

    def doubt(self, began_ns: int, ended_ns: int, f: str, value: Any, key: str) -> None:
        """An operation of which nobody knows whether it happened."""
        number = next(self.ids)
        common: dict[str, Any] = {
            "process": self.process,
            "id": number,
            "f": f,
            "key": key,
        }
        self.records.append(
            Op(**common, type=OpType.INVOKE, at_ns=began_ns, value=value)
        )
        self.records.append(
            Op(**common, type=OpType.INFO, at_ns=ended_ns, error="no answer")
        )
        self.busy_until_ns = ended_ns
        self.life += 1

    def new_task(self) -> TaskId:
        return TaskId(f"{self.name}-{next(self._tasks)}")
