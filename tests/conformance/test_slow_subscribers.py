"""A framework that does not read its stream is cut, and nobody else notices."""

from __future__ import annotations

import base64
import json
from typing import Any

import trio
from support.scheduler_http import Api, Framework

FLOOD_MIB = 40


async def events_counted(api: Api) -> dict[str, int]:
    reply = await api.ask(method="GET", path="/raftleader/v1/status")
    counted: dict[str, int] = json.loads(reply.body)["events"]
    return counted


async def test_framework_that_does_not_read_is_cut_and_others_are_served(
    address: tuple[str, int],
) -> None:
    api = Api(address)
    stuck, other = Framework(api), Framework(api)
    await stuck.begin(name="stuck", failover_timeout=60)
    agent_id = (await stuck.offer())["agent_id"]
    await other.begin(name="other")
    message: Any = {
        "agent_id": agent_id,
        "executor_id": {"value": "e"},
        "data": base64.b64encode(str(FLOOD_MIB).encode()).decode(),
    }
    longest_s = 0.0
    with trio.fail_after(30):
        while (await events_counted(api)).get("streams_cut_slow", 0) == 0:
            await stuck.call("MESSAGE", message=message)
            began_s = trio.current_time()
            reply = await other.call("REVIVE")
            longest_s = max(longest_s, trio.current_time() - began_s)
            assert reply.status == 202
            await other.next("HEARTBEAT")
    assert longest_s < 2.0
    reply = await stuck.call("MESSAGE", message=message)
    assert (reply.status, reply.body) == (403, b"Framework is not subscribed")
