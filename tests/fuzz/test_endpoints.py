"""Whatever is sent to a running leader or agent is answered, and never with 500.

Nothing may be logged as an error, and what the leader keeps stays as it must be.
``RAFTLEADER_FUZZ_TIMES=20`` makes twenty times as many examples.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.live_cluster import LiveCluster
from support.odd_requests import (
    MEDIA,
    TEXTS,
    Manner,
    as_body,
    calls_of,
    filled,
    header_texts,
    leaves,
    manners,
    resources,
    trees,
)
from support.raw_http import NoAnswerError, RawAnswer, RawConnection

TIMES = int(os.environ.get("RAFTLEADER_FUZZ_TIMES", "1"))
LIVING = ("LAUNCH_CONTAINER", "SET_LOGGING_LEVEL")
"""Calls that would run something, or change the log of the tests themselves."""
PAGES = [
    *("/state", "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles"),
    *("/metrics/snapshot", "/flags", "/files/browse", "/files/read", "/files/debug"),
    *("/files/download", "/teardown", "/reserve", "/unreserve", "/create-volumes"),
    *("/destroy-volumes", "/weights", "/quota", "/quota/x", "/maintenance/schedule"),
    *("/maintenance/status", "/machine/up", "/machine/down", "/health", "/version"),
    *("/redirect", "/containers", "/monitor/statistics", "/api/v1", "/api/v1/executor"),
    *("/api/v1/scheduler", "/raftleader/v1/status", "/raftleader/v1/members"),
    *("/raftleader/v1/agents", "/raftleader/v1/tasks", "/", "//", "/nothing"),
]
PARAMETERS = [
    *("path", "offset", "length", "limit", "order", "framework_id", "task_id"),
    *("slave_id", "level", "duration", "jsonp", "container_id", "timeout", ""),
]
VALUES = ["<framework>", "<agent>", "/", "f", "9" * 30, "1e3", "5secs"]
WRAPPINGS = ["{}", "{}/", "{}.json", "/master{}", "/slave(1){}", "/master{}.json/"]


def few(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    with LiveCluster(tmp_path_factory.mktemp("live")) as cluster:
        yield cluster


class Victim:
    """A framework whose name is used in bad calls; subscribed anew when it is gone."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.connection: RawConnection | None = None
        self.names: dict[str, str] = {}
        self.stream_id = ""

    def subscribe(self) -> None:
        self.leave()
        info = {"user": "u", "name": "victim", "failover_timeout": 3600}
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        self.connection = RawConnection(self.address)
        request = Manner().request(
            "/api/v1/scheduler",
            json.dumps(call).encode(),
            content_type="application/json",
        )
        self.connection.send([request])
        answer = self.connection.answer()
        assert answer.status == 200, answer
        self.stream_id = answer.headers["mesos-stream-id"]
        text = answer.body.decode()
        for key, mark in (("<framework>", "framework_id"), ("<offer>", "offer_id")):
            _, _, rest = text.partition(f'"{mark}":{{"value":"')
            self.names[key] = rest.partition('"')[0]

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.__exit__()


@pytest.fixture(scope="module")
def victim(live: LiveCluster) -> Iterator[Victim]:
    made = Victim(live.leader)
    made.subscribe()
    made.names["<agent>"] = live.agent_ids()[0]
    yield made
    made.leave()


ENDLESS = ("SUBSCRIBE", "WAIT_", "ATTACH_", "SESSION")
"""Who asks for a stream and says that it sends nothing more may get nothing: it cannot
be told from a client that has gone."""


def exchange(
    live: LiveCluster,
    address: tuple[str, int],
    manner: Manner,
    request: bytes,
    call: str = "",
) -> int:
    """Send it; the answer is one that a server may give. Returns its status."""
    half_closes = manner.half_closes and not any(word in call for word in ENDLESS)
    with RawConnection(address) as connection:
        connection.send(manner.pieces(request))
        if half_closes:
            connection.half_close()
        answer = connection.answer(has_body=manner.method != "HEAD")
    judge(live, answer)
    return answer.status


