"""Calls of the operator API, for tests with a client that speaks to a handler."""

from __future__ import annotations

import json
from typing import Any

import trio

from raftleader.httpd.messages import Answer, Response, Stream
from raftleader.protocol.resources import Resources

MACHINE = Resources.of(
    {"cpus": 8000, "mem": 8_192_000, "disk": 100_000_000}, {"ports": [(31000, 31099)]}
)


def scalar(name: str, value: float, **more: Any) -> dict[str, Any]:
    """A ``Resource``."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}} | more


def reserved(
    name: str, value: float, role: str = "prod", **more: Any
) -> dict[str, Any]:
    """One that is reserved dynamically, for ``prod``."""
    reservation = {"type": "DYNAMIC", "role": "prod", "principal": "ops"}
    return scalar(name, value, reservations=[reservation], **more)


async def call(client: Any, kind: str, body: Any = None, **headers: str) -> Answer:
    """POST a call, with ``body`` as the field of its type."""
    message: dict[str, Any] = {"type": kind}
    if body is not None:
        message[kind.lower()] = body
    headers = {"content_type": "application/json"} | headers
    answer: Answer = await client.ask(
        "POST", "/api/v1", json.dumps(message).encode(), **headers
    )
    return answer


async def status_and_text(client: Any, kind: str, body: Any = None) -> tuple[int, str]:
    """Of the answer to a call."""
    answer = await call(client, kind, body)
    assert isinstance(answer, Response)
    return answer.status, answer.body.decode()


async def read(client: Any, kind: str, body: Any = None) -> Any:
    """The body of a successful answer, without its wrapping."""
    answer = await call(client, kind, body)
    assert isinstance(answer, Response)
    assert answer.status == 200, answer
    assert answer.headers == (("Content-Type", "application/json"),)
    document = json.loads(answer.body)
    assert document["type"] == kind
    return document[kind.lower()]


async def launch(client: Any, framework_id: str, agent_id: str, task_id: str) -> None:
    """Run a task of one cpu on a new offer."""
    offered = Resources.of({"cpus": 1000, "mem": 64_000})
    offer_id = client.node.offer(framework_id, agent_id, offered)
    task = {
        "name": f"name of {task_id}",
        "task_id": {"value": task_id},
        "agent_id": {"value": agent_id},
        "command": {"value": "true"},
        "labels": {"labels": [{"key": "k", "value": "v"}]},
        "resources": [scalar("cpus", 1), scalar("mem", 64)],
    }
    accept = {
        "offer_ids": [{"value": offer_id}],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
    }
    answer = await client.call(framework_id, "ACCEPT", accept=accept)
    assert answer.status == 202, answer


class Following:
    """A stream that is read in a nursery's task."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.is_over = False

    async def send(self, chunks: list[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        self.records += chunks

    async def run(self, stream: Stream) -> None:
        await stream.run(self)
        self.is_over = True

    @property
    def payloads(self) -> list[bytes]:
        """One of each chunk, which must be one whole record."""
        payloads = []
        for record in self.records:
            length, _, payload = record.partition(b"\n")
            assert int(length) == len(payload)
            payloads.append(payload)
        return payloads

    @property
    def events(self) -> list[Any]:
        return [json.loads(payload) for payload in self.payloads]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]
