"""Frameworks and operators do anything in any order; in the end all is as it was.

Three leader nodes, two agents, a virtual clock. After every step: no error in the log,
no 500, the invariants hold on every node. In the end, when everybody behaves: replicas
are equal, each task's end was heard, and all resources are back in the pool.
``RAFTLEADER_FUZZ_TIMES=20`` makes twenty times as many examples.
"""

from __future__ import annotations

import json
import logging
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.odd_steps import Steps
from support.whole_cluster import AGENTS, WholeCluster

from raftleader.httpd.messages import Response
from raftleader.protocol.resources import EMPTY
from raftleader.state.cluster import ClusterState
from raftleader.state.snapshot import digest

TIMES = int(os.environ.get("RAFTLEADER_FUZZ_TIMES", "1"))
SETTLE_S = 3_000.0


@attrs.define(eq=False)
class Play(Steps):
    """The steps, and the end."""

    async def settle(self) -> None:
        """Everybody behaves, until nothing is left."""
        await self.cluster.until(lambda: self.cluster.leader is not None)
        await self._order_no_more()
        await self._behave()
        await trio.sleep(120)
        for name in AGENTS:
            if any(
                agent.info.hostname == name and agent.unreachable_ms is not None
                for agent in self.cluster.state.agents.values()
            ):
                # Its machine was down; who takes it up starts the agent, too.
                self.cluster.stop_agent(name)
                self.cluster.start_agent(name)
        with trio.move_on_after(SETTLE_S):
            while self._is_busy():
                await self._behave()
                await trio.sleep(5)
        self.look()
        assert not self._is_busy(), self._what_is_left()
        for framework in self.frameworks:
            for id_, task_id in self.seen:
                if id_ == framework.id:
                    heard = framework.heard.get(task_id)
                    assert framework.has_heard_the_end_of(task_id), (task_id, heard)
        await self._undo_reservations()
        for framework in self.frameworks:
            assert framework.is_connected
            assert await framework.call("TEARDOWN") == 202
        await trio.sleep(3)
        self.look()
        state = self.cluster.state
        assert not state.frameworks
        assert not state.offers
        for agent in state.agents.values():
            assert agent.used == EMPTY, agent.used
            assert agent.total == agent.info.resources, agent
        await self.cluster.until(self._is_level)
        assert len({digest(state) for state in self._states()}) == 1

    def _states(self) -> list[ClusterState]:
        services = (life.service for life in self.cluster.lives.values())
        return [service.state for service in services if service is not None]

    def _is_level(self) -> bool:
        return len({state.index for state in self._states()}) == 1

    async def _order_no_more(self) -> None:
        for name in AGENTS:
            machine = {"hostname": name, "ip": "10.0.0.1"}
            await self.cluster.order("STOP_MAINTENANCE", {"machines": [machine]})
        body = {"schedule": {"windows": []}}
        await self.cluster.order("UPDATE_MAINTENANCE_SCHEDULE", body)

    async def _behave(self) -> None:
        for framework in self.frameworks:
            if not framework.is_connected:
                await framework.subscribe()
                assert framework.is_connected, framework.errors
            waiting, framework.unacknowledged = framework.unacknowledged, []
            for status in waiting:
                await framework.acknowledge(status)
            operations, framework.operations = framework.operations, []
            for status in operations:
                if "uuid" in status:
                    await framework.acknowledge_operation(status)
            for id_, task_id in list(self.cluster.state.tasks):
                if id_ == framework.id:
                    await framework.call("KILL", {"task_id": {"value": task_id}})
            for id_, agent, name in list(self.cluster.state.executors):
                if id_ == framework.id:
                    body = {"executor_id": {"value": name}}
                    body["agent_id"] = {"value": agent}
                    await framework.call("SHUTDOWN", body)
        self.look()

    def _is_busy(self) -> bool:
        state = self.cluster.state
        return bool(state.tasks or state.executors or state.operations) or any(
            framework.orphan_updates for framework in state.frameworks.values()
        )

    def _what_is_left(self) -> str:
        state = self.cluster.state
        live = [
            (t.key, t.state, t.pending, t.info.agent_id) for t in state.tasks.values()
        ]
        agents = list(state.agents.values())
        heard = [(f.id, f.operations, f.errors) for f in self.frameworks]
        left = (
            heard,
            state.operations.values(),
            live,
            list(state.executors),
            list(state.operations),
            agents,
        )
        return "\n".join(map(str, left))

    async def _undo_reservations(self) -> None:
        """With what GET_AGENTS tells of them."""
        for kind, field in (
            ("DESTROY_VOLUMES", "volumes"),
            ("UNRESERVE_RESOURCES", "resources"),
        ):
            while found := await self._reserved(is_volume=field == "volumes"):
                agent, resource = found[0]
                body = {"agent_id": {"value": agent}, field: [resource]}
                answer = await self.cluster.order(kind, body)
                assert answer.status == 202, (body, answer)

    async def _reserved(self, *, is_volume: bool) -> list[tuple[str, Any]]:
        answer = await self.cluster.order("GET_AGENTS")
        assert isinstance(answer, Response)
        agents = json.loads(answer.body)["get_agents"].get("agents", [])
        return [
            (agent["agent_info"]["id"]["value"], resource)
            for agent in agents
            for resource in agent["total_resources"]
            if resource.get("reservations")
            and ("persistence" in resource.get("disk", {})) == is_volume
        ]


STEPS = sorted(
    name
    for name, member in vars(Steps).items()
    if callable(member) and not name.startswith("_") and name not in ("step", "look")
)
USUAL = ["accept"] * 14 + ["acknowledge"] * 4 + ["kill", "wait", "subscribe"] * 2
scripts = st.lists(
    st.tuples(st.sampled_from([*STEPS, *USUAL]), st.integers(0, 2**32)),
    min_size=5,
    max_size=60,
)


def play(script: list[tuple[str, int]]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with trio.open_nursery() as nursery:
                cluster = WholeCluster(Path(folder), random.Random(5), nursery)
                logging.getLogger().addHandler(cluster.errors)
                try:
                    await cluster.begin()
                    made = Play(cluster)
                    for chance in range(2):
                        await made.step("subscribe", chance)
                    for name, chance in script:
                        await made.step(name, chance)
                    await made.settle()
                finally:
                    logging.getLogger().removeHandler(cluster.errors)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@settings(
    max_examples=5 * TIMES, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(script=scripts)
def test_whatever_is_done_can_be_undone(script: list[tuple[str, int]]) -> None:
    play(script)
