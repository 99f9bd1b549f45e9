"""Frameworks in the manner of clients that others wrote, over real sockets.

Three clients that share no code with ours or with each other: bytes written by
hand as pymesos does, bytes in the manner of mesos-go, and the standard library's
``http.client`` with all its own opinions.
"""

from __future__ import annotations

import http.client
import json
from typing import Any

import trio

TIMEOUT_S = 20


class HandMade:
    """Writes requests as it is told, reads chunked records with its own hands."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.stream_id = ""
        self.framework_id = ""
        self._stream: trio.SocketStream | None = None
        self._unread = b""
        self._kept: list[Any] = []

    async def _read_until(self, mark: bytes) -> bytes:
        assert self._stream is not None
        while mark not in self._unread:
            piece = await self._stream.receive_some()
            assert piece, f"the stream ended after {self._unread!r}"
            self._unread += bytes(piece)
        found, _, self._unread = self._unread.partition(mark)
        return found

    async def subscribe(self, head: list[str], message: Any) -> dict[str, str]:
        """Open the event stream; the headers of the answer."""
        self._stream = await trio.open_tcp_stream(*self.address)
        body = json.dumps(message).encode()
        lines = ["POST /api/v1/scheduler HTTP/1.1", *head]
        if "Transfer-Encoding: chunked" in head:
            half = len(body) // 2
            parts = (body[:half], body[half:])
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(body)}")
        await self._stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)
        status, *rest = (await self._read_until(b"\r\n\r\n")).decode().split("\r\n")
        assert status == "HTTP/1.1 200 OK"
        headers = dict(line.split(": ", 1) for line in rest)
        assert headers["Content-Type"] == "application/json"
        assert headers["Transfer-Encoding"] == "chunked"
        self.stream_id = headers["Mesos-Stream-Id"]
        assert 0 < len(self.stream_id) <= 128
        return headers

    async def event(self, kind: str = "") -> Any:
        """The next event (of this kind; others are kept for later), None at the end."""
        for event in self._kept:
            if kind in ("", event["type"]):
                self._kept.remove(event)
                return event
        while True:
            event = await self._read_event()
            if event is None or kind in ("", event["type"]):
                return event
            self._kept.append(event)

    async def _read_event(self) -> Any:
        size = int(await self._read_until(b"\r\n"), 16)
        assert self._stream is not None
        while len(self._unread) < size + 2:
            self._unread += bytes(await self._stream.receive_some())
        chunk, end = self._unread[:size], self._unread[size : size + 2]
        self._unread = self._unread[size + 2 :]
        assert end == b"\r\n"
        if size == 0:
            return None
        # One record in each chunk, counted in characters as well as in bytes.
        length, _, payload = chunk.decode("ascii").partition("\n")
        assert int(length) == len(payload)
        event = json.loads(payload)
        if event["type"] == "SUBSCRIBED":
            self.framework_id = event["subscribed"]["framework_id"]["value"]
        return event

    async def call(self, kind: str, *head: str, **body: Any) -> None:
        """A call on a connection of its own; must be answered 202 with nothing."""
        message = {
            "framework_id": {"value": self.framework_id},
            "type": kind,
            "an_unknown_field": {"x": [1]},
            "accept": None,
            **body,
        }
        data = json.dumps(message).encode()
        async with await trio.open_tcp_stream(*self.address) as stream:
            lines = [
                "POST /api/v1/scheduler HTTP/1.1",
                "Content-Type: application/json",
                f"Mesos-Stream-Id: {self.stream_id}",
                f"Content-Length: {len(data)}",
                *head,
                "",
                "",
            ]
            await stream.send_all("\r\n".join(lines).encode() + data)
            received = b""
            while b"\r\n\r\n" not in received:
                received += bytes(await stream.receive_some())
        assert received.startswith(b"HTTP/1.1 202 Accepted\r\n"), received
        assert b"\r\nContent-Length: 0\r\n" in received
        assert received.endswith(b"\r\n\r\n")

    async def close(self) -> None:
        assert self._stream is not None
        await self._stream.aclose()


def task_json(offer: Any, task_id: str, command: str) -> Any:
    return {
        "name": "t",
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "command": {"value": command, "shell": True},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": "32"}},
            {
                "name": "ports",
                "type": "RANGES",
                "ranges": {"range": [{"begin": 31000, "end": 31000}]},
            },
        ],
    }


def accept_json(offer: Any, *tasks: Any) -> Any:
    return {
        "offer_ids": [offer["id"]],
        "filters": {"refuse_seconds": 0},
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}],
    }


async def update_of(client: HandMade, state: str) -> Any:
    """The next update, which must say ``state``; it is acknowledged."""
    status = (await client.event("UPDATE"))["update"]["status"]
    assert status["state"] == state
    await client.call(
        "ACKNOWLEDGE",
        acknowledge={
            "agent_id": status["agent_id"],
            "task_id": status["task_id"],
            "uuid": status["uuid"],
        },
    )
    return status


async def test_framework_in_the_manner_of_pymesos_runs_a_task(
    address: tuple[str, int],
) -> None:
    with trio.fail_after(TIMEOUT_S):
        async with await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            received = bytes(await stream.receive_some())
        version = json.loads(received.partition(b"\r\n\r\n")[2])["version"]
        assert tuple(int(n) for n in version.split(".")) >= (1, 0, 0)

        client = HandMade(address)
        head = [
            f"Host: {address[0]}:{address[1]}",
            "Content-Type: application/json",
            "Accept: application/json",
            "Connection: close",
            "Authorization: Basic dXNlcjpwYXNz",
        ]
        info = {"user": "root", "name": "py", "checkpoint": False, "hostname": None}
        message = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        await client.subscribe(head, message)
        subscribed = await client.event()
        assert subscribed["type"] == "SUBSCRIBED"
        assert (await client.event())["type"] == "HEARTBEAT"

        (offer,) = (await client.event("OFFERS"))["offers"]["offers"]
        assert "allocation_info" not in offer
        assert offer["hostname"] == "machine"
        assert offer["url"]["address"]["port"] == 5051
        resources = {item["name"]: item for item in offer["resources"]}
        assert set(resources) == {"cpus", "mem", "disk", "ports"}
        assert resources["mem"]["scalar"]["value"] == 8192.0
        assert resources["ports"]["ranges"]["range"] == [{"begin": 31000, "end": 32000}]

        task = task_json(offer, "t-1", "true")
        await client.call("ACCEPT", accept=accept_json(offer, task))
        assert (await update_of(client, "TASK_RUNNING"))["message"] == "Grüße"
        await update_of(client, "TASK_FINISHED")
        await client.call("REVIVE")
        tasks = [{"task_id": {"value": "no-such-task"}}]
        await client.call("RECONCILE", reconcile={"tasks": tasks})
        status = (await client.event("UPDATE"))["update"]["status"]
        assert status["state"] == "TASK_LOST"
        assert "uuid" not in status
        await client.call("TEARDOWN")
        while await client.event() is not None:
            pass


async def test_framework_in_the_manner_of_mesos_go_kills_and_fails_over(
    address: tuple[str, int],
) -> None:
    with trio.fail_after(TIMEOUT_S):
        client = HandMade(address)
        head = [
            "Host: cluster",
            "User-Agent: Go-http-client/1.1",
            "Content-Type: application/json",
            "Accept: application/json",
            "Accept: application/json-seq",
            "Accept-Encoding: gzip",
            "Transfer-Encoding: chunked",
        ]
        capabilities = [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]
        info: dict[str, Any] = {
            "user": "root",
            "name": "go",
            "roles": ["dev"],
            "failover_timeout": 3600,
            "capabilities": capabilities,
        }
        message: dict[str, Any] = {
            "type": "SUBSCRIBE",
            "subscribe": {"framework_info": info},
        }
        await client.subscribe(head, message)
        (offer,) = (await client.event("OFFERS"))["offers"]["offers"]
        assert offer["allocation_info"] == {"role": "dev"}
        assert {r["allocation_info"]["role"] for r in offer["resources"]} == {"dev"}

        task = task_json(offer, "long", "sleep")
        await client.call("ACCEPT", accept=accept_json(offer, task))
        await update_of(client, "TASK_RUNNING")
        (offer,) = (await client.event("OFFERS"))["offers"]["offers"]

        # Its scheduler dies, and comes back under its id: the offer still stands.
        await client.close()
        info["id"] = message["framework_id"] = {"value": client.framework_id}
        second = HandMade(address)
        await second.subscribe(head, message)
        assert second.stream_id != client.stream_id
        subscribed = await second.event("SUBSCRIBED")
        assert subscribed["subscribed"]["framework_id"] == message["framework_id"]
        (again,) = (await second.event("OFFERS"))["offers"]["offers"]
        assert again["id"] == offer["id"]

        kill = {"task_id": {"value": "long"}, "agent_id": offer["agent_id"]}
        await second.call("KILL", kill=kill)
        await update_of(second, "TASK_KILLED")
        await second.call("DECLINE", decline={"offer_ids": [again["id"]]})
        await second.close()


class StandardLibrary:
    """A framework on ``http.client``: blocking, a new connection for each call."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.framework: Any = None
        self.stream_id: str | None = None
        self.states: list[str] = []

    def _post(self, message: Any) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT_S)
        headers = {"Content-Type": "application/json"}
        if self.stream_id is not None:
            headers["mesos-stream-id"] = self.stream_id
            message = {"framework_id": self.framework, **message}
        connection.request(
            "POST", "/master/api/v1/scheduler", json.dumps(message), headers
        )
        return connection.getresponse()

    def _call(self, kind: str, **body: Any) -> None:
        answer = self._post({"type": kind, **body})
        assert (answer.status, answer.read()) == (202, b"")

    def run(self) -> list[str]:
        """Run one task; the states it went through."""
        info = {"user": "u", "name": "std", "role": "*"}
        message = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        stream = self._post(message)
        assert stream.status == 200
        self.stream_id = stream.getheader("Mesos-Stream-Id")
        while True:
            line = stream.readline()
            if not line:
                return self.states
            self._handle(json.loads(stream.read(int(line))))

    def _handle(self, event: Any) -> None:
        if event["type"] == "SUBSCRIBED":
            self.framework = event["subscribed"]["framework_id"]
        elif self.states[-1:] == ["TASK_FINISHED"]:
            pass  # What was on its way when the framework was torn down.
        elif event["type"] == "OFFERS":
            for offer in event["offers"]["offers"]:
                if self.states:
                    self._call("DECLINE", decline={"offer_ids": [offer["id"]]})
                else:
                    self.states.append("LAUNCHED")
                    task = task_json(offer, "t", "true")
                    self._call("ACCEPT", accept=accept_json(offer, task))
        elif event["type"] == "UPDATE":
            status = event["update"]["status"]
            self.states.append(status["state"])
            names = ("agent_id", "task_id", "uuid")
            self._call("ACKNOWLEDGE", acknowledge={n: status[n] for n in names})
            if status["state"] == "TASK_FINISHED":
                self._call("TEARDOWN")


