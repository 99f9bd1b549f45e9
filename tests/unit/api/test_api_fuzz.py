"""Anything at all, sent to the operator API and the old pages: always an answer."""

from __future__ import annotations

import json
from typing import Any

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.operator_calls import MACHINE, reserved, scalar

from raftleader.api.app import build_handler
from raftleader.httpd.messages import Request, Response, Stream
from raftleader.protocol.wire.schema import Field, fields_of, labels_of, schema

TYPES = sorted(labels_of("master.Call.Type"))
PAGES = (
    "/teardown",
    "/reserve",
    "/unreserve",
    "/create-volumes",
    "/destroy-volumes",
    "/weights",
    "/quota",
    "/quota/x",
    "/maintenance/schedule",
    "/machine/up",
    "/machine/down",
    "/tasks",
    "/slaves",
    "/frameworks",
    "/state",
    "/state-summary",
    "/roles",
    "/files/read",
    "/files/browse",
    "/files/download",
    "/logging/toggle",
    "/metrics/snapshot",
)
FEW = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["*", "prod", "cpus", "SCALAR", "1", "a/b", "Infinity"]),
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=8,
)
texts = st.text(max_size=30)


def value_of(field: Field, depth: int) -> st.SearchStrategy[Any]:
    """A value that the schema allows, most of the time."""
    if field.type in schema().messages:
        value = message_of(field.type, depth - 1) if depth else st.just({})
    elif field.type in schema().enums:
        value = st.sampled_from(sorted(labels_of(field.type)))
    elif field.type == "string":
        value = st.sampled_from(["", "*", "prod", "cpus", "disk", "machine", "v-1"])
    elif field.type == "bool":
        value = st.booleans()
    elif field.type == "double":
        value = st.sampled_from([0, 1, 0.0001, 64, -1, 1e30])
    else:
        value = st.sampled_from([0, 1, 2**31, -1, 2**63 - 1, "5"])
    if field.is_map:
        value = st.dictionaries(st.sampled_from(["cpus", "mem"]), value, max_size=2)
    elif field.is_repeated:
        value = st.lists(value, max_size=2)
    return value | trees


def message_of(kind: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """A message of this kind with some of its fields."""
    required = {n: value_of(f, depth) for n, f in fields_of(kind).items()}
    few = dict(list(required.items())[:6])
    return st.fixed_dictionaries({}, optional=few)


def bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Calls with the body their type wants, or something like it."""

    def call_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        field = fields_of("master.Call").get(kind.lower())
        if field is None:
            return st.just({"type": kind})
        body = message_of(field.type, 4) | trees
        return body.map(lambda made: {"type": kind, kind.lower(): made})

    return st.sampled_from(TYPES).flatmap(call_of)


def send(
    client: Any, method: str, target: str, body: bytes, query: dict[str, str]
) -> None:
    """Ask; the answer is one, is no 500, and can be written to its end."""

    async def ask() -> None:
        request = Request(
            method=method,
            path=target,
            target=target,
            query=query,
            headers={"content-type": "application/json"},
            body=body,
        )
        answer = client.handler(request)
        if not isinstance(answer, Response | Stream):
            answer = await answer()
        assert answer.status != 500
        if isinstance(answer, Stream):
            with trio.move_on_after(0.001):
                await answer.run(_Nowhere())

    trio.run(ask)


class _Nowhere:
    async def send(self, chunks: list[bytes]) -> None:
        await trio.lowlevel.checkpoint()


def _filled(client: Any) -> Any:
    if not client.node.state.agents:
        client.node.add_agent(MACHINE)
        client.handler = build_handler(client.node)
    return client


@FEW
@given(call=bodies())
def test_any_call_is_answered(client: Any, call: dict[str, Any]) -> None:
    if call["type"] == "SET_LOGGING_LEVEL":  # it would change the tests' own
        return
    client = _filled(client)
    (agent_id, *_) = [*client.node.state.agents, "gone"]
    text = json.dumps(call).replace('"machine"', json.dumps(agent_id))
    send(client, "POST", "/api/v1", text.encode(), {})


@FEW
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered(client: Any, body: bytes) -> None:
    send(client, "POST", "/api/v1", body, {})


@FEW
@given(
    page=st.sampled_from(PAGES),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    body=st.binary(max_size=50)
    | trees.map(lambda tree: json.dumps(tree).encode())
    | texts.map(lambda text: f"slaveId={text}&resources=[{text}]".encode())
    | st.sampled_from(
        [
            json.dumps([scalar("cpus", 1)]).encode(),
            b"slaveId=x&volumes=" + json.dumps([reserved("disk", 1)]).encode(),
        ]
    ),
    query=st.dictionaries(
        st.sampled_from(["path", "offset", "length", "limit", "level", "jsonp"]),
        texts | st.integers().map(str),
    ),
)
def test_any_page_is_answered(
    client: Any, page: str, method: str, body: bytes, query: dict[str, str]
) -> None:
    send(_filled(client), method, page, body, query)
