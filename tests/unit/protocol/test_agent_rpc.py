"""Messages between leader nodes and agents: they read back, or are refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftleader.errors import InvalidInputError
from raftleader.protocol import agent_rpc as rpc
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, TaskId
from raftleader.protocol.resources import parse_resources
from raftleader.protocol.tasks import (
    CommandInfo,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

F, T, A = FrameworkId("f"), TaskId("t"), AgentId("a")
INFO = AgentInfo(
    hostname="h", ip="10.0.0.1", port=1, resources=parse_resources("cpus:1")
)
STATUS = TaskStatus(
    task_id=T, state=TaskState.RUNNING, source=Source.AGENT, uuid=bytes(16)
)
TASK = TaskInfo(name="n", task_id=T, agent_id=A, command=CommandInfo(value="true"))

FROM_AGENT = [
    rpc.AgentHello(cluster_id="", key="k", info=INFO),
    rpc.TaskDigest(digest=b"0" * 16),
    rpc.TaskList(
        tasks=(rpc.HeldTask(framework_id=F, task_id=T, state=TaskState.RUNNING),)
    ),
    rpc.StatusUpdates(updates=(rpc.AgentUpdate(framework_id=F, status=STATUS),)),
    rpc.Pong(number=3),
]
FROM_NODE = [
    rpc.NodeHello(cluster_id="c", node_id="n1", term=4, leading=True),
    rpc.Refused(problem="another cluster"),
    rpc.Registered(term=4, agent_id=A),
    rpc.TaskListWanted(term=4),
    rpc.RunTasks(
        term=4,
        orders=(rpc.TaskOrder(framework_id=F, framework_name="x", task=TASK),),
    ),
    rpc.KillTasks(term=4, orders=(rpc.KillOrder(framework_id=F, task_id=T),)),
    rpc.UpdatesCommitted(term=4, uuids=(bytes(16),)),
    rpc.Ping(number=3),
]


@pytest.mark.parametrize("message", FROM_AGENT, ids=lambda m: type(m).__name__)
def test_what_an_agent_says_reads_back(message: rpc.FromAgent) -> None:
    assert rpc.decode_from_agent(rpc.encode(message)) == message


@pytest.mark.parametrize("message", FROM_NODE, ids=lambda m: type(m).__name__)
def test_what_a_node_says_reads_back(message: rpc.FromNode) -> None:
    assert rpc.decode_from_node(rpc.encode(message)) == message


def test_neither_side_takes_the_other_one_s_words() -> None:
    with pytest.raises(InvalidInputError):
        rpc.decode_from_node(rpc.encode(FROM_AGENT[0]))
    with pytest.raises(InvalidInputError):
        rpc.decode_from_agent(rpc.encode(FROM_NODE[0]))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(frame: bytes) -> None:
    for decode in (rpc.decode_from_agent, rpc.decode_from_node):
        try:
            decode(frame)
        except InvalidInputError:
            pass


@given(st.sampled_from(FROM_AGENT), st.data())
def test_a_damaged_message_is_read_or_refused(
    message: rpc.FromAgent, data: st.DataObject
) -> None:
    frame = bytearray(rpc.encode(message))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= data.draw(st.integers(1, 255))
    try:
        rpc.decode_from_agent(bytes(frame))
    except InvalidInputError:
        pass


def test_an_unknown_field_that_nests_without_end_is_refused() -> None:
    deep = b"\x91" * 200_000 + b"\xc0"
    frame = (
        b"\x82"
        + msgspec.msgpack.encode("type")
        + msgspec.msgpack.encode("pong")
        + msgspec.msgpack.encode("other")
        + deep
    )
    with pytest.raises(InvalidInputError):
        rpc.decode_from_agent(frame)


def test_digest_tells_sets_of_tasks_apart_whatever_their_order() -> None:
    one = (FrameworkId("f1"), TaskId("t"))
    two = (FrameworkId("f"), TaskId("1t"))
    assert rpc.digest_of_tasks([one, two]) == rpc.digest_of_tasks([two, one])
    assert rpc.digest_of_tasks([one]) != rpc.digest_of_tasks([two])
    assert rpc.digest_of_tasks([]) != rpc.digest_of_tasks([one])
