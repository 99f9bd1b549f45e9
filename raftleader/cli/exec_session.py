"""A command run in a container of a task, with our own streams for its."""

from __future__ import annotations

import base64
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import attrs
import trio

from raftleader.cli.api_client import ApiClient
from raftleader.cli.exec_target import AGENT_API, Target, call_agent
from raftleader.cli.exit_codes import EXIT_INTERRUPTED
from raftleader.cli.local_terminal import LocalStreams
from raftleader.cli.streamed_request import StreamedRequest, open_streamed_request
from raftleader.errors import ApiError, OutcomeUnknownError
from raftleader.framework.http_client import AnswerStream
from raftleader.framework.nursery import open_plain_nursery
from raftleader.protocol.recordio import RecordDecoder, encode_record

HEARTBEAT_S = 30.0
"""Between signs of life on the input, which may be idle for hours."""
START_TIMEOUT_S = 10.0
REMOVE_TIMEOUT_S = 1.0
EXIT_SIGNALLED = 128
"""Added to the number of the signal that ended a command, as by a shell."""
END_OF_TRANSMISSION = b"\x04"

_SESSION_HEADERS = (
    ("Content-Type", "application/json"),
    ("Accept", "application/recordio"),
    ("Message-Accept", "application/json"),
)
_INPUT_HEADERS = (
    ("Content-Type", "application/recordio"),
    ("Message-Content-Type", "application/json"),
)


@attrs.frozen(kw_only=True)
class ExecRequest:
    """What to run, and how.

    Attributes:
        passes_input: Or else the command reads nothing.
        has_terminal: Or else pipes.
    """

    command: tuple[str, ...]
    passes_input: bool = False
    has_terminal: bool = False


async def run_session(
    client: ApiClient, target: Target, request: ExecRequest, streams: LocalStreams
) -> int:
    """Run it to its end: the exit code. It ends with us, whatever ends us.

    SIGINT, SIGTERM and SIGHUP end it too, but what is typed in a terminal that is
    passed on is the command's own business. Raises ApiError when the agent refuses
    it, OutcomeUnknownError when the agent is lost.
    """
    session = _Session(client=client, target=target, request=request, streams=streams)
    with ExitStack() as stack:
        if request.passes_input and request.has_terminal and streams.has_terminal:
            stack.enter_context(streams.raw())
        return await session.run()


