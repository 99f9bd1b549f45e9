"""What events of the executor API say, beyond what a round trip shows."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.protocol import executor_api
from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.executor_v1 import encode_event
from raftleader.protocol.frameworks import FrameworkInfo
from raftleader.protocol.ids import AgentId, TaskId
from raftleader.protocol.resources import EMPTY, Resources
from raftleader.protocol.tasks import ExecutorInfo, TaskInfo
from raftleader.protocol.wire.codec import read_message
from raftleader.protocol.wire.media import Media

ONE_CPU = Resources.of({"cpus": 1000})
EXECUTOR = ExecutorInfo(executor_id="e", resources=ONE_CPU)
TASK = TaskInfo(
    name="t",
    task_id=TaskId("t"),
    agent_id=AgentId("a"),
    resources=ONE_CPU,
    executor=EXECUTOR,
)
FRAMEWORK = FrameworkInfo(user="u", name="n", roles=("eng",))
AGENT = AgentInfo(hostname="h", ip="", port=1, resources=EMPTY)


@pytest.mark.parametrize("media", Media)
def test_an_executor_is_told_to_which_role_its_resources_are_allocated(
    media: Media,
) -> None:
    def body_of(event: executor_api.Event, *path: str) -> Any:
        tree = read_message(
            media, "executor.Event", encode_event(event, media=media)
        ).tree
        for name in path:
            tree = tree[name]
        return tree

    eng = {"role": "eng"}
    task = body_of(executor_api.LaunchTask(task=TASK, role="eng"), "launch", "task")
    group = body_of(
        executor_api.LaunchTaskGroup(tasks=(TASK,), role="eng"),
        *("launch_group", "task_group"),
    )
    subscribed = body_of(
        executor_api.Subscribed(
            executor_info=EXECUTOR,
            framework_info=FRAMEWORK,
            agent_id=AgentId("a"),
            agent_info=AGENT,
            role="eng",
        ),
        *("subscribed", "executor_info"),
    )
    for message in (task, task["executor"], group["tasks"][0], subscribed):
        (cpus,) = message["resources"]
        assert cpus["allocation_info"] == eng