async def test_framework_on_the_standard_library_runs_a_task(
    address: tuple[str, int],
) -> None:
    with trio.fail_after(TIMEOUT_S):
        states = await trio.to_thread.run_sync(StandardLibrary(address).run)
    assert states == ["LAUNCHED", "TASK_RUNNING", "TASK_FINISHED"]


async def test_rude_requests_leave_the_node_serving(address: tuple[str, int]) -> None:
    oversized = b"POST /api/v1/scheduler HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n"
    deep = b'{"a":' * 50_000
    requests = {
        b"GET / HTTP/9.9\r\n\r\n": b"400",
        oversized: b"413",
        b"POST /api/v1/scheduler HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(deep), deep): b"400",
        b"POST /api/v1/scheduler HTTP/1.1\r\nContent-Type: text/xml\r\n"
        b"Content-Length: 2\r\n\r\n{}": b"415",
        b"GET /nowhere HTTP/1.1\r\n\r\n": b"404",
        b"GET /health HTTP/1.1\r\n\r\n": b"200",
    }
    with trio.fail_after(TIMEOUT_S):
        for data, status in requests.items():
            async with await trio.open_tcp_stream(*address) as stream:
                await stream.send_all(data)
                received = bytes(await stream.receive_some())
            assert received.startswith(b"HTTP/1.1 " + status), received