@attrs.define(eq=False, kw_only=True)
class _Session:
    client: ApiClient
    target: Target
    request: ExecRequest
    streams: LocalStreams
    resized: trio.Event = attrs.field(factory=trio.Event, init=False)
    interrupted_by: int | None = attrs.field(default=None, init=False)
    container_id: dict[str, Any] = attrs.field(init=False)

    @container_id.default
    def _new_id(self) -> dict[str, Any]:
        return {"value": str(uuid.uuid4()), "parent": self.target.container_id}

    async def run(self) -> int:
        watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH)
        with trio.open_signal_receiver(*watched) as signals:
            async with open_plain_nursery() as nursery:

                async def watch() -> None:
                    async for number in signals:
                        if number == signal.SIGWINCH:
                            self.resized.set()
                        else:
                            self.interrupted_by = number
                            nursery.cancel()

                nursery.start_soon(watch)
                await self._run_to_end()
                code = await self._exit_code()
                nursery.cancel()
                return code
        if self.interrupted_by == signal.SIGINT:
            return EXIT_INTERRUPTED
        assert self.interrupted_by is not None, "nothing else cancels it"
        return EXIT_SIGNALLED + self.interrupted_by

    async def _run_to_end(self) -> None:
        http, agent = self.client.http, self.target.agent
        async with http.stream(
            agent,
            "POST",
            AGENT_API,
            headers=_SESSION_HEADERS,
            body=json.dumps(self._launch_call()).encode(),
            timeout_s=START_TIMEOUT_S,
        ) as answer:
            if answer.status != 200:
                raise ApiError(answer.status, (await answer.read_all()).text)
            async with open_plain_nursery() as nursery:
                nursery.start_soon(self._pass_input)
                await self._show_output(answer)
                nursery.cancel()

    def _launch_call(self) -> dict[str, Any]:
        command = self.request.command
        launch: dict[str, Any] = {
            "container_id": self.container_id,
            "command": {
                "shell": False,
                "value": command[0],
                "arguments": list(command),
            },
        }
        if self.request.has_terminal:
            terminal = {"name": "TERM", "value": os.environ.get("TERM", "xterm")}
            launch["command"]["environment"] = {"variables": [terminal]}
            launch["container"] = {"type": "MESOS", "tty_info": self._tty_info()}
        return {
            "type": "LAUNCH_NESTED_CONTAINER_SESSION",
            "launch_nested_container_session": launch,
        }

    def _tty_info(self) -> dict[str, Any]:
        size = self.streams.size()
        return {"window_size": {"rows": size.lines, "columns": size.columns}}

    async def _show_output(self, answer: AnswerStream) -> None:
        decoder = RecordDecoder()
        async for data in answer:
            for record in decoder.feed(data):
                message = json.loads(record)
                if message["type"] != "DATA":
                    continue
                is_error = message["data"]["type"] == "STDERR"
                fd = self.streams.stderr if is_error else self.streams.stdout
                await self.streams.write(fd, base64.b64decode(message["data"]["data"]))

    async def _pass_input(self) -> None:
        """Until the input or the command ends. A command that does not want more is
        no problem: its output says how it goes."""
        try:
            async with open_streamed_request(
                self.target.agent, AGENT_API, _INPUT_HEADERS
            ) as request:
                first = {"type": "CONTAINER_ID", "container_id": self.container_id}
                await _send(request, first)
                await self._pass_records(request)
        except OutcomeUnknownError:
            return

    async def _pass_records(self, request: StreamedRequest) -> None:
        if not self.request.passes_input:
            if not self.request.has_terminal:
                await _send_data(request, b"")
            await request.finish()
            return
        async with open_plain_nursery() as nursery:
            sending = trio.Lock()

            async def send_sizes() -> None:
                while True:
                    await self.resized.wait()
                    self.resized = trio.Event()
                    async with sending:
                        await _send_control(request, "TTY_INFO", self._tty_info())

            async def send_heartbeats() -> None:
                interval = {"interval": {"nanoseconds": int(HEARTBEAT_S * 1e9)}}
                while True:
                    await trio.sleep(HEARTBEAT_S)
                    async with sending:
                        await _send_control(request, "HEARTBEAT", interval)

            if self.request.has_terminal:
                nursery.start_soon(send_sizes)
            nursery.start_soon(send_heartbeats)
            async for data in self._input():
                async with sending:
                    await _send_data(request, data)
            async with sending:
                end = END_OF_TRANSMISSION if self.request.has_terminal else b""
                await _send_data(request, end)
                await request.finish()
            nursery.cancel()

    async def _input(self) -> AsyncIterator[bytes]:
        while data := await self.streams.read():
            yield data

    async def _exit_code(self) -> int:
        body = {"container_id": self.container_id}
        wait = {"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": body}
        answer = await call_agent(self.client, self.target.agent, wait)
        status = int(answer["wait_nested_container"]["exit_status"])
        remove = {"type": "REMOVE_NESTED_CONTAINER", "remove_nested_container": body}
        with trio.move_on_after(REMOVE_TIMEOUT_S):
            await call_agent(self.client, self.target.agent, remove)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else EXIT_SIGNALLED - code


async def _send(request: StreamedRequest, body: dict[str, Any]) -> None:
    call = {"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": body}
    await request.send(encode_record(json.dumps(call).encode()))


async def _send_data(request: StreamedRequest, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    io = {"type": "DATA", "data": {"type": "STDIN", "data": text}}
    await _send(request, {"type": "PROCESS_IO", "process_io": io})


async def _send_control(
    request: StreamedRequest, type_: str, value: dict[str, Any]
) -> None:
    control = {"type": type_, type_.lower(): value}
    io = {"type": "CONTROL", "control": control}
    await _send(request, {"type": "PROCESS_IO", "process_io": io})
