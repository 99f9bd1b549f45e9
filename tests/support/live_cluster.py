"""A leader node and an agent in a thread of their own, for clients that block.

The agent's tasks are no processes: they end by themselves after a moment.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import trio

from agent.config import AgentConfig
from agent.containerizer.fake import FakeContainerizer, Script
from agent.service import run_agent
from raftleader.leader.service import LeaderService
from raftleader.node import BoundAddresses, NodeConfig, run_node
from raftleader.state.invariants import violations
from transports.memory import MemoryNetwork

AGENTS = "mem://n1/agents"
START_TIMEOUT_S = 30.0
TASK_S = 0.05

T = TypeVar("T")


class _Errors(logging.Handler):
    """Keeps what a person would have to look at."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@attrs.define(eq=False, slots=False)
class LiveCluster:
    """Use as a context manager."""

    folder: Path
    leader: tuple[str, int] = ("", 0)
    agent: tuple[str, int] = ("", 0)
    _errors: _Errors = attrs.field(factory=_Errors)
    _made: list[LeaderService] = attrs.field(factory=list)
    _token: trio.lowlevel.TrioToken | None = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _is_ready: threading.Event = attrs.field(factory=threading.Event)
    _failure: BaseException | None = None

    def __enter__(self) -> LiveCluster:
        logging.getLogger().addHandler(self._errors)
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()
        assert self._is_ready.wait(START_TIMEOUT_S)
        self._raise_failure()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._scope.cancel)
        self._thread.join(START_TIMEOUT_S)
        logging.getLogger().removeHandler(self._errors)
        self._raise_failure()
        assert not self._thread.is_alive()

    def run(self, function: Callable[[], T]) -> T:
        """Call it in the cluster's thread."""
        self._raise_failure()
        assert self._token is not None
        return trio.from_thread.run_sync(function, trio_token=self._token)

    def problems(self) -> list[str]:
        """What went wrong by now, without anybody having been told."""
        self._raise_failure()
        found = [*self._errors.records, *self.run(self._violations)]
        self._errors.records.clear()
        return found

    def agent_ids(self) -> list[str]:
        return self.run(lambda: list(map(str, self._made[0].state.agents)))

    def _violations(self) -> list[str]:
        return violations(self._made[0].state)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise AssertionError("the cluster has died") from self._failure

    def _main(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as failure:
            self._failure = failure
        finally:
            self._is_ready.set()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        network = MemoryNetwork(rng=random.Random(1))
        with self._scope:
            async with trio.open_nursery() as nursery:
                bound = await nursery.start(partial(self._node, network))
                assert isinstance(bound, BoundAddresses)
                self.leader = _split(bound.http)
                self.agent = _split(await nursery.start(partial(self._agent, network)))
                with trio.fail_after(START_TIMEOUT_S):
                    await self._registered()
                self._is_ready.set()

    async def _registered(self) -> None:
        while not self._made[0].state.agents:  # noqa: ASYNC110
            await trio.sleep(0.01)

    async def _node(
        self, network: MemoryNetwork, *, task_status: trio.TaskStatus[Any]
    ) -> None:
        config = NodeConfig(
            cluster_id="live",
            node_id="n1",
            members={"n1": "mem://n1/peers"},
            http="127.0.0.1:0",
            agents=AGENTS,
            data_dir=self.folder / "n1",
            heartbeat_interval_s=0.2,
        )
        await run_node(
            config,
            transport=network.transport("n1"),
            rng=random.Random(2),
            owns_process=False,
            on_made=self._made.append,
            task_status=task_status,
        )

    async def _agent(
        self, network: MemoryNetwork, *, task_status: trio.TaskStatus[Any]
    ) -> None:
        config = AgentConfig(
            leaders=(AGENTS,),
            work_dir=self.folder / "agent",
            http="127.0.0.1:0",
            resources="cpus:4;mem:1024;disk:1024;ports:[31000-32000]",
            is_fsync_on=False,
        )
        await run_agent(
            config,
            transport_for=lambda address: network.transport("machine"),
            containerizer=FakeContainerizer(lambda launch: Script(duration_s=TASK_S)),
            rng=random.Random(3),
            task_status=task_status,
        )


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