def judge(live: LiveCluster, answer: RawAnswer) -> None:
    assert answer.status != 500, answer
    assert not live.problems()
    media = answer.headers.get("content-type", "")
    if media == "application/json" and not answer.is_open and answer.body[:1] in b"{[":
        json.loads(answer.body or b"{}")


@few(150)
@given(
    call=calls_of("scheduler.Call"),
    manner=manners,
    media=st.sampled_from(MEDIA[:2]),
    accept=st.sampled_from(["", *MEDIA[:2], "text/html"]),
)
def test_any_call_of_a_framework_is_answered(
    live: LiveCluster,
    victim: Victim,
    call: Any,
    manner: Manner,
    media: str,
    accept: str,
) -> None:
    is_subscribe = call["type"] == "SUBSCRIBE"
    body = as_body("scheduler.Call", filled(call, victim.names), media)
    request = manner.request(
        "/api/v1/scheduler",
        body,
        content_type=media,
        accept=accept,
        mesos_stream_id="" if is_subscribe else victim.stream_id,
    )
    status = exchange(live, live.leader, manner, request, call["type"])
    if is_subscribe or call["type"] == "TEARDOWN" or status == 403:
        victim.subscribe()


@few(150)
@given(
    call=calls_of("master.Call", without=("SET_LOGGING_LEVEL", "MARK_AGENT_GONE")),
    manner=manners,
    media=st.sampled_from(MEDIA[:2]),
    accept=st.sampled_from(["", *MEDIA[:2], "text/html"]),
)
def test_any_call_of_an_operator_is_answered(
    live: LiveCluster,
    victim: Victim,
    call: Any,
    manner: Manner,
    media: str,
    accept: str,
) -> None:
    if isinstance(drain := call.get("drain_agent"), dict):
        drain.pop("mark_gone", None)  # There is but one agent.
    body = as_body("master.Call", filled(call, victim.names), media)
    request = manner.request("/api/v1", body, content_type=media, accept=accept)
    exchange(live, live.leader, manner, request, call["type"])
    if call["type"] == "TEARDOWN":
        victim.subscribe()


@few(150)
@given(
    call=calls_of("agent.Call", without=LIVING),
    manner=manners,
    media=st.sampled_from(MEDIA),
    accept=st.sampled_from(["", *MEDIA]),
    inner=st.sampled_from(["", *MEDIA]),
)
def test_any_call_to_the_operator_of_an_agent_is_answered(
    live: LiveCluster,
    victim: Victim,
    call: Any,
    manner: Manner,
    media: str,
    accept: str,
    inner: str,
) -> None:
    tree = filled(call, victim.names)
    body = as_body("agent.Call", tree, inner if media == MEDIA[2] else media)
    if media == MEDIA[2]:
        body = b"%d\n%b" % (len(body), body)
    request = manner.request(
        "/api/v1",
        body,
        content_type=media,
        accept=accept,
        message_content_type=inner,
        message_accept=inner,
    )
    exchange(live, live.agent, manner, request, call["type"])


@few(100)
@given(call=calls_of("executor.Call"), manner=manners, media=st.sampled_from(MEDIA))
def test_any_call_of_an_executor_is_answered(
    live: LiveCluster, victim: Victim, call: Any, manner: Manner, media: str
) -> None:
    body = as_body("executor.Call", filled(call, victim.names), media)
    request = manner.request("/api/v1/executor", body, content_type=media)
    exchange(live, live.agent, manner, request, call["type"])


forms = st.dictionaries(
    st.sampled_from(["frameworkId", "slaveId", "resources", "volumes", "x"]),
    st.one_of(
        st.sampled_from(["<agent>", "<framework>", *TEXTS]),
        st.lists(resources, max_size=2).map(json.dumps),
        trees.map(json.dumps),
        st.text(max_size=10),
    ),
)
queries = st.lists(
    st.tuples(
        st.sampled_from(PARAMETERS),
        st.text(max_size=10) | st.integers().map(str) | st.sampled_from(VALUES),
    ),
    max_size=4,
)


