"""An agent as seen by its operator API, of which a test says what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from agent.machine.events import ProcessExit
from agent.view import (
    ContainerEnd,
    ContainerState,
    ContainerView,
    FrameworkView,
    OnContainerEnd,
)
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resources import parse_resources


@attrs.define(eq=False)
class FakeAgentView:
    """An ``AgentView``. ``signals`` notes what was sent."""

    agent_id: AgentId | None = attrs.field(factory=lambda: AgentId("A-1"))
    info: AgentInfo = attrs.field(
        factory=lambda: AgentInfo(
            hostname="host1",
            ip="127.0.0.1",
            port=5051,
            resources=parse_resources("cpus:4;mem:1024"),
        )
    )
    start_time_s: float = 1_700_000_000.0
    shown_frameworks: list[FrameworkView] = attrs.field(factory=list)
    shown: dict[str, ContainerView] = attrs.field(factory=dict)
    environments: dict[str, dict[str, str]] = attrs.field(factory=dict)
    signals: list[tuple[str, int]] = attrs.field(factory=list)
    counts: dict[str, int] = attrs.field(factory=dict)
    _watchers: list[OnContainerEnd] = attrs.field(factory=list)

    def frameworks(self) -> Sequence[FrameworkView]:
        return self.shown_frameworks

    def containers(self) -> Sequence[ContainerView]:
        return list(self.shown.values())

    def find_container(self, container_id: str) -> ContainerView | None:
        return self.shown.get(container_id)

    def environment_of(self, container_id: str) -> Mapping[str, str] | None:
        return self.environments.get(container_id)

    def signal_container(self, container_id: str, number: int) -> bool:
        self.signals.append((container_id, number))
        return container_id in self.shown

    def watch_ends(self, on_end: OnContainerEnd) -> Callable[[], None]:
        self._watchers.append(on_end)
        return lambda: self._watchers.remove(on_end)

    @property
    def watcher_count(self) -> int:
        """How many watch the ends of containers."""
        return len(self._watchers)

    def counters(self) -> Mapping[str, int]:
        return self.counts

    def add_container(
        self,
        container_id: str,
        sandbox: Path,
        *,
        parent: str | None = None,
        state: ContainerState = ContainerState.RUNNING,
        pid: int | None = None,
        tasks: tuple[str, ...] = ("t1",),
    ) -> None:
        self.shown[container_id] = ContainerView(
            container_id=container_id,
            parent=parent,
            framework_id=FrameworkId("F-1"),
            executor_id="e1",
            executor_name="",
            tasks=tuple(map(TaskId, tasks)),
            pid=pid,
            sandbox=str(sandbox),
            state=state,
            resources=parse_resources("cpus:1;mem:32"),
        )
        self.environments[container_id] = {
            "PATH": "/usr/bin:/bin",
            "MESOS_SANDBOX": str(sandbox),
            "OF_THE_TASK": "yes",
        }

    def end_container(self, container_id: str, code: int = 0) -> None:
        del self.shown[container_id]
        for watcher in list(self._watchers):
            watcher(
                ContainerEnd(container_id=container_id, exit=ProcessExit(code=code))
            )
