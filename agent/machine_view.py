"""The view of a running agent: values made of its machine, see ``view.py``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from agent.containerizer.interface import Containerizer
from agent.launching import LaunchMaker
from agent.machine import Machine
from agent.machine.held import Executor, ExecutorState, Held, Stage
from agent.machine.history import FrameworkHistory
from agent.view import (
    ContainerState,
    ContainerView,
    ExecutorView,
    FrameworkView,
    OnContainerEnd,
    TaskView,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo

_WAITING = (Stage.QUEUED, Stage.LAUNCHING)


@attrs.define(eq=False, kw_only=True)
class MachineView:
    """An ``AgentView``.

    Attributes:
        end_watchers: To be called for each end, by whoever performs the turns.
    """

    machine: Machine
    launches: LaunchMaker
    containerizer: Containerizer
    start_time_s: float
    end_watchers: list[OnContainerEnd] = attrs.field(factory=list)

    @property
    def agent_id(self) -> AgentId | None:
        return self.machine.identity.agent_id

    @property
    def info(self) -> AgentInfo:
        return self.machine.info

    def frameworks(self) -> Sequence[FrameworkView]:
        held = self._held_by_framework()
        rows: dict[FrameworkId, list[Executor]] = defaultdict(list)
        for key, row in sorted(self.machine.executors.rows.items()):
            if row.info is not None:
                rows[key[0]].append(row)
        history = self.machine.tasks.history.frameworks
        return [
            self._framework(each, held[each], rows[each], history.get(each))
            for each in sorted({*held, *rows, *history})
        ]

    def containers(self) -> Sequence[ContainerView]:
        found = []
        for _, row in sorted(self.machine.executors.rows.items()):
            if row.report is None and row.info is not None:
                found.append(self._executor_container(row, row.info))
        for _, held in sorted(self.machine.tasks.held.items()):
            if held.is_own and held.info is not None:
                found.append(self._task_container(held, held.info))
        return found

    def find_container(self, container_id: str) -> ContainerView | None:
        found = self._find(container_id)
        if isinstance(found, Executor):
            assert found.info is not None
            return self._executor_container(found, found.info)
        if found is not None:
            assert found.info is not None
            return self._task_container(found, found.info)
        return None

    def environment_of(self, container_id: str) -> Mapping[str, str] | None:
        found = self._find(container_id)
        if found is None or found.info is None:
            return None
        if isinstance(found, Held):
            launch = self.launches.of_task(found.info, found.key, found.run, found.role)
            return launch.environment()
        return self.launches.environment_of_run(found)

    def signal_container(self, container_id: str, number: int) -> bool:
        found = self._find(container_id)
        if found is None:
            return False
        send = self.containerizer.signal_number_nowait
        if isinstance(found, Held):
            send(found.key, number)
            return True
        if not found.is_default:
            send(found.run, number)
            return True
        for key in found.tasks:
            send(key, number)
        return True

    def watch_ends(self, on_end: OnContainerEnd) -> Callable[[], None]:
        self.end_watchers.append(on_end)

        def stop() -> None:
            if on_end in self.end_watchers:
                self.end_watchers.remove(on_end)

        return stop

    def counters(self) -> Mapping[str, int]:
        return Counter(self.machine.tasks.counts)

    # --- finding --------------------------------------------------------------------

    def _held_by_framework(self) -> dict[FrameworkId, list[Held]]:
        found: dict[FrameworkId, list[Held]] = defaultdict(list)
        for key, held in sorted(self.machine.tasks.held.items()):
            if held.info is not None:
                found[key[0]].append(held)
        return found

    def _find(self, container_id: str) -> Executor | Held | None:
        for row in self.machine.executors.rows.values():
            is_there = row.report is None and row.info is not None
            if is_there and row.run.container_id == container_id:
                return row
        for held in self.machine.tasks.held.values():
            is_there = held.is_own and held.info is not None
            if is_there and held.container_id == container_id:
                return held
        return None

    # --- containers -----------------------------------------------------------------

    def _task_container(self, held: Held, info: TaskInfo) -> ContainerView:
        if held.kill_message is not None:
            state = ContainerState.ENDING
        elif held.stage is Stage.RUNNING:
            state = ContainerState.RUNNING
        else:
            state = ContainerState.STARTING
        executor = info.executor
        return ContainerView(
            container_id=held.container_id,
            parent=held.run.container_id if held.run else None,
            framework_id=held.key[0],
            executor_id=held.executor_id or held.key[1],
            executor_name=(executor.name or "") if executor else command_name(info),
            tasks=(held.key[1],),
            pid=held.mark.pid if held.mark else None,
            sandbox=self.launches.sandbox_of(held.key, held.run),
            state=state,
            resources=info.resources,
            user=info.command.user if info.command else None,
        )

    def _executor_container(self, row: Executor, info: ExecutorInfo) -> ContainerView:
        if row.is_ending:
            state = ContainerState.ENDING
        elif row.mark is not None or row.is_default:
            state = ContainerState.RUNNING
        else:
            state = ContainerState.STARTING
        tasks = self._live_tasks(row)
        return ContainerView(
            container_id=row.run.container_id,
            parent=None,
            framework_id=row.run.framework_id,
            executor_id=row.run.executor_id,
            executor_name=info.name or "",
            tasks=tuple(held.key[1] for held in tasks),
            pid=row.mark.pid if row.mark else None,
            sandbox=self.launches.sandbox_of_run(row.run),
            state=state,
            resources=_sum([info.resources, *(held.resources for held in tasks)]),
            user=info.command.user if info.command else None,
        )

    def _live_tasks(self, row: Executor) -> list[Held]:
        held = self.machine.tasks.held
        found = [held[key] for key in row.tasks]
        return [each for each in found if each.stage is not Stage.ENDED]

    # --- frameworks -----------------------------------------------------------------

    def _framework(
        self,
        framework_id: FrameworkId,
        held: list[Held],
        rows: list[Executor],
        history: FrameworkHistory | None,
    ) -> FrameworkView:
        history = history or FrameworkHistory()
        done = [*history.executors, *rows]
        info = next((row.framework for row in reversed(done) if row.framework), None)
        if info is None:
            some = [*history.command_tasks, *held]
            name = some[-1].framework_name if some else ""
            info = FrameworkInfo(user="", name=name, id=framework_id)
        command_tasks = [each for each in held if each.run is None]
        return FrameworkView(
            framework_id=framework_id,
            info=info,
            executors=(
                *(self._executor(row, history) for row in rows),
                *(self._command_executor(each) for each in command_tasks),
            ),
            completed_executors=(
                *(self._executor(row, history) for row in history.executors),
                *(
                    self._command_executor(each, is_committed=True)
                    for each in history.command_tasks
                ),
            ),
        )

    def _executor(self, row: Executor, history: FrameworkHistory) -> ExecutorView:
        info = row.info
        assert info is not None, "others are not shown"
        table = self.machine.tasks.held
        held = [table[key] for key in row.tasks if key in table]
        live = [each for each in held if each.stage is not Stage.ENDED]
        return ExecutorView(
            framework_id=row.run.framework_id,
            info=info,
            container_id=row.run.container_id,
            sandbox=self.launches.sandbox_of_run(row.run),
            state=row.state,
            is_command_task=False,
            resources=_sum([info.resources, *(each.resources for each in live)]),
            queued=_tasks(each for each in live if each.stage in _WAITING),
            launched=_tasks(each for each in live if each.stage not in _WAITING),
            terminated=_tasks(each for each in held if each.stage is Stage.ENDED),
            completed=_tasks(history.tasks.get(row.run, ())),
        )

    def _command_executor(
        self, held: Held, *, is_committed: bool = False
    ) -> ExecutorView:
        info = held.info
        assert info is not None, "others are not shown"
        if held.stage is Stage.ENDED:
            state = ExecutorState.TERMINATED
        elif held.kill_message is not None:
            state = ExecutorState.TERMINATING
        elif held.stage is Stage.RUNNING:
            state = ExecutorState.RUNNING
        else:
            state = ExecutorState.REGISTERING
        task = _tasks([held])
        is_ended = held.stage is Stage.ENDED
        is_waiting = held.stage in _WAITING
        return ExecutorView(
            framework_id=held.key[0],
            info=ExecutorInfo(
                executor_id=held.key[1],
                framework_id=held.key[0],
                command=info.command,
                name=command_name(info),
            ),
            container_id=held.container_id,
            sandbox=self.launches.sandbox_of(held.key, None),
            state=state,
            is_command_task=True,
            resources=EMPTY if is_ended else info.resources,
            queued=task if is_waiting else (),
            launched=task if not is_ended and not is_waiting else (),
            terminated=task if is_ended and not is_committed else (),
            completed=task if is_committed else (),
        )


def command_name(info: TaskInfo) -> str:
    """The name of the executor that a command task is shown with."""
    value = (info.command.value if info.command else None) or ""
    shown = value if len(value) <= 15 else f"{value[:12]}..."
    return f"Command Executor (Task: {info.task_id}) (Command: sh -c '{shown}')"


def _tasks(held: Iterable[Held]) -> tuple[TaskView, ...]:
    return tuple(
        TaskView(
            framework_id=each.key[0],
            info=each.info,
            role=each.role,
            executor_id=each.run.executor_id if each.run else "",
            state=each.state,
            statuses=tuple(each.statuses),
            container_id=each.container_id,
        )
        for each in held
        if each.info is not None
    )


def _sum(parts: Iterable[Resources]) -> Resources:
    total = EMPTY
    for part in parts:
        total = total + part.exclusive()
    return total
