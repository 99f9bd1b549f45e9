"""Calls that start, await, signal and remove containers."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable

import attrs

from agent.nested.container import Container, Kind
from agent.nested.containers import LaunchOrder, NestedContainers
from agent.nested.names import ContainerName
from agent.nested.output import OutputReader
from agent.nested.starting import LaunchRefusedError
from agent.nested.terminal import WindowSize
from agent.operator_api.calls import (
    Call,
    CallRefusedError,
    done,
    invalid,
    read_name,
)
from agent.view import AgentView, ContainerEnd
from raftleader.errors import OverloadedError
from raftleader.httpd.messages import Answer, Deferred, Stream, StreamWriter
from raftleader.protocol.json_v1_commands import (
    read_command,
    unsupported_in_command,
    unsupported_in_container,
)
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_resources import read_resources
from raftleader.protocol.resource_keys import kind_of_key
from raftleader.protocol.tasks import CommandInfo

WINDOW_MAX = 0xFFFF
_EXIT_CODE_SHIFT = 8


@attrs.define(eq=False)
class Lifecycle:
    """Carries these calls out on the containers of an agent."""

    view: AgentView
    nested: NestedContainers

    def launch(self, call: Call) -> Answer:
        """LAUNCH_NESTED_CONTAINER, LAUNCH_CONTAINER: 200, or 202 if it runs already."""
        body = call.body()
        is_nested_call = call.type == "LAUNCH_NESTED_CONTAINER"
        name = read_name(body, call.type.lower(), has_parent=is_nested_call)
        if not is_nested_call:
            _check_resources(body, name)
        kind = Kind.NESTED if name.parent is not None else Kind.STANDALONE
        launched = launch_or_refuse(self.nested, read_order(body, name, kind))
        return done(200 if launched is not None else 202)

    def wait(self, call: Call) -> Answer | Deferred:
        """WAIT_NESTED_CONTAINER, WAIT_CONTAINER: 200 once it has ended."""
        is_nested_call = call.type == "WAIT_NESTED_CONTAINER"
        place = call.type.lower()
        name = read_name(call.body(), place, has_parent=is_nested_call)
        container = self.nested.find(name)
        if container is not None and container.ended.is_set():
            return call.answer(_exit_of(container))
        if container is not None:

            async def wait() -> JsonObject:
                await container.ended.wait()
                return _exit_of(container)

            return _answer_later(call, wait)
        if not self.nested.is_of_view(name):
            raise CallRefusedError(404, f"Container {name} cannot be found")

        async def wait_for_agent() -> JsonObject:
            end = await self.nested.wait_end_of_view(name)
            return _end_of(end) if end is not None else {}

        return _answer_later(call, wait_for_agent)

    def kill(self, call: Call) -> Answer:
        """KILL_NESTED_CONTAINER, KILL_CONTAINER: 200; 404 if it does not run."""
        body, place = call.body(), call.type.lower()
        has_parent = call.type == "KILL_NESTED_CONTAINER"
        name = read_name(body, place, has_parent=has_parent)
        number = body.integer("signal", least=1, most=signal.NSIG) or signal.SIGKILL
        container = self.nested.find(name)
        try:
            if container is not None:
                is_found = container.signal(number)
            elif self.nested.is_of_view(name):
                is_found = self.view.signal_container(name.own, number)
            else:
                is_found = False
        except OSError as error:
            raise invalid(f"'{place}.signal' is invalid: {error}") from error
        if not is_found:
            text = f"Container '{name}' cannot be found (or is already killed)"
            raise CallRefusedError(404, text)
        return done()

    def remove(self, call: Call) -> Deferred:
        """REMOVE_NESTED_CONTAINER, REMOVE_CONTAINER: 200, also for one that is not
        there; 409 for one that runs."""
        has_parent = call.type == "REMOVE_NESTED_CONTAINER"
        name = read_name(call.body(), call.type.lower(), has_parent=has_parent)

        async def remove() -> Answer:
            if await self.nested.remove(name):
                return done()
            raise CallRefusedError(409, f"Container {name} has not terminated yet")

        return remove


def read_order(body: Fields, name: ContainerName, kind: Kind) -> LaunchOrder:
    """What to launch. Raises CallRefusedError, InvalidInputError."""
    command = body.child("command")
    container = body.child("container")
    unsupported: list[str] = []
    terminal: Fields | None = None
    if command is not None:
        unsupported += unsupported_in_command(command, is_fetched=False)
    if container is not None:
        terminal = container.child("tty_info")
        unsupported += unsupported_in_container(container)
    if unsupported := [each for each in unsupported if each != "container.tty_info"]:
        text = f"The provided ContainerInfo is not supported: {', '.join(unsupported)}"
        raise CallRefusedError(400, text)
    window = terminal.child("window_size") if terminal is not None else None
    return LaunchOrder(
        name=name,
        kind=kind,
        command=read_command(command) if command is not None else CommandInfo(),
        has_terminal=terminal is not None,
        window=read_window(window) if window is not None else None,
    )


def read_window(fields: Fields) -> WindowSize:
    """A ``TTYInfo.WindowSize``."""
    rows = fields.integer("rows", least=0, most=WINDOW_MAX)
    columns = fields.integer("columns", least=0, most=WINDOW_MAX)
    if rows is None or columns is None:
        raise fields.invalid("rows" if rows is None else "columns", "is required")
    return WindowSize(rows=rows, columns=columns)


def launch_or_refuse(
    nested: NestedContainers, order: LaunchOrder, *, is_watched: bool = False
) -> tuple[Container, OutputReader | None] | None:
    """As ``launch_nowait``, with CallRefusedError for its errors."""
    try:
        return nested.launch_nowait(order, is_watched=is_watched)
    except LaunchRefusedError as error:
        raise CallRefusedError(400, str(error)) from error
    except OverloadedError as error:
        raise CallRefusedError(503, str(error)) from error


def _check_resources(body: Fields, name: ContainerName) -> None:
    """What a standalone container names is for show: nothing is charged for it."""
    resources, _ = read_resources(body, "resources")
    if len(name.parts) > 2 and resources:
        raise invalid(
            "'launch_container' is invalid: containers nested at the second level or"
            " greater cannot specify resources"
        )
    if name.parent is not None:
        return
    for key in (*resources.scalars, *resources.ranges, *resources.sets):
        kind = kind_of_key(key)
        if kind.reservations:
            raise invalid("'launch_container.resources' must be unreserved")
        if kind.volume is not None:
            raise invalid("'launch_container.resources' may not use persistent volumes")
        if kind.is_revocable:
            raise invalid("'launch_container.resources' must be non-revocable")


def _exit_of(container: Container) -> JsonObject:
    status = container.wait_status
    return {"exit_status": status} if status is not None else {}


def _end_of(end: ContainerEnd) -> JsonObject:
    message: JsonObject = {}
    if end.exit is not None:
        message["exit_status"] = wait_status_of(end)
    if end.state is not None:
        message["state"] = end.state.value
    if end.message:
        message["message"] = end.message
    return message


def wait_status_of(end: ContainerEnd) -> int:
    """How its first process ended, as waitpid(2) says it."""
    assert end.exit is not None
    if end.exit.signal is None:
        return (end.exit.code or 0) << _EXIT_CODE_SHIFT
    name = end.exit.signal
    return int(name) if name.isdecimal() else int(signal.Signals[name])


def _answer_later(call: Call, wait: Callable[[], Awaitable[JsonObject]]) -> Stream:
    """As a stream, so that a client that goes is not waited for any longer."""

    async def run(writer: StreamWriter) -> None:
        await writer.send([call.answer_bytes(await wait())])

    return Stream(headers=(("Content-Type", call.media.answer.value),), run=run)
