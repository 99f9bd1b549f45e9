"""Calls that stream: what a container writes, and what it is to read.

A record is an ``agent.ProcessIO`` on the way out, and an ``agent.Call`` with one in it
on the way in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import attrs
import trio

from agent.checkpoint import RunBlocking
from agent.nested.container import Container, Kind
from agent.nested.containers import NestedContainers
from agent.nested.names import ContainerName
from agent.nested.output import Piece
from agent.operator_api.calls import (
    RECORD_BYTES_MAX,
    Call,
    CallRefusedError,
    Records,
    done,
    invalid,
    read_name,
)
from agent.operator_api.following import FollowedOutput
from agent.operator_api.lifecycle import launch_or_refuse, read_order, read_window
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import Answer, Deferred, Stream, StreamWriter
from raftleader.httpd.negotiation import MediaOfCall
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.recordio import encode_record
from raftleader.protocol.wire.codec import read_message, write_message

HEARTBEAT_S = 30.0
"""Of silence, after which a stream says that it lives; Mesos' interval."""
_HEARTBEAT: JsonObject = {
    "type": "CONTROL",
    "control": {
        "type": "HEARTBEAT",
        "heartbeat": {"interval": {"nanoseconds": int(HEARTBEAT_S * 1e9)}},
    },
}


class _Reader(Protocol):
    """Whence output comes, piece by piece; none is the end."""

    @property
    def was_cut(self) -> bool: ...

    async def receive(self) -> list[Piece]: ...


@attrs.define(eq=False)
class Attaching:
    """Carries these calls out on the containers of an agent.

    Attributes:
        sandbox_root: Folder of the sandboxes of tasks and executors.
    """

    nested: NestedContainers
    sandbox_root: Path
    run_blocking: RunBlocking

    def session(self, call: Call) -> Answer:
        """LAUNCH_NESTED_CONTAINER_SESSION: streams the output, and ends the container
        when the client goes."""
        body = call.body()
        name = read_name(body, call.type.lower(), has_parent=True)
        order = read_order(body, name, Kind.SESSION)
        launched = launch_or_refuse(self.nested, order, is_watched=True)
        if launched is None:
            return done(202)
        container, reader = launched
        assert reader is not None, "it was asked for"

        async def run(writer: StreamWriter) -> None:
            try:
                await _copy_output(reader, writer, call.media)
            finally:
                container.output.close_reader(reader)
                self.nested.end(container)

        return Stream(headers=call.media.answer_headers, run=run)

    def attach_output(self, call: Call) -> Answer:
        """ATTACH_CONTAINER_OUTPUT: streams what is written from now on; of a task or
        executor, what it wrote before, too."""
        name = read_name(call.body(), call.type.lower())
        if self.nested.find(name) is None and self.nested.is_of_view(name):
            return self._follow(call, name)
        container = self._find(name)
        reader = container.output.open_reader()

        async def run(writer: StreamWriter) -> None:
            try:
                await _copy_output(reader, writer, call.media)
            finally:
                container.output.close_reader(reader)

        return Stream(headers=call.media.answer_headers, run=run)

    def _follow(self, call: Call, name: ContainerName) -> Answer:
        view = self.nested.view
        container = view.find_container(name.own)
        assert container is not None, "it is of the view"

        async def run(writer: StreamWriter) -> None:
            output = FollowedOutput(
                view, container, self.sandbox_root, self.run_blocking
            )
            try:
                await _copy_output(output, writer, call.media)
            finally:
                output.close()

        return Stream(headers=call.media.answer_headers, run=run)

    def attach_input(self, call: Call) -> Answer | Deferred:
        """ATTACH_CONTAINER_INPUT: 200 when the client has said all it had to, or the
        container has ended. One client at a time: 409."""
        body = call.body()
        type_ = _required_text(body, "type", "attach_container_input")
        if type_ != "CONTAINER_ID":
            raise CallRefusedError(
                400, "Expecting 'attach_container_input.type' to be CONTAINER_ID"
            )
        container = self._find(read_name(body, "attach_container_input"))
        if container.is_input_taken:
            text = "Multiple input connections are not allowed"
            raise CallRefusedError(409, text)
        container.is_input_taken = True
        records, media = call.records, call.media
        assert records is not None, "the call streams"

        async def copy() -> Answer:
            try:
                async with trio.open_nursery() as nursery:

                    async def stop_at_end() -> None:
                        await container.ended.wait()
                        nursery.cancel_scope.cancel()

                    nursery.start_soon(stop_at_end)
                    await _copy_input(records, media, container)
                    nursery.cancel_scope.cancel()
            except* (CallRefusedError, InvalidInputError) as group:
                raise group.exceptions[0] from None
            except* trio.BrokenResourceError:
                raise CallRefusedError(400, "the body ended too early") from None
            finally:
                container.is_input_taken = False
            return done()

        return copy

    def _find(self, name: ContainerName) -> Container:
        container = self.nested.find(name)
        if container is not None:
            return container
        if self.nested.is_of_view(name):
            text = f"Container {name} has no terminal, and reads no input"
            raise CallRefusedError(400, text)
        raise CallRefusedError(404, f"Container {name} cannot be found")


