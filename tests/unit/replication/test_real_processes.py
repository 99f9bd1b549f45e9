"""Three processes over tcp, whose leader is killed after each batch of answers."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import attrs
import pytest
import trio

PROGRAM = Path(__file__).with_name("log_node.py")
BATCHES, PROPOSALS_EACH = 5, 40


@attrs.define(eq=False)
class NodeProcess:
    """A running node; what it says arrives in ``answers``, and whether it leads."""

    node_id: str
    process: trio.Process
    leads: list[tuple[int, str]]
    answers: trio.MemoryReceiveChannel[list[str]]

    async def ask(self, line: str) -> list[str]:
        """Send a command and return the answer, at most 10 s later."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(line.encode() + b"\n")
        with trio.fail_after(10):
            return await self.answers.receive()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@attrs.define
class RealCluster:
    """Three node processes; ``leads`` has every (term, node id) ever announced."""

    nursery: trio.Nursery
    directory: Path
    engine: str
    members: dict[str, str] = attrs.field(factory=dict)
    leads: list[tuple[int, str]] = attrs.field(factory=list)
    nodes: dict[str, NodeProcess] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        sockets = {node_id: socket.socket() for node_id in ("n1", "n2", "n3")}
        for node_id, free in sockets.items():
            free.bind(("127.0.0.1", 0))
            self.members[node_id] = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        for free in sockets.values():
            free.close()

    async def start(self, node_id: str) -> None:
        arguments = [str(PROGRAM), self.engine, node_id, str(self.directory)]
        process = await trio.lowlevel.open_process(
            [sys.executable, *arguments, json.dumps(self.members)],
            stdin=PIPE,
            stdout=PIPE,
            cwd=Path(__file__).parents[3],
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        send, receive = trio.open_memory_channel[list[str]](100)
        self.nodes[node_id] = NodeProcess(node_id, process, self.leads, receive)
        self.nursery.start_soon(self._listen, node_id, process, send)

    async def _listen(
        self,
        node_id: str,
        process: trio.Process,
        send: trio.MemorySendChannel[list[str]],
    ) -> None:
        assert process.stdout is not None
        buffered = b""
        async for chunk in process.stdout:
            *lines, buffered = (buffered + chunk).split(b"\n")
            for line in lines:
                kind, content = json.loads(line)
                if kind == "leads":
                    self.leads.append((content, node_id))
                else:
                    await send.send(content)

    async def leader(self) -> NodeProcess:
        with trio.fail_after(10):
            while True:
                if self.leads:
                    node = self.nodes[max(self.leads)[1]]
                    if node.process.returncode is None:
                        return node
                await trio.sleep(0.002)


@asynccontextmanager
async def real_cluster(directory: Path, engine: str) -> AsyncIterator[RealCluster]:
    async with trio.open_nursery() as nursery:
        cluster = RealCluster(nursery, directory, engine)
        try:
            for node_id in cluster.members:
                await cluster.start(node_id)
            yield cluster
        finally:
            with trio.CancelScope(shield=True):
                for node in cluster.nodes.values():
                    await node.kill()
            nursery.cancel_scope.cancel()


@pytest.mark.end_to_end
async def test_leader_killed_after_each_batch_loses_nothing_answered(
    tmp_path: Path, engine: str
) -> None:
    answered: list[str] = []
    async with real_cluster(tmp_path, engine) as cluster:
        for batch in range(BATCHES):
            leader = await cluster.leader()
            answers = await leader.ask(f"propose b{batch} {PROPOSALS_EACH}")
            await leader.kill()
            assert len(answers) == PROPOSALS_EACH
            answered += answers
            cluster.leads = [
                lead for lead in cluster.leads if lead[1] != leader.node_id
            ]
            await cluster.start(leader.node_id)
        leader = await cluster.leader()
        assert await leader.ask("propose last 1") == ["last.0"]
        for node in cluster.nodes.values():
            applied = await node.ask("dump last.0")
            assert sorted(applied) == sorted([*answered, "last.0"])
    terms = [term for term, _ in cluster.leads]
    assert len(terms) == len(set(terms))
