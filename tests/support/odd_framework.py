"""A framework that does what a random generator says, right and wrong."""

from __future__ import annotations

import json
import random
from typing import Any

import attrs
import trio
from support.whole_cluster import WholeCluster

from raftleader.httpd.messages import Response, Stream

CAPABILITIES = (
    *("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "SHARED_RESOURCES"),
    *("TASK_KILLING_STATE", "GPU_RESOURCES", "REVOCABLE_RESOURCES"),
)
ENDS = frozenset(
    [
        *("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST"),
        *("TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR"),
    ]
)
WRONG_UUID = "AAECAwQFBgcICQoLDA0ODw=="


def draw_info(rng: random.Random, name: str) -> dict[str, Any]:
    """Some ``FrameworkInfo``."""
    capabilities = [c for c in CAPABILITIES if rng.random() < 0.7]
    if rng.random() < 0.8:
        capabilities = sorted({*capabilities, "MULTI_ROLE", "RESERVATION_REFINEMENT"})
    info: dict[str, Any] = {
        "user": "root",
        "name": name,
        "principal": rng.choice(["p", "q"]),
        "failover_timeout": 1e6,
        "checkpoint": True,
        "capabilities": [{"type": each} for each in capabilities],
    }
    if "MULTI_ROLE" in capabilities:
        some = rng.sample(["prod", "prod/web", "dev", "*"], rng.randint(1, 3))
        return info | {"roles": some}
    return info | {"role": rng.choice(["prod", "dev", "*"])}


@attrs.define(eq=False)
class OddFramework:
    """What it heard is in the fields; the stream is read all the time."""

    cluster: WholeCluster
    info: dict[str, Any]
    id: str = ""
    stream_id: str = ""
    is_connected: bool = False
    errors: list[str] = attrs.field(factory=list)
    offers: dict[str, Any] = attrs.field(factory=dict)
    inverse_offers: dict[str, Any] = attrs.field(factory=dict)
    heard: dict[str, list[str]] = attrs.field(factory=dict)
    unacknowledged: list[Any] = attrs.field(factory=list)
    operations: list[Any] = attrs.field(factory=list)
    launched: list[str] = attrs.field(factory=list)
    last_accept: Any = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def subscribe(self, **more: Any) -> int:
        """Subscribe, anew if need be; the status."""
        body = {"framework_info": self.info, **more}
        message: dict[str, Any] = {"type": "SUBSCRIBE", "subscribe": body}
        if self.id:
            message["framework_id"] = {"value": self.id}
            body["framework_info"] = {**self.info, "id": {"value": self.id}}
        answer = await self.cluster.ask(message)
        if isinstance(answer, Stream):
            self.leave()
            self._scope = trio.CancelScope()
            self.stream_id = dict(answer.headers)["Mesos-Stream-Id"]
            self.offers.clear()
            self.inverse_offers.clear()
            self.is_connected = True
            self.cluster.nursery.start_soon(self._read, answer, self._scope)
            await trio.sleep(0.001)
        return answer.status

    def leave(self) -> None:
        """Close the stream."""
        self._scope.cancel()
        self.is_connected = False

    async def _read(self, answer: Stream, scope: trio.CancelScope) -> None:
        with scope:
            await answer.run(_Reader(self, scope))
        if scope is self._scope:
            self.is_connected = False

    async def call(self, kind: str, body: Any = None, **headers: str) -> int:
        message = {"type": kind, "framework_id": {"value": self.id}}
        if body is not None:
            message[kind.lower()] = body
        answer = await self.cluster.ask(
            message, **({"mesos_stream_id": self.stream_id} | headers)
        )
        assert isinstance(answer, Response)
        assert answer.status in (200, 202, 400, 403, 409, 503), (message, answer)
        return answer.status

    def hear(self, event: Any) -> None:
        """Take an event."""
        kind = event["type"]
        body = event.get(kind.lower(), {})
        if kind == "SUBSCRIBED":
            self.id = body["framework_id"]["value"]
        elif kind == "OFFERS":
            self.offers |= {o["id"]["value"]: o for o in body["offers"]}
        elif kind == "RESCIND":
            self.offers.pop(body["offer_id"]["value"], None)
        elif kind == "INVERSE_OFFERS":
            for each in body["inverse_offers"]:
                self.inverse_offers[each["id"]["value"]] = each
        elif kind == "RESCIND_INVERSE_OFFER":
            self.inverse_offers.pop(body["inverse_offer_id"]["value"], None)
        elif kind == "UPDATE":
            status = body["status"]
            states = self.heard.setdefault(status["task_id"]["value"], [])
            states.append(status["state"])
            if "uuid" in status:
                self.unacknowledged.append(status)
        elif kind == "UPDATE_OPERATION_STATUS":
            self.operations.append(body["status"])
        elif kind == "ERROR":
            self.errors.append(body["message"])

    async def acknowledge(self, status: Any, **changes: Any) -> int:
        body = {key: status[key] for key in ("task_id", "agent_id", "uuid")}
        return await self.call("ACKNOWLEDGE", body | changes)

    async def acknowledge_operation(self, status: Any, **changes: Any) -> int:
        names = ("operation_id", "agent_id")
        body = {key: status[key] for key in names if key in status}
        body["uuid"] = status["uuid"]["value"]
        return await self.call("ACKNOWLEDGE_OPERATION_STATUS", body | changes)

    def role_of(self, offer: Any) -> str:
        """Whose resources are offered."""
        of_offer = offer.get("allocation_info", {}).get("role")
        return str(of_offer or self.info.get("role", "*"))

    def has_heard_the_end_of(self, task_id: str) -> bool:
        return bool(ENDS.intersection(self.heard.get(task_id, ())))


@attrs.define(eq=False)
class _Reader:
    framework: OddFramework
    scope: trio.CancelScope

    async def send(self, chunks: list[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        if self.scope.cancel_called:
            raise trio.BrokenResourceError
        for chunk in chunks:
            length, _, record = chunk.partition(b"\n")
            assert int(length) == len(record)
            self.framework.hear(json.loads(record))
