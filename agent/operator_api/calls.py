"""A call to the agent, read; its answer, written; refusals."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from agent.nested.names import LEVELS_MAX, ContainerName, name_problem
from raftleader.errors import InvalidInputError
from raftleader.httpd.bodies import BodyStream
from raftleader.httpd.messages import Answer, Deferred, Response
from raftleader.httpd.negotiation import MediaOfCall
from raftleader.httpd.writing import text_response
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.recordio import RecordDecoder
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

RECORD_BYTES_MAX = 1024 * 1024
"""Of one record that a client streams: a piece of what is typed."""


class CallRefusedError(Exception):
    """The call is answered with this status and text, and nothing was done."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@attrs.frozen(kw_only=True)
class Records:
    """The rest of a body that streams: what came with the first record, and more."""

    body: BodyStream
    decoder: RecordDecoder
    waiting: list[bytes]


@attrs.frozen(kw_only=True)
class Call:
    """One call.

    Attributes:
        records: What follows it, if it streams.
    """

    type: str
    fields: Fields
    media: MediaOfCall
    records: Records | None = None

    def body(self, name: str | None = None) -> Fields:
        """The message of this call. Raises CallRefusedError if it is not there."""
        name = name or self.type.lower()
        found = self.fields.child(name)
        if found is None:
            raise invalid(f"Expecting '{name}' to be present")
        return found

    def answer(self, tree: JsonObject | None = None) -> Response:
        """Status 200 with the ``agent.Response`` of this type."""
        return Response(
            status=200,
            headers=(("Content-Type", self.media.answer.value),),
            body=self.answer_bytes(tree),
        )

    def answer_bytes(self, tree: JsonObject | None = None) -> bytes:
        """The ``agent.Response`` of this type."""
        message: JsonObject = {"type": self.type}
        if tree is not None:
            message[self.type.lower()] = tree
        return write_message(self.media.answer, "agent.Response", message)


Handler = Callable[[Call], Answer | Deferred]


def invalid(problem: str) -> CallRefusedError:
    """A call that says something it may not, or not all it must."""
    return CallRefusedError(400, f"Failed to validate agent::Call: {problem}")


def done(status: int = 200) -> Response:
    """An answer without a body."""
    return Response(status=status)


def refusal(error: Exception) -> Response:
    """The answer for what reading a call may raise."""
    if isinstance(error, CallRefusedError):
        return text_response(error.status, error.text)
    assert isinstance(error, InvalidInputError)
    return text_response(400, f"Failed to validate agent::Call: {error}")


def read_call(data: bytes, media: Media, of: MediaOfCall) -> Call:
    """Raises CallRefusedError or InvalidInputError."""
    fields = read_message(media, "agent.Call", data)
    type_ = fields.text("type")
    if not type_:
        raise invalid("Expecting 'type' to be present")
    return Call(type=type_, fields=fields, media=of)


def read_name(body: Fields, place: str, *, has_parent: bool = False) -> ContainerName:
    """The ``container_id`` of a message; ``place`` is the message in an error.

    Raises CallRefusedError in Mesos' words.
    """
    parts: list[str] = []
    outer: Fields | None = body.required_child("container_id")
    while outer is not None:
        parts.append(outer.required_text("value"))
        problem = name_problem(parts[-1])
        if len(parts) > LEVELS_MAX:
            problem = f"has more than {LEVELS_MAX} levels"
        if problem is not None:
            within = "'ContainerID.parent' is invalid: " * (len(parts) - 1)
            raise invalid(f"'{place}.container_id' is invalid: {within}{problem}")
        outer = outer.child("parent")
    if has_parent and len(parts) < 2:
        raise invalid(f"Expecting '{place}.container_id.parent' to be present")
    return ContainerName(tuple(reversed(parts)))


def name_to_json(name: ContainerName) -> JsonObject:
    """A ``ContainerID``."""
    message: JsonObject = {"value": name.own}
    if name.parent is not None:
        message["parent"] = name_to_json(name.parent)
    return message
