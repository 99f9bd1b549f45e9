"""The processes of a run: started where the network and the disks are, watched, started
again, and ended.

    async with open_live_cluster(options, network, disks, journal, folder) as cluster:
        leader = await cluster.wait_ready()
        cluster.kill(leader)

Whatever ends the block, every process has been ended and reaped afterwards, paused
ones too. If we are killed ourselves, the nodes see their lifeline close and end as
well; what they leave is ended by the house of the run (``chaos.machine.house``).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from chaos.history.records import ProcessEvent
from chaos.live.plan import (
    AGENT,
    FRAMEWORK,
    LEADER,
    LiveOptions,
    plan_live_cluster,
)
from chaos.live.readiness import Readiness
from chaos.live.seams import Disks, Journal, LiveNode, Network
from chaos.live.variables import CRASH_VARIABLE, MUTANT_VARIABLE, RECORD_VARIABLE
from raftleader.cli.api_client import ApiClient, open_api_client
from raftleader.cli.local_cluster import (
    READY_TIMEOUT_S,
    STATUS_TIMEOUT_S,
    LocalClusterError,
    Statuses,
    kill_tasks_below,
    leading_node,
    lifeline,
)
from raftleader.cli.local_process import LocalEvent, LocalProcess, child_environment
from raftleader.errors import ApiError, OutcomeUnknownError
from raftleader.framework.nursery import open_plain_nursery

OPERATOR_API = "/api/v1"
POLL_INTERVAL_S = 0.05
NO_END = 124
"""Exit code of a command that did not end in time, as ``timeout`` has it."""
_MODULES = {LEADER: "chaos.live.daemon", AGENT: "chaos.live.daemon"} | {
    FRAMEWORK: "chaos.workloads.main"
}
_ACCEPTED, _OK = 202, 200


@attrs.define(kw_only=True)
class LiveCluster:
    """See ``chaos.live.seams.Cluster``. Made by ``open_live_cluster``.

    Attributes:
        processes: By name of the node.
        failures: Nodes that ended with an exit code before the cluster was ready once:
            they would not do better the next time.
        guests: Frameworks that others run: they have links, and no process here.
    """

    folder: Path
    client: ApiClient
    network: Network
    journal: Journal
    processes: dict[str, LocalProcess]
    failures: list[LocalClusterError] = attrs.field(factory=list)
    guests: Sequence[str] = ()
    _nodes: dict[str, LiveNode]
    _was_ready: bool = False

    @property
    def leaders(self) -> Sequence[str]:
        return self._of_kind(LEADER)

    @property
    def agents(self) -> Sequence[str]:
        return self._of_kind(AGENT)

    @property
    def frameworks(self) -> Sequence[str]:
        return [*self._of_kind(FRAMEWORK), *self.guests]

    def _of_kind(self, kind: str) -> list[str]:
        return [node.name for node in self._nodes.values() if node.kind == kind]

    def node(self, name: str) -> LiveNode:
        return self._nodes[name]

    def pid(self, name: str) -> int | None:
        return None if name in self.guests else self.processes[name].pid

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        self.processes[name].kill(signal_number)

    async def wait_dead(self, name: str) -> None:
        await self.processes[name].wait_dead()

    async def stop(self, name: str) -> None:
        await self.processes[name].stop()

    def hold(self, name: str) -> None:
        self.processes[name].hold()

    def release(self, name: str) -> None:
        self.processes[name].release()

    async def statuses(self) -> Statuses:
        found: dict[str, dict[str, Any] | None] = {}

        async def ask(name: str) -> None:
            found[name] = await self.client.status_of(
                self._nodes[name].http, timeout_s=STATUS_TIMEOUT_S
            )

        async with trio.open_nursery() as nursery:
            for name in self.leaders:
                nursery.start_soon(ask, name)
        return {name: found[name] for name in self.leaders}

    async def leader(self) -> str | None:
        return leading_node(await self.statuses())

    async def wait_leader(
        self, *, besides: str | None = None, timeout_s: float = READY_TIMEOUT_S
    ) -> str:
        with trio.move_on_after(timeout_s):
            while True:
                self._raise_failures()
                found = leading_node(await self.statuses(), besides=besides)
                if found is not None:
                    return found
                await trio.sleep(POLL_INTERVAL_S)
        raise LocalClusterError(f"no leader after {timeout_s:g} s; {self._logs()}")

    async def wait_ready(self, *, timeout_s: float = 60.0) -> str:
        """See ``Cluster``. Raises LocalClusterError that says what is missing."""
        readiness = Readiness(
            client=self.client,
            addresses={name: self.node(name).http for name in self.leaders},
            agents=self.agents,
        )
        lacking = "no node answered"
        with trio.move_on_after(timeout_s):
            while True:
                self._raise_failures()
                found = await readiness.look(await self.statuses())
                if found.leader is not None:
                    self._was_ready = True
                    return found.leader
                lacking = found.lacking
                await trio.sleep(POLL_INTERVAL_S)
        raise LocalClusterError(f"after {timeout_s:g} s: {lacking}; {self._logs()}")

    async def operator(
        self, call: Mapping[str, Any], *, timeout_s: float = 10.0
    ) -> Any:
        """What the leader answers; None if that has no content.

        Raises UnavailableError if there was no leader, ApiError for a refusal,
        OutcomeUnknownError if it may have been carried out.
        """
        client = attrs.evolve(self.client, timeout_s=timeout_s)
        with trio.move_on_after(timeout_s):
            leader = await client.find_leader()
            answer = await client.http.request(
                leader,
                "POST",
                OPERATOR_API,
                headers=[
                    ("Content-Type", "application/json"),
                    ("Accept", "application/json"),
                ],
                body=json.dumps(dict(call)).encode(),
                timeout_s=timeout_s,
            )
            if answer.headers.get("raftleader-outcome") == "unknown":
                raise OutcomeUnknownError(answer.text)
            if answer.status not in (_OK, _ACCEPTED):
                raise ApiError(answer.status, answer.text)
            return json.loads(answer.body) if answer.body else None
        raise OutcomeUnknownError(f"{call.get('type')}: no answer in {timeout_s:g} s")

    async def command(
        self, *arguments: str, timeout_s: float = 30.0
    ) -> tuple[int, str]:
        """See ``Cluster``. One that does not end in time is killed: the exit code is
        then ``NO_END``. Raises OSError if it cannot be started."""
        environment = base_environment()
        environment["RAFTLEADER_LEADERS"] = ",".join(self.client.addresses)
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "raftleader", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        assert process.stdout is not None
        said, code = bytearray(), NO_END
        try:
            with trio.move_on_after(timeout_s):
                async for chunk in process.stdout:
                    said += chunk
                code = await process.wait()
        finally:
            with trio.CancelScope(shield=True):
                process.kill()
                await process.wait()
                await process.stdout.aclose()
        return code, said.decode(errors="replace")

    def _raise_failures(self) -> None:
        if self.failures and not self._was_ready:
            raise self.failures[0]

    def _logs(self) -> str:
        return f"logs are in {self.folder / 'nodes'}/*/log"

    def _prepare(self, process: LocalProcess) -> None:
        """What the next life of a node is started with."""
        node = self._nodes[process.name]
        process.arguments = list(node.arguments)
        process.environment = base_environment() | node.environment
        process.command = [
            *self.network.command_prefix(node.name),
            *(sys.executable, "-P", "-m", _MODULES[node.kind]),
        ]

    def _on_event(self, event: LocalEvent) -> None:
        process = self.processes[event.node]
        if event.what == "died" and process.exits[-1] > 0:
            self.failures.append(
                LocalClusterError(
                    f"{event.node} ended with {event.detail}; its log ends:",
                    process.log_tail(),
                )
            )
        self.journal.write(
            ProcessEvent(
                node=event.node,
                what=event.what,
                at_ns=self.journal.now_ns(),
                detail=event.detail,
            )
        )


def base_environment() -> dict[str, str]:
    """That of any child of a run: nothing of it is armed, recorded or planted."""
    environment = child_environment()
    for variable in (CRASH_VARIABLE, RECORD_VARIABLE, MUTANT_VARIABLE):
        environment.pop(variable, None)
    return environment


@asynccontextmanager
async def open_live_cluster(
    options: LiveOptions,
    network: Network,
    disks: Disks,
    journal: Journal,
    folder: Path,
) -> AsyncIterator[LiveCluster]:
    """Start the processes; end and reap them when the block is left.

    ``folder`` is that of the run, absolute. ``network`` must know ``options.hosts``,
    ``disks`` the leader nodes among them. Raises ConfigError, UnavailableError or
    OSError.
    """
    nodes = plan_live_cluster(options, network, disks, folder)
    addresses = [node.http for node in nodes if node.kind == LEADER]
    async with open_api_client(addresses, timeout_s=STATUS_TIMEOUT_S) as client:
        cluster = LiveCluster(
            folder=folder,
            client=client,
            network=network,
            journal=journal,
            processes={},
            guests=options.guests,
            nodes={node.name: node for node in nodes},
        )
        with lifeline() as lifeline_fd:
            for node in nodes:
                cluster.processes[node.name] = LocalProcess(
                    name=node.name,
                    arguments=node.arguments,
                    log_file=node.log_file,
                    lifeline_fd=lifeline_fd,
                    environment={},
                    is_restarted=True,
                    listener=cluster._on_event,
                    before_start=cluster._prepare,
                )
            try:
                async with open_plain_nursery() as nursery:
                    # The processes outlive the block, also when it is cancelled:
                    # what it does on its way out may need them.
                    scopes = [trio.CancelScope(shield=True) for _ in nodes]
                    for process, scope in zip(
                        cluster.processes.values(), scopes, strict=True
                    ):
                        nursery.start_soon(_run_within, scope, process)
                    try:
                        yield cluster
                    finally:
                        for scope in scopes:
                            scope.cancel()
            finally:
                kill_tasks_below(folder)


async def _run_within(scope: trio.CancelScope, process: LocalProcess) -> None:
    with scope:
        await process.run()
