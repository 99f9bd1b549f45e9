"""Tasks, groups and offers of an ACCEPT that are not valid: 202, and updates."""

from __future__ import annotations

import copy
from typing import Any

from support.scheduler_http import Api, Framework, Launcher, scalar

LONG = "x" * 300
ID = {"value": "x"}
AGENT = {"value": "AGENT"}
SMALL = [scalar("cpus", 0.1), scalar("mem", 32)]
SMALL_AND_DISK = [*SMALL, scalar("disk", 10)]
COMMAND = {"value": "true"}
EXECUTOR = {"executor_id": {"value": "e"}, "command": COMMAND, "resources": SMALL}
NEGATIVE = {"nanoseconds": -1}


def spaced(seconds: float) -> Any:
    return {"nanoseconds": int(seconds * 1e9)}


TASKS: list[tuple[str, dict[str, Any], str]] = [
    ("an id with a slash", {"task_id": {"value": "a/b"}}, "Task ID"),
    ("the id .", {"task_id": {"value": "."}}, "Task ID"),
    ("the id ..", {"task_id": {"value": ".."}}, "Task ID"),
    ("a long id", {"task_id": {"value": LONG}}, "Task ID"),
    ("an id with a control character", {"task_id": {"value": "a\tb"}}, "Task ID"),
    (
        "another agent",
        {"agent_id": {"value": "nowhere"}},
        "Task uses invalid agent nowhere while agent",
    ),
    ("neither command nor executor", {"command": None}, "(but not both)"),
    ("both", {"executor": EXECUTOR}, "(but not both)"),
    ("no resources", {"resources": []}, "Task uses no resources"),
    ("no cpus at all", {"resources": [scalar("cpus", 0)]}, "resources"),
    ("negative cpus", {"resources": [scalar("cpus", -1)]}, "resources"),
    ("more than offered", {"resources": [scalar("cpus", 4000)]}, ""),
    ("unknown resources", {"resources": [scalar("unicorns", 1)]}, ""),
    (
        "resources of another role",
        {"resources": [scalar("cpus", 1, role="other")]},
        "",
    ),
    ("half a GPU", {"resources": [*SMALL, scalar("gpus", 0.5)]}, "gpus"),
    (
        "negative grace",
        {"kill_policy": {"grace_period": NEGATIVE}},
        "Task's 'kill_policy.grace_period' must be non-negative",
    ),
    (
        "negative completion time",
        {"max_completion_time": NEGATIVE},
        "Task's `max_completion_time` must be non-negative",
    ),
    (
        "HTTP health check without http",
        {"health_check": {"type": "HTTP"}},
        "Expecting 'http' to be set for HTTP health check",
    ),
    (
        "negative delay of a health check",
        {
            "health_check": {
                "type": "TCP",
                "tcp": {"port": 1},
                "delay_seconds": -1.0,
            }
        },
        "'delay_seconds' to be non-negative",
    ),
    (
        "command check without command",
        {"check": {"type": "COMMAND"}},
        "to be set for COMMAND check",
    ),
    ("docker", {"container": {"type": "DOCKER"}}, "container"),
    ("limits", {"limits": {"cpus": {"value": 2}}}, "limits"),
    (
        "executor with a bad id",
        {"command": None, "executor": EXECUTOR | {"executor_id": {"value": "a/b"}}},
        "Executor ID",
    ),
    (
        "executor without command",
        {"command": None, "executor": EXECUTOR | {"command": None}},
        "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
    ),
    (
        "executor of another framework",
        {"command": None, "executor": EXECUTOR | {"framework_id": ID}},
        "ExecutorInfo has an invalid FrameworkID",
    ),
    (
        "default executor by LAUNCH",
        {
            "command": None,
            "executor": EXECUTOR | {"type": "DEFAULT", "command": None},
        },
        "'ExecutorInfo.type' must be 'CUSTOM'",
    ),
    (
        "executor with negative grace",
        {"command": None, "executor": EXECUTOR | {"shutdown_grace_period": NEGATIVE}},
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
    ),
    (
        "executor larger than the offer",
        {"command": None, "executor": EXECUTOR | {"resources": [scalar("cpus", 99)]}},
        "",
    ),
]
"""Tasks that are answered with TASK_ERROR: what is wrong, and words of the message."""


