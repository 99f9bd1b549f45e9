"""Calls in Mesos' JSON: what is read, and what is refused by which path."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.mesos_json import accept_of, call, framework_call, subscribe_of, task_of

from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId, TaskId
from raftleader.protocol.json_v1 import decode_call
from raftleader.protocol.scheduler_api import (
    Call,
    Decline,
    Kill,
    Reconcile,
    ReconcileTask,
    RequestResources,
    Revive,
    SendMessage,
    Suppress,
    UnknownCall,
)

UUID = base64.b64encode(bytes(16)).decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (framework_call("REVIVE"), Revive(framework_id=FrameworkId("f"))),
        (framework_call("REVIVE", revive=None), Revive(framework_id=FrameworkId("f"))),
        (
            framework_call("SUPPRESS", suppress={"roles": "web"}),
            Suppress(framework_id=FrameworkId("f"), roles=("web",)),
        ),
        (
            framework_call("DECLINE", decline={"offer_ids": {"value": "o"}}),
            Decline(framework_id=FrameworkId("f"), offer_ids=(OfferId("o"),)),
        ),
        (
            framework_call(
                "DECLINE", decline={"filters": {"refuse_seconds": "Infinity"}}
            ),
            Decline(
                framework_id=FrameworkId("f"),
                offer_ids=(),
                refuse_ms=365 * 86_400_000,
            ),
        ),
        (
            framework_call(
                "KILL",
                kill={
                    "task_id": {"value": 17},
                    "agent_id": {"value": ""},
                    "kill_policy": {"grace_period": {"nanoseconds": "2500000000"}},
                },
            ),
            Kill(framework_id=FrameworkId("f"), task_id=TaskId("17"), grace_ms=2500),
        ),
        (
            framework_call(
                "RECONCILE",
                reconcile={"tasks": {"task_id": {"value": "t"}, "unknown": [1]}},
            ),
            Reconcile(
                framework_id=FrameworkId("f"),
                tasks=(ReconcileTask(task_id=TaskId("t")),),
            ),
        ),
        (call(type="UNKNOWN"), UnknownCall(type="UNKNOWN")),
        (
            framework_call("REQUEST", request={"requests": "anything"}),
            RequestResources(framework_id=FrameworkId("f")),
        ),
        (
            framework_call(
                "MESSAGE",
                message={
                    "agent_id": {"value": "a"},
                    "executor_id": {"value": "e"},
                    "data": "",
                },
            ),
            SendMessage(
                framework_id=FrameworkId("f"),
                agent_id=AgentId("a"),
                executor_id="e",
                data=b"",
            ),
        ),
    ],
)
def test_call_is_read_as_mesos_reads_it(body: bytes, expected: Call) -> None:
    assert decode_call(body) == expected


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"type":"\xff"}', "body"),
        (b'{"a":NaN}', "body"),
        (b'{"a":1e999}', "body"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "body"),
        (b"[" * 1_000_000, "body"),
        (call(), "type"),
        (call(type="LAUNCH"), "type"),
        (call(type=[]), "type"),
        (call(type="TEARDOWN"), "framework_id"),
        (call(type="TEARDOWN", framework_id={"value": ""}), "framework_id"),
        (call(type="TEARDOWN", framework_id="f"), "framework_id"),
        (call(type="TEARDOWN", framework_id={"value": {}}), "framework_id.value"),
        (
            call(type="TEARDOWN", framework_id={"value": "x" * 5000}),
            "framework_id.value",
        ),
        (call(type="SUBSCRIBE"), "subscribe"),
        (call(type="SUBSCRIBE", subscribe={}), "subscribe.framework_info"),
        (
            call(type="SUBSCRIBE", subscribe={"framework_info": {"name": "n"}}),
            "subscribe.framework_info.user",
        ),
        (subscribe_of(name=None), "subscribe.framework_info.name"),
        (subscribe_of(id={"value": "f"}), "subscribe.framework_info.id"),
        (subscribe_of(checkpoint=1), "subscribe.framework_info.checkpoint"),
        (
            subscribe_of(failover_timeout="NaN"),
            "subscribe.framework_info.failover_timeout",
        ),
        (subscribe_of(roles=[[]]), "subscribe.framework_info.roles[0]"),
        (
            subscribe_of(capabilities=["MULTI_ROLE"]),
            "subscribe.framework_info.capabilities[0]",
        ),
        (framework_call("ACCEPT"), "accept"),
        (framework_call("ACCEPT", accept={"offer_ids": ["o"]}), "accept.offer_ids[0]"),
        (
            framework_call("ACCEPT", accept={"operations": [{"type": "LAUNCH"}]}),
            "accept.operations[0].launch",
        ),
        (
            accept_of(task_of(), task_of(task_id=None)),
            "accept.operations[0].launch.task_infos[1].task_id",
        ),
        (
            accept_of(task_of(data="=?=")),
            "accept.operations[0].launch.task_infos[0].data",
        ),
        (
            accept_of(task_of(data="A" * 1_400_000)),
            "accept.operations[0].launch.task_infos[0].data",
        ),
        (
            accept_of(*[task_of()] * 10_001),
            "accept.operations",
        ),
        (
            framework_call("DECLINE", decline={"filters": {"refuse_seconds": [1]}}),
            "decline.filters.refuse_seconds",
        ),
        (framework_call("KILL", kill={}), "kill.task_id"),
        (framework_call("KILL", kill={"task_id": {}}), "kill.task_id.value"),
        (
            framework_call(
                "KILL",
                kill={
                    "task_id": {"value": "t"},
                    "kill_policy": {"grace_period": {"nanoseconds": -1}},
                },
            ),
            "kill.kill_policy.grace_period.nanoseconds",
        ),
        (
            framework_call("RECONCILE", reconcile={"tasks": [{}, {}]}),
            "reconcile.tasks[0].task_id",
        ),
        (call(type="MESSAGE"), "framework_id"),
        (framework_call("MESSAGE", message={}), "message.agent_id"),
        (framework_call("REQUEST"), "request"),
        (framework_call("SHUTDOWN", shutdown={}), "shutdown.executor_id"),
        (
            framework_call("ACCEPT_INVERSE_OFFERS"),
            "accept_inverse_offers",
        ),
        (
            framework_call(
                "RECONCILE_OPERATIONS", reconcile_operations={"operations": {}}
            ),
            "reconcile_operations.operations.operation_id",
        ),
        (framework_call("UPDATE_FRAMEWORK"), "update_framework"),
        (
            framework_call(
                "UPDATE_FRAMEWORK",
                update_framework={"framework_info": {"user": "u", "name": "n"}},
            ),
            "update_framework.framework_info.id",
        ),
        (
            subscribe_of(offer_filters={"web": {"min_allocatable_resources": 1}}),
            "subscribe.framework_info.offer_filters.web.min_allocatable_resources",
        ),
    ],
)
def test_bad_call_is_refused_by_the_path_of_its_field(body: bytes, path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_call(body)
    assert caught.value.path == path
    assert caught.value.problem


@pytest.mark.parametrize(
    ("uuid", "problem"),
    [
        (None, "is required"),
        ("", "must be 16 bytes, not 0"),
        ("AAAA", "must be 16 bytes, not 3"),
        (base64.b64encode(bytes(17)).decode(), "is larger than 16 bytes"),
        ("not base64!", "is not base64"),
        (UUID[:-2], "is not base64"),
        (16, "expected base64, got a number"),
        ("ü" * 8, "is not base64"),
    ],
)
def test_acknowledge_with_a_malformed_uuid_is_refused(uuid: Any, problem: str) -> None:
    body = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": uuid}
    with pytest.raises(InvalidInputError) as caught:
        decode_call(framework_call("ACKNOWLEDGE", acknowledge=body))
    assert caught.value.path == "acknowledge.uuid"
    assert caught.value.problem.startswith(problem)
