"""Messages of the Mesos v1 API as clients write them."""

from __future__ import annotations

import json
from typing import Any

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.json_v1 import decode_call, encode_event
from raftleader.protocol.offers import Launch, Offer
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Accept,
    Event,
)
from raftleader.protocol.tasks import TaskInfo


def call(**message: Any) -> bytes:
    return json.dumps(message).encode()


def framework_call(kind: str, **body: Any) -> bytes:
    return call(type=kind, framework_id={"value": "f"}, **body)


def accept_of(*tasks: dict[str, Any], **body: Any) -> bytes:
    launch = {"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}
    return framework_call(
        "ACCEPT", accept={"offer_ids": [{"value": "o"}], "operations": [launch]} | body
    )


def task_of(**fields: Any) -> dict[str, Any]:
    return {
        "name": "t",
        "task_id": {"value": "t-1"},
        "agent_id": {"value": "a"},
    } | fields


def subscribe_of(**info: Any) -> bytes:
    return call(
        type="SUBSCRIBE",
        subscribe={"framework_info": {"user": "u", "name": "n"} | info},
    )


def task_from(**fields: Any) -> TaskInfo:
    decoded = decode_call(accept_of(task_of(**fields)))
    assert isinstance(decoded, Accept)
    (launch,) = decoded.operations
    assert isinstance(launch, Launch)
    return launch.tasks[0]


OFFER = Offer(
    id=OfferId("o"),
    framework_id=FrameworkId("f"),
    agent_id=AgentId("a"),
    role="prod",
    resources=Resources.of(
        {"cpus": 1500, "mem(prod)": 64_000}, {"ports": [(31000, 31009)]}
    ),
    agent=AgentInfo(hostname="höst", ip="10.0.0.1", port=5051),
)


def written(event: Event, *capabilities: str) -> Any:
    return json.loads(encode_event(event, capabilities=capabilities))
