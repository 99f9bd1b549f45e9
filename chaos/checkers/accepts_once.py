"""P3: ACCEPT is atomic and idempotent."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from raftleader.protocol.ids import OfferId, TaskId, TaskKey
from raftleader.protocol.offers import Launch, LaunchGroup
from raftleader.protocol.tasks import Reason
from raftleader.state.cluster import ClusterState, Framework
from raftleader.state.commands import AcceptOffers, Entry
from raftleader.state.launch_names import launch_name


class _Fate(enum.Enum):
    """Of a task in an ACCEPT."""

    LAUNCHED = "has a row"
    DECIDED = "was refused, or has ended"
    UNKNOWN = "unknown"


class AcceptsOnce:
    """Looks at every ACCEPT in the log, and at the state after its entry.

    Attributes:
        judged: How many ACCEPTs there were, repeated ones too.
        launched: Every task that was ever in the table.
        named: Every task of an ACCEPT, launched or not.
    """

    name = "P3 an ACCEPT counts once"

    def __init__(self) -> None:
        self.judged = 0
        self.launched: set[TaskKey] = set()
        self.named: set[TaskKey] = set()
        self._used: dict[OfferId, int] = {}
        self._launches: dict[tuple[TaskKey, tuple[OfferId, ...]], int] = {}
        self._orphans: set[bytes] = set()

    def applied(self, entry: Entry | None, state: ClusterState) -> list[str]:
        """``state`` is that after ``entry``."""
        accepts = [
            command
            for command in (entry.commands if entry is not None else ())
            if isinstance(command, AcceptOffers) and command.operations
        ]
        problems: list[str] = []
        for command in accepts:
            self.judged += 1
            self.named |= {(command.framework_id, one) for one in _tasks_of(command)}
            problems += self._judge(command, state)
        for framework_id in sorted({one.framework_id for one in accepts}):
            framework = state.frameworks.get(framework_id)
            if framework is not None:
                problems += self._refusals(accepts, framework, state.index)
        return problems

    def _refusals(
        self, accepts: Sequence[AcceptOffers], framework: Framework, index: int
    ) -> list[str]:
        """What these ACCEPTs refused must not have been launched by the same ACCEPT
        before. No other command makes updates without a task."""
        problems: list[str] = []
        for status in framework.orphan_updates:
            assert status.uuid is not None, "an orphan update has a uuid"
            if status.uuid in self._orphans:
                continue
            self._orphans.add(status.uuid)
            if status.reason is not Reason.INVALID_OFFERS:
                continue
            key = (framework.id, status.task_id)
            named = {
                one.offer_ids
                for one in accepts
                if one.framework_id == framework.id and status.task_id in _tasks_of(one)
            }
            before = [self._launches.get((key, offers)) for offers in named]
            if before and None not in before:
                problems.append(
                    f"entry {index} refuses task {status.task_id} for its offers, from"
                    f" which entry {before[0]} has launched it"
                )
        return problems

    def _judge(self, command: AcceptOffers, state: ClusterState) -> list[str]:
        problems: list[str] = []
        framework = state.frameworks.get(command.framework_id)
        if framework is None:
            return problems
        offers = command.offer_ids
        for operation in command.operations:
            if isinstance(operation, Launch | LaunchGroup):
                fates = [
                    self._fate(task.task_id, offers, framework, state)
                    for task in operation.tasks
                ]
                # Later its tasks end one by one.
                is_first = isinstance(operation, LaunchGroup) and not any(
                    ((framework.id, task.task_id), offers) in self._launches
                    for task in operation.tasks
                )
                for task, fate in zip(operation.tasks, fates, strict=True):
                    if fate is _Fate.LAUNCHED:
                        key = (framework.id, task.task_id)
                        problems += self._launch(key, offers, state.index)
                    elif fate is _Fate.UNKNOWN:
                        problems.append(
                            f"entry {state.index}: task {task.task_id} is neither"
                            " launched nor refused"
                        )
                if is_first and len(set(fates)) > 1:
                    problems.append(
                        f"entry {state.index}: a group was launched in part"
                    )
            elif operation.id is not None:
                row = state.operations.get((framework.id, operation.id))
                name = launch_name(operation.id, offers, kind="operation")
                if (
                    row is None or row.offer_ids != offers
                ) and name not in framework.answered_launches:
                    problems.append(
                        f"entry {state.index}: operation {operation.id} was not decided"
                    )
        return problems

    def _fate(
        self,
        task_id: TaskId,
        offers: tuple[OfferId, ...],
        framework: Framework,
        state: ClusterState,
    ) -> _Fate:
        key = (framework.id, task_id)
        row, past = state.tasks.get(key), state.completed_tasks.get(key)
        if row is not None and row.offer_ids == offers:
            return _Fate.LAUNCHED
        if (
            (past is not None and past.offer_ids == offers)
            or launch_name(task_id, offers) in framework.answered_launches
            or any(one.task_id == task_id for one in framework.orphan_updates)
        ):
            return _Fate.DECIDED
        return _Fate.UNKNOWN

    def _launch(
        self, key: TaskKey, offers: tuple[OfferId, ...], index: int
    ) -> list[str]:
        self.launched.add(key)
        if (key, offers) in self._launches:
            return []
        self._launches[key, offers] = index
        return [
            f"offer {offer_id} is used by entry {index}, as by"
            f" entry {self._used[offer_id]} before"
            for offer_id in offers
            if self._used.setdefault(offer_id, index) != index
        ]


def _tasks_of(command: AcceptOffers) -> set[TaskId]:
    return {
        task.task_id
        for operation in command.operations
        if isinstance(operation, Launch | LaunchGroup)
        for task in operation.tasks
    }
