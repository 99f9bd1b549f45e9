"""Pages over a large cluster, through the real connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.http_wire import connected, get, read_until_closed
from support.operator_calls import MACHINE, launch

from raftleader.api.documents import CHUNK_BYTES, WHOLE_BYTES_MAX
from raftleader.api.holdings import COMPLETED_FRAMEWORKS_SHOWN, COMPLETED_TASKS_SHOWN
from raftleader.cli.bench_http import ChunkDecoder
from raftleader.cli.synthetic_state import synthetic_state
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.tasks import TaskState
from raftleader.protocol.wire.protobuf import read_protobuf
from raftleader.state.cluster import CompletedTask

AGENTS, TASKS = 300, 3_000


def enlarge(client: Any) -> None:
    client.node.state = synthetic_state(AGENTS, TASKS)


async def ask(client: Any, request: bytes) -> tuple[str, bytes]:
    """Head and body of the answer, which ends the connection."""
    async with connected(client.handler) as stream:
        await stream.send_all(request)
        data = await read_until_closed(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    if body and b"chunked" in head.lower():
        assert body.endswith(b"0\r\n\r\n")
        body = ChunkDecoder().feed(body)
    return head.decode(), body


async def test_large_state_is_streamed_and_whole(client: Any) -> None:
    enlarge(client)
    head, body = await ask(client, get("/state"))
    assert head.startswith("HTTP/1.1 200 OK")
    assert "Transfer-Encoding: chunked" in head
    assert "Content-Type: application/json" in head.split("\r\n")
    assert len(body) > WHOLE_BYTES_MAX
    document = json.loads(body)
    assert len(document["slaves"]) == AGENTS
    assert sum(len(each["tasks"]) for each in document["frameworks"]) == TASKS


async def test_large_state_in_a_function_call_is_streamed_too(client: Any) -> None:
    enlarge(client)
    _, body = await ask(client, get("/state?jsonp=f"))
    assert body.startswith(b"f({")
    assert body.endswith(b"});")
    assert len(json.loads(body[2:-2])["slaves"]) == AGENTS


async def test_head_of_a_large_page_has_no_body(client: Any) -> None:
    enlarge(client)
    head, body = await ask(client, get("/state").replace(b"GET", b"HEAD"))
    assert head.startswith("HTTP/1.1 200 OK")
    assert body == b""


async def test_old_client_gets_the_page_without_chunks(client: Any) -> None:
    enlarge(client)
    head, body = await ask(client, get("/state").replace(b"/1.1", b"/1.0"))
    assert "chunked" not in head
    assert len(json.loads(body)["slaves"]) == AGENTS


@pytest.mark.parametrize("accept", ["application/json", "application/x-protobuf"])
async def test_large_answer_of_the_operator_api_is_streamed(
    accept: str, client: Any
) -> None:
    enlarge(client)
    call = b'{"type":"GET_STATE"}'
    lines = (
        "POST /api/v1 HTTP/1.1",
        "Content-Type: application/json",
        f"Content-Length: {len(call)}",
        f"Accept: {accept}",
        "Connection: close",
    )
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + call
    head, body = await ask(client, request)
    assert f"Content-Type: {accept}" in head.split("\r\n")
    tree = (
        json.loads(body)
        if accept.endswith("json")
        else read_protobuf("master.Response", body, "response")
    )
    assert len(tree["get_state"]["get_tasks"]["tasks"]) == TASKS
    assert len(tree["get_state"]["get_agents"]["agents"]) == AGENTS
    frameworks = tree["get_state"]["get_frameworks"]["frameworks"]
    assert sum(len(each["offers"]) for each in frameworks) == AGENTS


async def test_client_that_reads_slowly_holds_up_nobody(client: Any) -> None:
    """It takes a chunk when it likes; the others have their answers meanwhile."""
    enlarge(client)
    async with connected(client.handler) as slow:
        await slow.send_all(get("/state"))
        taken = len(await slow.receive_some(CHUNK_BYTES))
        _, body = await ask(client, get("/state"))
        assert len(json.loads(body)["slaves"]) == AGENTS
        rest = await read_until_closed(slow)
    assert taken + len(rest) > len(body)


async def test_memory_of_what_ended_is_told_within_bounds(client: Any) -> None:
    framework_id = FrameworkId(await client.framework())
    state = client.node.state
    for number in range(COMPLETED_TASKS_SHOWN + 500):
        task_id = TaskId(f"t-{number}")
        state.completed_tasks[(framework_id, task_id)] = CompletedTask(
            framework_id=framework_id,
            task_id=task_id,
            name="t",
            agent_id=AgentId("a"),
            state=TaskState.FINISHED,
            offer_ids=(),
            launched_ms=number,
            ended_ms=number,
        )
    for number in range(COMPLETED_FRAMEWORKS_SHOWN + 5):
        state.removed_frameworks[FrameworkId(f"f-{number}")] = number
    document = await client.get_json("/state")
    (framework,) = document["frameworks"]
    shown = [task["id"] for task in framework["completed_tasks"]]
    assert (len(shown), shown[0]) == (COMPLETED_TASKS_SHOWN, "t-500")
    gone = [each["id"] for each in document["completed_frameworks"]]
    assert (len(gone), gone[0]) == (COMPLETED_FRAMEWORKS_SHOWN, "f-5")
    document = await client.get_json("/tasks?limit=100000")
    assert len(document["tasks"]) == COMPLETED_TASKS_SHOWN + 500


async def test_tasks_of_a_removed_framework_are_told_until_they_end(
    client: Any,
) -> None:
    framework_id = await client.framework()
    agent_id = client.node.add_agent(MACHINE)
    await launch(client, framework_id, agent_id, "t-1")
    await client.call(framework_id, "TEARDOWN")
    (removed,) = (await client.get_json("/state"))["completed_frameworks"]
    assert [task["id"] for task in removed["tasks"]] == ["t-1"]
