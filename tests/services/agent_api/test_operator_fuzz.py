"""Whatever is sent to the operator API is answered, and not with 500."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_agent_view import FakeAgentView

from agent.config import AgentConfig
from agent.endpoints import Endpoints
from agent.operator_api.api import NOT_IMPLEMENTED
from raftleader.httpd.messages import Request, Response, Stream
from raftleader.protocol.wire.schema import schema

TYPES = sorted(schema().enums["agent.Call.Type"])
NAMES = [
    *("container_id", "value", "parent", "command", "container", "shell", "signal"),
    *("arguments", "environment", "variables", "type", "tty_info", "window_size"),
    *("rows", "columns", "path", "offset", "length", "level", "duration"),
    *("nanoseconds", "resources", "name", "scalar", "role", "timeout", "user"),
    *("show_nested", "mesos", "docker", "image", "volumes", "network_infos"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["root", "inner", "x", "..", "MESOS", "frameworks", "a.b"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
IDS = st.fixed_dictionaries(
    {"value": st.sampled_from(["root", "inner", "x", ""])},
    optional={"parent": st.fixed_dictionaries({"value": st.just("root")})},
)


async def inline(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


def endpoints_in(folder: Path) -> Endpoints:
    view = FakeAgentView()
    view.add_container("root", folder / "no such sandbox")
    view.add_container("inner", folder / "no such sandbox", parent="root")
    config = AgentConfig(leaders=("mem://n1",), work_dir=folder)
    return Endpoints(config=config, view=view, run_blocking=inline)


def ask(body: bytes, content_type: str) -> int:
    """The status of the answer. Nothing can be launched: there is no sandbox."""

    async def main() -> int:
        with tempfile.TemporaryDirectory() as folder:
            endpoints = endpoints_in(Path(folder))
            request = Request(
                method="POST",
                path="/api/v1",
                target="/api/v1",
                headers={"content-type": content_type},
                body=body,
            )
            answer = endpoints.handle(request)
            if callable(answer):
                answer = await answer()
            assert isinstance(answer, Response | Stream)
            return answer.status

    return trio.run(main)


@settings(max_examples=300, deadline=None)
@given(type_=st.sampled_from(TYPES), body=TREES, name=IDS)
def test_any_body_of_any_call_is_answered(type_: str, body: Any, name: Any) -> None:
    if isinstance(body, dict):
        body = {"container_id": name} | body
    call = {"type": type_, type_.lower(): body}
    status = ask(json.dumps(call).encode(), "application/json")
    if type_ in NOT_IMPLEMENTED or type_ == "UNKNOWN":
        assert status == 501
    else:
        assert status in (200, 202, 400, 404, 409, 415, 503)


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=60),
    content_type=st.sampled_from(["application/json", "application/x-protobuf"]),
)
def test_any_bytes_are_answered(body: bytes, content_type: str) -> None:
    assert ask(body, content_type) in (200, 400, 404, 415, 501)