@few(200)
@given(
    page=st.sampled_from(PAGES),
    wrapping=st.sampled_from(WRAPPINGS),
    query=queries,
    manner=manners,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    body=forms.map(
        lambda form: "&".join(f"{k}={quote(v)}" for k, v in form.items()).encode()
    )
    | trees.map(lambda tree: json.dumps(tree).encode())
    | leaves.map(lambda leaf: str(leaf).encode())
    | st.binary(max_size=40),
    media=st.sampled_from([*MEDIA, "application/x-www-form-urlencoded", "", "a/b;c"]),
    is_agent=st.booleans(),
)
def test_any_page_is_answered(
    live: LiveCluster,
    victim: Victim,
    page: str,
    wrapping: str,
    query: list[tuple[str, str]],
    manner: Manner,
    method: str,
    body: bytes,
    media: str,
    is_agent: bool,
) -> None:
    pairs = [(k, quote(filled(v, victim.names), safe="<>/")) for k, v in query]
    target = wrapping.format(page) + "?" * bool(pairs)
    target += "&".join(f"{k}={v}" for k, v in pairs)
    for name, value in victim.names.items():
        body = body.replace(quote(name).encode(), value.encode())
    manner = Manner(
        method=method if manner.method == "POST" else manner.method,
        version=manner.version,
        headers=manner.headers,
        chunk_bytes=manner.chunk_bytes,
        cut_bytes=manner.cut_bytes,
        half_closes=manner.half_closes,
    )
    request = manner.request(target, body, content_type=media)
    exchange(live, live.agent if is_agent else live.leader, manner, request)
    if "/teardown" in target:
        victim.subscribe()


@few(100)
@given(
    line=st.binary(max_size=40) | st.sampled_from([b"", b"GET / HTTP/1.1", b"PRI * H"]),
    headers=st.lists(st.tuples(header_texts, header_texts), max_size=3),
    rest=st.binary(max_size=60),
    is_agent=st.booleans(),
)
def test_any_bytes_get_an_answer_or_an_end(
    live: LiveCluster,
    line: bytes,
    headers: list[tuple[str, str]],
    rest: bytes,
    is_agent: bool,
) -> None:
    lines = [line, *(f"{name}: {text}".encode("latin-1") for name, text in headers)]
    data = b"\r\n".join([*lines, b"", b""]) + rest
    with RawConnection(live.agent if is_agent else live.leader) as connection:
        connection.send([data])
        connection.half_close()
        try:
            judge(live, connection.answer())
        except NoAnswerError as end:
            assert str(end).startswith("closed"), end
    assert not live.problems()


@few(60)
@given(
    pages=st.lists(
        st.tuples(
            st.sampled_from(["/health", "/version", "/nothing", "/metrics/snapshot"]),
            st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
            st.none() | st.integers(1, 20),
            st.binary(max_size=30),
        ),
        min_size=1,
        max_size=12,
    ),
    cut=st.integers(1, 300),
    half_closes=st.booleans(),
    is_agent=st.booleans(),
)
def test_pipelined_requests_are_all_answered_in_order(
    live: LiveCluster,
    pages: list[tuple[str, str, int | None, bytes]],
    cut: int,
    half_closes: bool,
    is_agent: bool,
) -> None:
    data = b"".join(
        Manner(method=method, chunk_bytes=chunk).request(page, body)
        for page, method, chunk, body in pages
    )
    with RawConnection(live.agent if is_agent else live.leader) as connection:
        connection.send(Manner(cut_bytes=cut).pieces(data))
        if half_closes:
            connection.half_close()
        for page, method, _, _ in pages:
            answer = connection.answer(has_body=method != "HEAD")
            judge(live, answer)
            assert (answer.status == 404) == (page == "/nothing"), (page, answer)
            if answer.headers.get("connection") == "close":
                return
        if half_closes:
            assert connection.is_closed()