async def _copy_output(
    reader: _Reader, writer: StreamWriter, media: MediaOfCall
) -> None:
    """Until all was written, or this reader was too slow. Cancel-safe."""

    def record(tree: JsonObject) -> bytes:
        return encode_record(write_message(media.answer, "agent.ProcessIO", tree))

    await writer.send([])  # The head: the client knows that it is attached.
    while True:
        pieces: list[Piece] | None = None
        with trio.move_on_after(HEARTBEAT_S):
            pieces = await reader.receive()
        if pieces is None:
            await writer.send([record(_HEARTBEAT)])
        elif pieces:
            await writer.send([record(_output_tree(piece)) for piece in pieces])
        elif reader.was_cut:
            raise trio.BrokenResourceError("the reader was too slow")
        else:
            return


def _output_tree(piece: Piece) -> JsonObject:
    source, data = piece
    return {"type": "DATA", "data": {"type": source.value, "data": data}}


async def _copy_input(
    records: Records, media: MediaOfCall, container: Container
) -> None:
    for record in records.waiting:
        await _take_input(record, media, container)
    async for data in records.body:
        for record in records.decoder.feed(data):
            await _take_input(record, media, container)
    records.decoder.finish()


async def _take_input(record: bytes, media: MediaOfCall, container: Container) -> None:
    call = read_message(media.content, "agent.Call", record)
    if call.text("type") != "ATTACH_CONTAINER_INPUT":
        raise invalid("Expecting 'type' to be ATTACH_CONTAINER_INPUT")
    body = call.required_child("attach_container_input")
    type_ = _required_text(body, "type", "attach_container_input")
    if type_ != "PROCESS_IO":
        raise CallRefusedError(
            400,
            "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of:"
            f" '{type_}'",
        )
    io = _required_child(body, "process_io", "attach_container_input")
    kind = _required_text(io, "type", "process_io")
    if kind == "DATA":
        data = _required_child(io, "data", "process_io")
        if _required_text(data, "type", "process_io.data") != "STDIN":
            raise CallRefusedError(
                400, "Expecting 'process_io.data.type' to be 'STDIN'"
            )
        octets = data.octets("data", bytes_max=RECORD_BYTES_MAX)
        if octets is None:
            raise _missing("process_io.data.data")
        if octets:
            await container.write_input(octets)
        else:
            container.close_input()
        return
    if kind != "CONTROL":
        raise CallRefusedError(400, "'process_io.type' is unknown")
    control = _required_child(io, "control", "process_io")
    control_type = _required_text(control, "type", "process_io.control")
    if control_type == "TTY_INFO":
        terminal = _required_child(control, "tty_info", "process_io.control")
        window = _required_child(terminal, "window_size", "tty_info")
        try:
            container.resize(read_window(window))
        except OSError as error:
            text = f"Unable to set the window size: {error.strerror}"
            raise CallRefusedError(400, text) from error
    elif control_type != "HEARTBEAT":
        raise CallRefusedError(400, "'process_io.control.type' is unknown")
    elif not control.has("heartbeat"):
        raise _missing("process_io.control.heartbeat")


def _required_child(fields: Fields, name: str, place: str) -> Fields:
    child = fields.child(name)
    if child is None:
        raise _missing(f"{place}.{name}")
    return child


def _required_text(fields: Fields, name: str, place: str) -> str:
    text = fields.text(name)
    if not text:
        raise _missing(f"{place}.{name}")
    return text


def _missing(path: str) -> CallRefusedError:
    return CallRefusedError(400, f"Expecting '{path}' to be present")
