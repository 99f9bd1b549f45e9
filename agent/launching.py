"""What is to be started for a task or an executor: from what a framework said to a
:class:`Launch`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs
from msgspec.structs import replace

from agent.config import AgentConfig
from agent.containerizer.interface import Launch, Leftover
from agent.environment import executor_variables
from agent.machine import Machine
from agent.machine.held import Executor, bounded_grace
from agent.records import ExecutorRun
from agent.recovery import Recovered
from agent.sandbox import nested_sandbox_path, run_path, sandbox_path
from agent.volumes import VolumeStore
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import TaskKey
from raftleader.protocol.tasks import CommandInfo, ExecutorInfo, TaskInfo

WILDCARDS = frozenset({"0.0.0.0", "[::]", ""})


@attrs.define(eq=False, kw_only=True)
class LaunchMaker:
    """Makes launches for one agent.

    Attributes:
        address: ``HOST:PORT`` of the agent's HTTP port, once it is bound.
    """

    config: AgentConfig
    machine: Machine
    volumes: VolumeStore
    address: str = ""

    def sandbox_of(self, key: TaskKey, run: ExecutorRun | None) -> str:
        """Where a task of this executor, or a command task, has its sandbox."""
        root = self.config.sandbox_root
        if run is None:
            return sandbox_path(root, key)
        return nested_sandbox_path(root, run, key[1])

    def sandbox_of_run(self, run: ExecutorRun) -> str:
        """Where an executor has its sandbox."""
        return run_path(self.config.sandbox_root, run)

    def of_task(
        self, info: TaskInfo, key: TaskKey, run: ExecutorRun | None, role: str
    ) -> Launch:
        """For a task that the agent runs itself."""
        assert info.command is not None, "the machine has looked"
        variables = {}
        if run is not None:
            variables["MESOS_EXECUTOR_ID"] = run.executor_id
            variables["MESOS_ALLOCATION_ROLE"] = role
        return Launch(
            key=key,
            command=info.command,
            sandbox=self.sandbox_of(key, run),
            data=info.data,
            agent_id=self.machine.identity.agent_id or "",
            variables=variables,
            volumes=self.volumes.links_of(info.resources),
            run_sandbox=self.sandbox_of_run(run) if run is not None else None,
        )

    def of_executor(
        self, run: ExecutorRun, info: ExecutorInfo, framework: FrameworkInfo, role: str
    ) -> Launch | None:
        """For a framework's program; None if the agent has no port it could reach, or
        if it names no program."""
        if info.command is None or not info.command.value or not self.address:
            return None
        grace_ms = info.shutdown_grace_ms
        if grace_ms is None:
            grace_ms = self.machine.executors.shutdown_grace_ms
        variables = executor_variables(
            endpoint=self._endpoint(),
            role=role,
            is_checkpointing=framework.checkpoint,
            shutdown_grace_ms=bounded_grace(grace_ms),
            libprocess_ip=os.environ.get("LIBPROCESS_IP"),
        )
        return Launch(
            key=run,
            command=info.command,
            sandbox=self.sandbox_of_run(run),
            run_sandbox=self.sandbox_of_run(run),
            agent_id=self.machine.identity.agent_id or "",
            variables=variables,
            volumes=self.volumes.links_of(info.resources),
        )

    def environment_of_run(self, row: Executor) -> Mapping[str, str] | None:
        """What its processes are started with; of the default executor, which has
        none, what Mesos' would be."""
        if row.info is None or row.framework is None:
            return None
        info = row.info
        if row.is_default:
            info = replace(info, command=CommandInfo(value="-"))
        launch = self.of_executor(row.run, info, row.framework, row.role)
        return launch.environment() if launch is not None else None

    def _endpoint(self) -> str:
        """The address for whoever runs on this machine."""
        host, _, port = self.address.rpartition(":")
        return f"127.0.0.1:{port}" if host in WILDCARDS else self.address


def leftovers_of(root: Path, found: Recovered) -> list[Leftover]:
    """What an agent that died may have left running."""
    leftovers = []
    for key, mark in found.unended.items():
        executor_id = found.executor_ids.get(key)
        if executor_id is None:
            leftovers.append(Leftover(key, sandbox_path(root, key), mark))
            continue
        run, _ = found.runs.get((key[0], executor_id), (None, None))
        if run is not None:
            sandbox = nested_sandbox_path(root, run, key[1])
            leftovers.append(Leftover(key, sandbox, mark))
    for run, mark in found.runs.values():
        leftovers.append(Leftover(run, run_path(root, run), mark))
    return leftovers
