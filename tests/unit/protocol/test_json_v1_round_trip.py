"""Our values to JSON and back give the same values; bad JSON gives an answer."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raftleader.errors import InvalidInputError
from raftleader.protocol.agents import AgentInfo, Attribute
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1 import (
    decode_call,
    decode_event,
    encode_call,
    encode_event,
)
from raftleader.protocol.json_v1_frameworks import CAPABILITIES
from raftleader.protocol.labels import Label
from raftleader.protocol.offers import Launch, Offer, UnsupportedOperation
from raftleader.protocol.resources import Resources
from raftleader.protocol.scheduler_api import (
    Accept,
    Acknowledge,
    Call,
    Decline,
    Error,
    Event,
    Failure,
    Heartbeat,
    Kill,
    LeaderInfo,
    Offers,
    Reconcile,
    ReconcileTask,
    Rescind,
    Revive,
    Subscribe,
    Subscribed,
    Suppress,
    Teardown,
    UnknownCall,
    Update,
)
from raftleader.protocol.tasks import (
    CommandInfo,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

ALL = CAPABILITIES

texts = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
millis = st.integers(0, 10**15)
roles = st.sampled_from(["*", "prod", "a/b", "löwe"])
keys = st.builds(
    lambda name, role: name if role == "*" else f"{name}({role})",
    st.sampled_from(["cpus", "mem", "disk", "gpus", "ports", "x.y-z"]),
    roles,
)
ranges = st.lists(
    st.tuples(st.integers(0, 2**62), st.integers(0, 1000)).map(
        lambda pair: (pair[0], pair[0] + pair[1])
    ),
    max_size=4,
)
resources = st.builds(
    Resources.of,
    st.dictionaries(keys, millis, max_size=3),
    st.dictionaries(keys, ranges, max_size=2),
    st.dictionaries(keys, st.lists(texts, max_size=3), max_size=2),
)
labels = st.lists(st.builds(Label, texts, st.none() | texts), max_size=3).map(tuple)
framework_ids = names.map(FrameworkId)
agent_ids = names.map(AgentId)
task_ids = names.map(TaskId)
offer_ids = st.lists(names.map(OfferId), max_size=3).map(tuple)
commands = st.builds(
    CommandInfo,
    value=st.none() | texts,
    shell=st.booleans(),
    arguments=st.lists(texts, max_size=3).map(tuple),
    environment=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    user=st.none() | texts,
)
tasks = st.builds(
    TaskInfo,
    name=texts,
    task_id=task_ids,
    agent_id=agent_ids,
    resources=resources,
    command=st.none() | commands,
    kill_grace_ms=st.none() | st.integers(0, 86_400_000),
    data=st.none() | st.binary(max_size=20),
    labels=labels,
)
operations = st.builds(
    Launch, tasks=st.lists(tasks, max_size=2).map(tuple)
) | st.sampled_from(["RESERVE", "CREATE", "UNKNOWN"]).map(
    lambda kind: UnsupportedOperation(type=kind)
)
refusals = st.integers(0, 31_536_000_000)


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscribe:
    is_multi_role = draw(st.booleans())
    others = [name for name in ALL if name != "MULTI_ROLE"]
    capabilities = draw(st.lists(st.sampled_from(others), unique=True))
    framework_id = draw(st.none() | framework_ids)
    return Subscribe(
        framework_id=framework_id,
        framework_info=FrameworkInfo(
            user=draw(texts),
            name=draw(texts),
            id=framework_id,
            roles=tuple(draw(st.lists(roles, max_size=3)))
            if is_multi_role
            else (draw(roles),),
            failover_timeout_ms=draw(st.integers(-1000, 10**12)),
            checkpoint=draw(st.booleans()),
            hostname=draw(st.none() | texts),
            principal=draw(st.none() | texts),
            webui_url=draw(st.none() | texts),
            capabilities=(*capabilities, *(["MULTI_ROLE"] * is_multi_role)),
            labels=draw(labels),
        ),
        suppressed_roles=tuple(draw(st.lists(roles, max_size=2))),
    )


calls: st.SearchStrategy[Call] = st.one_of(
    subscriptions(),
    st.builds(Teardown, framework_id=framework_ids),
    st.builds(
        Accept,
        framework_id=framework_ids,
        offer_ids=offer_ids,
        operations=st.lists(operations, max_size=2).map(tuple),
        refuse_ms=refusals,
    ),
    st.builds(
        Decline, framework_id=framework_ids, offer_ids=offer_ids, refuse_ms=refusals
    ),
    st.builds(
        Revive, framework_id=framework_ids, roles=st.lists(roles, max_size=2).map(tuple)
    ),
    st.builds(
        Suppress,
        framework_id=framework_ids,
        roles=st.lists(roles, max_size=2).map(tuple),
    ),
    st.builds(
        Kill,
        framework_id=framework_ids,
        task_id=task_ids,
        agent_id=st.none() | agent_ids,
        grace_ms=st.none() | st.integers(0, 86_400_000),
    ),
    st.builds(
        Acknowledge,
        framework_id=framework_ids,
        agent_id=agent_ids,
        task_id=task_ids,
        uuid=st.binary(min_size=16, max_size=16),
    ),
    st.builds(
        Reconcile,
        framework_id=framework_ids,
        tasks=st.lists(
            st.builds(ReconcileTask, task_id=task_ids, agent_id=st.none() | agent_ids),
            max_size=3,
        ).map(tuple),
    ),
    st.builds(
        UnknownCall,
        type=st.sampled_from(["MESSAGE", "SHUTDOWN"]),
        framework_id=st.none() | framework_ids,
    ),
)

statuses = st.builds(
    TaskStatus,
    task_id=task_ids,
    state=st.sampled_from(TaskState),
    source=st.sampled_from(Source),
    agent_id=st.none() | agent_ids,
    reason=st.none() | st.sampled_from(Reason),
    message=st.none() | texts,
    data=st.none() | st.binary(max_size=20),
    uuid=st.none() | st.binary(min_size=16, max_size=16),
    timestamp_ms=st.integers(0, 2**42),
    executor_id=st.none() | names,
    container_id=st.none() | names,
    executor_pid=st.none() | st.integers(0, 2**31),
    labels=labels,
    unreachable_ms=st.none() | st.integers(0, 2**42),
)
ips = st.ip_addresses(v=4).map(str)
ports = st.integers(0, 65535)
agents = st.builds(
    AgentInfo,
    hostname=texts,
    ip=ips,
    port=ports,
    attributes=st.lists(
        st.builds(Attribute, name=texts, text=texts)
        | st.builds(Attribute, name=texts, scalar_millis=millis)
        | st.builds(
            Attribute,
            name=texts,
            ranges=st.tuples(st.tuples(st.integers(0, 5), st.integers(5, 9))),
        ),
        max_size=2,
    ).map(tuple),
)
offers = st.builds(
    Offer,
    id=names.map(OfferId),
    framework_id=framework_ids,
    agent_id=agent_ids,
    role=roles,
    resources=resources,
    agent=agents,
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Subscribed,
        framework_id=framework_ids,
        heartbeat_interval_s=st.floats(0.001, 1e6),
        leader=st.none()
        | st.builds(
            LeaderInfo, id=texts, hostname=texts, ip=ips, port=ports, version=texts
        ),
    ),
    st.builds(Offers, offers=st.lists(offers, max_size=2).map(tuple)),
    st.builds(Rescind, offer_id=names.map(OfferId)),
    st.builds(Update, status=statuses),
    st.builds(
        Failure,
        agent_id=st.none() | agent_ids,
        executor_id=st.none() | names,
        status=st.none() | st.integers(-(2**31), 2**31 - 1),
    ),
    st.builds(Error, message=texts),
    st.just(Heartbeat()),
)


def compact(message: bytes) -> bytes:
    """As the standard library writes it, which also escapes DEL."""
    return json.dumps(json.loads(message), separators=(",", ":")).encode()


@given(calls)
@settings(max_examples=200)
def test_call_is_the_same_after_a_round_trip(call: Call) -> None:
    body = encode_call(call)
    assert body.isascii()
    assert body.replace(b"\x7f", b"\\u007f") == compact(body)
    assert decode_call(body) == call


@given(events)
@settings(max_examples=200)
def test_event_is_the_same_after_a_round_trip(event: Event) -> None:
    record = encode_event(event, capabilities=ALL)
    assert record.isascii()
    assert record.replace(b"\x7f", b"\\u007f") == compact(record)
    assert decode_event(record) == event


@given(events)
def test_event_without_any_capability_can_still_be_read(event: Event) -> None:
    assert decode_event(encode_event(event, capabilities=()))


jsons = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "1e9", "Infinity", "AAAA", "SCALAR", "LAUNCH"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _replace(value: Any, place: int, by: Any) -> tuple[Any, int]:
    """``value`` with its part number ``place``, in order of a walk, replaced."""
    if place == 0:
        return by, -1
    place -= 1
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        for key, part in value.items():
            changed[key], place = (
                _replace(part, place, by) if place >= 0 else (part, place)
            )
        return changed, place
    if isinstance(value, list):
        items: list[Any] = []
        for part in value:
            item, place = _replace(part, place, by) if place >= 0 else (part, place)
            items.append(item)
        return items, place
    return value, place


@given(calls, st.integers(0, 40), jsons)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_call_with_any_part_replaced_is_taken_or_refused_by_name(
    call: Call, place: int, by: Any
) -> None:
    message, _ = _replace(json.loads(encode_call(call)), place, by)
    try:
        decoded = decode_call(json.dumps(message).encode())
    except InvalidInputError as error:
        assert error.path
    else:
        # What is taken can be written into the log and told again.
        assert decode_call(encode_call(decoded)) is not None


@given(events, st.integers(0, 40), jsons)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_event_with_any_part_replaced_is_taken_or_refused_by_name(
    event: Event, place: int, by: Any
) -> None:
    message, _ = _replace(json.loads(encode_event(event, capabilities=ALL)), place, by)
    try:
        decode_event(json.dumps(message).encode())
    except InvalidInputError as error:
        assert error.path


@given(st.binary(max_size=60))
def test_any_bytes_are_a_call_or_an_error(data: bytes) -> None:
    for decode in (decode_call, decode_event):
        try:
            decode(data)
        except InvalidInputError as error:
            assert error.path
