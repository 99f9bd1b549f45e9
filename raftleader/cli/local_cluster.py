"""A cluster of real processes on this machine, for as long as a block runs.

    async with local_cluster(options) as cluster:
        await cluster.wait_ready()
        leader = await cluster.wait_leader()
        cluster.kill(leader)

Whatever ends the block, every process has been ended and reaped afterwards. If we
are killed ourselves, the children see their lifeline close and end too.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import psutil
import trio

from raftleader.cli.api_client import API, ApiClient, open_api_client
from raftleader.cli.local_plan import (
    LocalClusterOptions,
    LocalPlan,
    NodePlan,
    plan_local_cluster,
)
from raftleader.cli.local_process import (
    Listener,
    LocalEvent,
    LocalProcess,
    child_environment,
)
from raftleader.cli.rows import rows_of
from raftleader.errors import RaftLeaderError
from raftleader.framework.nursery import open_plain_nursery

READY_TIMEOUT_S = 30.0
"""From start to a leader with all agents; 2 s is usual, a loaded CI is slower."""
POLL_INTERVAL_S = 0.05
STATUS_TIMEOUT_S = 1.0
"""A node on this machine answers in milliseconds unless it is paused or dead."""


Statuses = Mapping[str, dict[str, Any] | None]
"""What each leader node says of itself; None for one that does not answer."""


class LocalClusterError(RaftLeaderError):
    """A node of a local cluster did not do what it was started for.

    ``detail`` is more than a line: the end of the node's log.
    """

    def __init__(self, problem: str, detail: str = "") -> None:
        super().__init__(problem)
        self.detail = detail


@attrs.define(kw_only=True)
class LocalCluster:
    """The running processes. Nodes are named ``leader-1`` ..., ``agent-1`` ..."""

    folder: Path
    plan: LocalPlan
    processes: dict[str, LocalProcess]
    client: ApiClient
    failures: list[LocalClusterError] = attrs.field(factory=list)

    @property
    def leader_addresses(self) -> list[str]:
        """``HOST:PORT`` of each leader node's API."""
        return [node.address for node in self.plan.leaders]

    def pid(self, name: str) -> int | None:
        """Process id of a node, or None while it is dead."""
        return self.processes[name].pid

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal to a node, now. Whether it comes back is in the options."""
        self.processes[name].kill(signal_number)

    async def wait_dead(self, name: str) -> None:
        """Until a node that was sent a signal is gone."""
        await self.processes[name].wait_dead()

    def restart(self, name: str) -> None:
        """Start a dead node now, without its second of waiting."""
        self.processes[name].restart()

    async def statuses(self) -> Statuses:
        """The status of every leader node, None for one that does not answer."""
        found: dict[str, dict[str, Any] | None] = {}

        async def ask(node: NodePlan) -> None:
            found[node.name] = await self.client.status_of(
                node.address, timeout_s=STATUS_TIMEOUT_S
            )

        async with trio.open_nursery() as nursery:
            for node in self.plan.leaders:
                nursery.start_soon(ask, node)
        return {node.name: found[node.name] for node in self.plan.leaders}

    async def wait_leader(
        self,
        *,
        besides: str | None = None,
        timeout_s: float = READY_TIMEOUT_S,
        interval_s: float = POLL_INTERVAL_S,
    ) -> str:
        """The name of a node that says it leads (not ``besides``), once one does."""

        find = partial(leading_node, besides=besides)
        return await self._wait(find, "no leader", timeout_s, interval_s)

    async def wait_ready(self, *, timeout_s: float = READY_TIMEOUT_S) -> str:
        """Wait until work can run and nothing is missing; return the leader's name.

        That is: one node leads, all others follow it and have applied what it had
        committed, and every agent is registered and connected. Raises
        LocalClusterError, with the end of the log of a node that died on the way.
        """
        with trio.move_on_after(timeout_s):
            while True:
                leader = await self._wait(
                    agreed_leader,
                    "the leaders do not agree",
                    timeout_s,
                    POLL_INTERVAL_S,
                )
                if await self._connected_agents() >= len(self.plan.agents):
                    self.failures.clear()
                    return leader
                await trio.sleep(POLL_INTERVAL_S)
        raise LocalClusterError(
            f"only {await self._connected_agents()} of {len(self.plan.agents)} agents "
            f"are registered after {timeout_s:g} s; logs are in "
            f"{', '.join(str(node.log_file) for node in self.plan.agents)}"
        )

    async def _wait(
        self,
        answer: Callable[[Statuses], str | None],
        problem: str,
        timeout_s: float,
        interval_s: float,
    ) -> str:
        with trio.move_on_after(timeout_s):
            while True:
                self._raise_failures()
                found = answer(await self.statuses())
                if found is not None:
                    return found
                await trio.sleep(interval_s)
        raise LocalClusterError(
            f"{problem} after {timeout_s:g} s; logs are in "
            f"{', '.join(str(node.log_file) for node in self.plan.leaders)}"
        )

    async def _connected_agents(self) -> int:
        try:
            rows = rows_of(await self.client.get(f"{API}/agents"), "agents")
        except RaftLeaderError:
            return 0
        return sum(1 for row in rows if row.get("connected"))

    def _raise_failures(self) -> None:
        if self.failures:
            raise self.failures[0]


def leading_node(statuses: Statuses, *, besides: str | None = None) -> str | None:
    """The node that says it leads, of several the one with the highest term."""
    leading = [
        (int(status["term"]), name)
        for name, status in statuses.items()
        if status and status.get("leading") and name != besides
    ]
    return max(leading)[1] if leading else None


def agreed_leader(statuses: Statuses) -> str | None:
    """The leader, if all nodes answer, are in its term and have what it committed."""
    name = leading_node(statuses)
    leader = statuses[name] if name else None
    if leader is None:
        return None
    for status in statuses.values():
        if (
            status is None
            or status["term"] != leader["term"]
            or status["applied_index"] < leader["commit_index"]
        ):
            return None
    return name


@asynccontextmanager
async def local_cluster(
    options: LocalClusterOptions,
    *,
    rng: random.Random | None = None,
    listener: Listener | None = None,
) -> AsyncIterator[LocalCluster]:
    """Start the processes; end and reap them when the block is left.

    ``listener`` hears of each start and death. A node that dies before any
    ``wait_ready`` has returned counts as a failure to start.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    plan = plan_local_cluster(options, rng or random.Random())
    processes: dict[str, LocalProcess] = {}
    addresses = [node.address for node in plan.leaders]
    async with open_api_client(addresses, timeout_s=STATUS_TIMEOUT_S) as client:
        cluster = LocalCluster(
            folder=options.folder, plan=plan, processes=processes, client=client
        )

        def on_event(event: LocalEvent) -> None:
            process = processes[event.node]
            if event.what == "died" and process.exits[-1] > 0:
                cluster.failures.append(
                    LocalClusterError(
                        f"{event.node} ended with {event.detail}; its log ends:",
                        process.log_tail(),
                    )
                )
            if listener is not None:
                listener(event)

        with lifeline() as lifeline_fd:
            environment = child_environment()
            for node in (*plan.leaders, *plan.agents):
                processes[node.name] = LocalProcess(
                    name=node.name,
                    arguments=node.arguments,
                    log_file=node.log_file,
                    lifeline_fd=lifeline_fd,
                    environment=environment,
                    is_restarted=options.is_restarted,
                    listener=on_event,
                )
            try:
                async with open_plain_nursery() as nursery:
                    # The processes outlive the block, also when it is cancelled:
                    # what it does on its way out may need them.
                    scopes = [trio.CancelScope(shield=True) for _ in processes]
                    for process, scope in zip(processes.values(), scopes, strict=True):
                        nursery.start_soon(_run_within, scope, process)
                    try:
                        yield cluster
                    finally:
                        for scope in scopes:
                            scope.cancel()
            finally:
                if any(processes[node.name].exits for node in plan.agents):
                    kill_tasks_below(options.folder)


async def _run_within(scope: trio.CancelScope, process: LocalProcess) -> None:
    with scope:
        await process.run()


def kill_tasks_below(folder: Path) -> None:
    """Kill every process of a task whose sandbox is in ``folder``.

    An agent ends its tasks when it stops; those of one that was killed have nobody
    else, unless it was started again.
    """
    for process in psutil.process_iter():
        try:
            sandbox = process.environ().get("MESOS_SANDBOX", "")
            if sandbox and Path(sandbox).is_relative_to(folder):
                process.kill()
        except (psutil.Error, OSError):
            continue  # it has ended, or is another user's and so none of ours


@contextmanager
def lifeline() -> Iterator[int]:
    """The read end of a pipe whose other end is ours alone: no child inherits it,
    so it closes when we end, however we end."""
    read_end, write_end = os.pipe()
    try:
        yield read_end
    finally:
        os.close(write_end)
        os.close(read_end)
