"""What the API answers, asked of the real server and of ours."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from support.proxy_wire import Peers, ProxyApi, dial

TRANSCRIPT = Path(__file__).with_name("api.txt")


@attrs.frozen
class Step:
    """A request, and what is answered."""

    request: str
    expected: list[str]


def steps() -> list[Step]:
    blocks = TRANSCRIPT.read_text(encoding="utf-8").split("\n\n")
    lines = [block.splitlines() for block in blocks if not block.startswith("#")]
    return [Step(first, rest) for first, *rest in lines]


async def answered(api: ProxyApi, request: str) -> list[str]:
    """As the transcript writes it."""
    method, path, *rest = request.split(" ", 2)
    body = rest[0] if rest else None
    user_agent = "test"
    if body == "(Mozilla)":
        body, user_agent = None, "Mozilla/5.0"
    if body is not None:
        body = body.replace("127.0.0.1:API", f"127.0.0.1:{api.port}")
        body = body.replace("{LF}", "\n")
    answer = await api.ask(method, path, body, user_agent)
    kind = answer.headers.get("content-type", "")
    if "location" in answer.headers:
        kind = f"-> {answer.headers['location']}"
    text = answer.body
    if kind.startswith("text/plain"):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert text.endswith("\n")
        text = text[:-1]
    text = text.replace(f"127.0.0.1:{api.port}", "127.0.0.1:API")
    text = re.sub(r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT", text)
    text = re.sub(r"(\[::\]|0\.0\.0\.0):\d{4,5}", "[::]:PORT", text)
    return [f"{answer.status} {kind}".strip(), *([text] if text else [])]


async def test_api_answers_as_the_real_one_did(api: ProxyApi) -> None:
    asked = steps()
    assert len(asked) > 100
    for step in asked:
        assert await answered(api, step.request) == step.expected, step.request


@pytest.mark.parametrize(
    ("path", "is_matched"),
    [("/version", True), ("/proxies/zz", True), ("/nope", False)],
)
async def test_request_gets_an_id_where_there_is_a_call(
    api: ProxyApi, path: str, is_matched: bool
) -> None:
    answer = await api.ask("GET", path)
    assert ("x-toxiproxy-request-id" in answer.headers) is is_matched


async def test_version_is_told(api: ProxyApi) -> None:
    answer = await api.ask("GET", "/version")
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert answer.document["version"]
    assert answer.body.endswith("\n")


async def test_metrics_count_bytes_of_connections_that_are_over(
    api: ProxyApi, peers: Peers
) -> None:
    port = await api.proxy(peers.port)
    client, server = await dial(port), await peers.next()
    await client.send(b"x" * 1000)
    await server.read(1000)
    await server.send(b"y" * 30)
    await client.read(30)
    await client.close()
    await server.end()
    await server.close()
    wanted = {
        f'toxiproxy_proxy_{what}_bytes_total{{direction="{direction}",'
        f'listener="127.0.0.1:{port}",proxy="p",upstream="127.0.0.1:{peers.port}"}}'
        f" {size}"
        for what in ("received", "sent")
        for direction, size in (("upstream", 1000), ("downstream", 30))
    }
    for _ in range(100):
        answer = await api.ask("GET", "/metrics")
        if wanted <= set(_unchunked(answer.body).splitlines()):
            break
    else:
        raise AssertionError(answer.body)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def _unchunked(body: str) -> str:
    """The real one sends long answers in chunks."""
    return re.sub(r"(?:\A|\r\n)[0-9a-f]+\r\n", "", body)