def task(agent_id: Any, name: str, changes: dict[str, Any]) -> Any:
    described = {
        "name": name,
        "task_id": {"value": name},
        "agent_id": agent_id,
        "resources": SMALL,
        "command": COMMAND,
    }
    described = {**described, **copy.deepcopy(changes)}
    executor = described.get("executor")
    if executor is not None and "framework_id" not in executor:
        executor["framework_id"] = {"value": "?"}
    return described


async def test_tasks_that_cannot_be_launched_are_202_and_an_update(
    address: tuple[str, int],
) -> None:
    framework = Framework(Api(address))
    await framework.begin()
    launcher = Launcher(framework)
    wrong = []
    for number, (row, changes, words) in enumerate(TASKS):
        described = task(AGENT, f"t{number}", changes)
        launch = {"type": "LAUNCH", "launch": {"task_infos": [described]}}
        # Every other one in the other encoding.
        status = await launcher.accept(launch, as_protobuf=number % 2 == 1)
        if (
            status["state"] != "TASK_ERROR"
            or words not in status.get("message", "")
            or status["reason"] != "REASON_TASK_INVALID"
            or "uuid" not in status
        ):
            wrong.append(f"{row}: {status}")
    assert not wrong, "\n".join(wrong)


DEFAULT = {
    "type": "DEFAULT",
    "executor_id": {"value": "e"},
    "framework_id": {"value": "?"},
    "resources": SMALL_AND_DISK,
}

GROUPS: list[tuple[str, dict[str, Any], list[dict[str, Any]], str]] = [
    (
        "no type",
        {"type": None, "command": COMMAND},
        [{}],
        "'ExecutorInfo.type' must be set",
    ),
    (
        "default with a command",
        {"command": COMMAND},
        [{}],
        "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
    ),
    ("too little cpu", {"resources": SMALL_AND_DISK[1:]}, [{}], "uses less CPUs"),
    (
        "too little memory",
        {"resources": [scalar("cpus", 1), scalar("mem", 1), scalar("disk", 1)]},
        [{}],
        "uses less memory",
    ),
    ("no disk", {"resources": SMALL}, [{}], "disk"),
    ("a task without command", {}, [{}, {"command": None}], "command"),
    (
        "a task of another executor",
        {},
        [{"executor": DEFAULT | {"executor_id": {"value": "other"}}}],
        "The `ExecutorInfo` of task",
    ),
    ("a task that is not valid", {}, [{}, {"resources": []}], "resources"),
    ("together too large", {}, [{"resources": [scalar("cpus", 3)]}] * 2, ""),
]
"""Groups of which no task is launched: executor, tasks, words."""


async def test_groups_are_refused_as_a_whole(address: tuple[str, int]) -> None:
    framework = Framework(Api(address))
    await framework.begin()
    launcher = Launcher(framework)
    wrong = []
    for number, (row, changes, members, words) in enumerate(GROUPS):
        tasks = [
            task(AGENT, f"g{number}-{at}", member) for at, member in enumerate(members)
        ]
        group = {"executor": DEFAULT | changes, "task_group": {"tasks": tasks}}
        operation = {"type": "LAUNCH_GROUP", "launch_group": group}
        told = [await launcher.accept(operation)]
        while len(told) < len(members):
            told.append((await framework.next("UPDATE"))["update"]["status"])
        states = {status["state"] for status in told}
        if states != {"TASK_ERROR"} or not any(
            words in status["message"] for status in told
        ):
            wrong.append(f"{row}: {told}")
    assert not wrong, "\n".join(wrong)


async def test_offers_that_are_not_valid_are_202_and_the_tasks_are_dropped(
    address: tuple[str, int],
) -> None:
    api = Api(address)
    framework = Framework(api)
    partition_aware = {"capabilities": [{"type": "PARTITION_AWARE"}]}
    await framework.begin(**partition_aware)
    offer = await framework.offer()
    launch = {"type": "LAUNCH", "launch": {"task_infos": []}}
    for number, offer_ids in enumerate(
        [[], [offer["id"], offer["id"]], [offer["id"]], [ID]]
    ):
        described = task(offer["agent_id"], f"d{number}", {})
        launch["launch"] = {"task_infos": [described]}
        accept = {"offer_ids": offer_ids, "operations": [launch]}
        reply = await framework.call("ACCEPT", accept=accept)
        assert (reply.status, reply.body) == (202, b"")
        status = (await framework.next("UPDATE"))["update"]["status"]
        assert status["state"] == "TASK_DROPPED", (offer_ids, status)
        assert status["reason"] == "REASON_INVALID_OFFERS"
