"""P3: ACCEPT is atomic and idempotent."""

from __future__ import annotations

from raftleader.protocol.ids import OfferId, TaskKey
from raftleader.protocol.offers import Launch
from raftleader.state.cluster import ClusterState
from raftleader.state.commands import AcceptOffers, Entry
from raftleader.state.launch_names import launch_name


class AcceptsOnce:
    """Looks at every ACCEPT in the log, and at the state after its entry.

    Attributes:
        judged: How many ACCEPTs there were, repeated ones too.
        launched: Every task that was ever in the table.
    """

    name = "P3 an ACCEPT counts once"

    def __init__(self) -> None:
        self.judged = 0
        self.launched: set[TaskKey] = set()
        self._used: dict[OfferId, int] = {}
        self._launches: dict[tuple[TaskKey, tuple[OfferId, ...]], int] = {}

    def applied(self, entry: Entry | None, state: ClusterState) -> list[str]:
        """``state`` is that after ``entry``."""
        problems: list[str] = []
        for command in entry.commands if entry is not None else ():
            if isinstance(command, AcceptOffers) and command.operations:
                self.judged += 1
                problems += self._judge(command, state)
        return problems

    def _judge(self, command: AcceptOffers, state: ClusterState) -> list[str]:
        problems: list[str] = []
        framework = state.frameworks.get(command.framework_id)
        if framework is None:
            return problems
        offers = command.offer_ids
        answered = {status.task_id for status in framework.orphan_updates}
        decided = set(framework.answered_launches)
        for operation in command.operations:
            for task in operation.tasks if isinstance(operation, Launch) else ():
                key = (framework.id, task.task_id)
                row, past = state.tasks.get(key), state.completed_tasks.get(key)
                if row is not None and row.offer_ids == offers:
                    problems += self._launch(key, offers, state.index)
                elif not (
                    (past is not None and past.offer_ids == offers)
                    or task.task_id in answered
                    or launch_name(task.task_id, offers) in decided
                ):
                    problems.append(
                        f"entry {state.index}: task {task.task_id} is neither launched"
                        " nor refused"
                    )
        return problems

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
