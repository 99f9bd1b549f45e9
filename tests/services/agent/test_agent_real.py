"""A whole agent with real processes and its HTTP port; in real time, but short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trio

from raftleader.protocol.tasks import CommandInfo, Reason, TaskState

S = TaskState
HTTP = "127.0.0.1:0"


async def get(address: str, target: str) -> tuple[int, bytes]:
    """Status and body, from a connection of its own."""
    host, _, port = address.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        await stream.send_all(request.encode())
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def state_of(pid: int | None) -> str | None:
    """The letter of /proc; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(") ")[2][0]


async def test_task_runs_and_its_result_and_files_can_be_had(world: Any) -> None:
    leader = await world.add_leader()
    async with world.agent(http=HTTP) as address:
        await leader.wait(lambda it: it.links)
        command = CommandInfo(value="cat task.data; printf 42 > task.result")
        await leader.run("t", command, data=b"hello")
        end = await leader.wait_state("t", S.FINISHED)
        status, body = await get(
            address, "/files/read?path=frameworks/fw/tasks/t/stdout&offset=0"
        )
        assert (status, json.loads(body)) == (200, {"offset": 0, "data": "hello"})
        _, body = await get(address, "/state")
        state = json.loads(body)
        _, body = await get(
            address, "/files/download?path=frameworks/fw/tasks/t/task.result"
        )
        assert body.split(b"\r\n")[1] == b"42"  # one chunk

    assert end.data == b"42"
    assert (state["id"], state["cluster_id"]) == ("a1", "c")
    assert state["resources"]["cpus"] == 4.0
    hello = leader.hellos[0].info
    assert f"{hello.ip}:{hello.port}" == address


async def test_kill_that_is_not_heeded_ends_in_a_kill(world: Any) -> None:
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run(
            "t", CommandInfo(value="trap '' TERM; touch ready; sleep 1000; sleep 1000")
        )
        ready = world.work_dir / "frameworks/fw/tasks/t/ready"
        while not ready.exists():  # noqa: ASYNC110 - another process makes it
            await trio.sleep(0.005)
        await leader.kill("t", grace_ms=30)
        end = await leader.wait_state("t", S.KILLED)
    assert end.message is not None
    assert "SIGKILL" in end.message


async def test_processes_of_a_crashed_agent_are_killed_and_reported(
    world: Any,
) -> None:
    leader = await world.add_leader()
    crash = trio.CancelScope()
    async with world.agent(crash=crash):
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="exec sleep 1000"))
        pid = (await leader.wait_state("t", S.RUNNING)).executor_pid
        crash.cancel()
    assert state_of(pid) in ("R", "S")

    async with world.agent():
        end = await leader.wait_state("t", S.FAILED)
    assert end.reason is Reason.AGENT_RESTARTED
    assert state_of(pid) == "Z"  # it is our own child, and nobody waits for it


async def test_clean_stop_leaves_no_process(world: Any) -> None:
    leader = await world.add_leader()
    async with world.agent():
        await leader.wait(lambda it: it.links)
        await leader.run("t", CommandInfo(value="exec sleep 1000"))
        pid = (await leader.wait_state("t", S.RUNNING)).executor_pid
    assert state_of(pid) is None
    assert leader.states("t")[-1] is S.KILLED
