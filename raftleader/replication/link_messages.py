"""What two nodes say to each other about their link, whatever engine they run.

A link begins with a Hello of who dialled: everything that must agree. It is answered
by Welcome, or by Refused with one of ``REASONS`` so that the other side can say what
is wrong; what is not even a Hello is answered by nothing. After that the link carries
frames of the engine, and Ping and Pong. Strict msgpack, never pickle.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

PROTOCOL_VERSION = 2
"""1 was the same without ``engine``, ``address`` and Refused."""

HELLO_BYTES_MAX = 4096
"""A stranger's first frame is no longer than that, or it is no Hello."""

REASONS = (
    "other protocol",
    "other cluster",
    "other engine",
    "other recipient",
    "own id",
    "no member",
)
"""Why a Hello is refused: ``own id`` is that of the node that was dialled, so there
are two nodes of one name; ``no member`` is who is not in its configuration."""

Count = Annotated[int, Meta(ge=0, lt=2**62)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=255)]


class BadMessageError(Exception):
    """A frame that is none of ours, or not here. ``reason`` is one of a few words."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(f"{reason}: {problem}")
        self.reason = reason


class LinkRefusedError(Exception):
    """Our Hello was refused. ``reason`` is one of ``REASONS``, or ``unknown``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Message(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
):
    """One message; the tag of each subclass is the first element of the array."""


class Hello(_Message, tag="hello", frozen=True):
    """First on every link, from who dialled.

    ``address`` is where the sender listens, for a node that does not know it yet.
    """

    protocol: Count
    cluster_id: Text
    sender: Name
    recipient: Name
    engine: Text = ""
    address: Text = ""


class Welcome(_Message, tag="welcome", frozen=True):
    """The answer to a Hello that was accepted."""


class Refused(_Message, tag="refused", frozen=True):
    """The answer to a Hello that was not; the link ends."""

    reason: Text


class Ping(_Message, tag="ping", frozen=True):
    """Are you there? From who dialled, answered by Pong on the same link."""


class Pong(_Message, tag="pong", frozen=True):
    """The answer to a Ping."""


LinkMessage = Hello | Welcome | Refused | Ping | Pong

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[LinkMessage] = msgspec.msgpack.Decoder(LinkMessage)
_opening: msgspec.msgpack.Decoder[list[object]] = msgspec.msgpack.Decoder(list[object])


def encode(message: LinkMessage) -> bytes:
    """The frame of one message."""
    return _encoder.encode(message)


PING, PONG, WELCOME = encode(Ping()), encode(Pong()), encode(Welcome())


def decode(frame: bytes) -> LinkMessage:
    """The message in a frame. Raises BadMessageError, and nothing else."""
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessageError("malformed", str(error)) from error


def decode_hello(frame: bytes) -> Hello:
    """The Hello in a first frame.

    Raises BadMessageError: ``other protocol`` for a Hello of another version, whatever
    it holds, ``no hello`` for another message about links, else ``malformed``.
    """
    if len(frame) > HELLO_BYTES_MAX:
        raise BadMessageError("malformed", f"{len(frame)} bytes are no Hello")
    _check_version(frame)
    message = decode(frame)
    if not isinstance(message, Hello):
        raise BadMessageError("no hello", type(message).__name__)
    return message


def decode_answer(frame: bytes) -> None:
    """Return if a Hello was welcomed. Raises LinkRefusedError or BadMessageError."""
    answer = decode(frame)
    if isinstance(answer, Refused):
        known = answer.reason if answer.reason in REASONS else "unknown"
        raise LinkRefusedError(known)
    if not isinstance(answer, Welcome):
        raise BadMessageError("unexpected", type(answer).__name__)


def _check_version(frame: bytes) -> None:
    try:
        opening = _opening.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if len(opening) < 2 or opening[0] != "hello":
        return
    version = opening[1]
    if isinstance(version, int) and version != PROTOCOL_VERSION:
        raise BadMessageError("other protocol", str(version))
