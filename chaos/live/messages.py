"""What the inner process of a run tells the outer one: a JSON object a line.

Whatever else stands on a line (a library's warning, a traceback) is passed on as it is.
"""

from __future__ import annotations

import msgspec


class PhaseBegan(msgspec.Struct, tag="phase", frozen=True, kw_only=True):
    """``for_s`` is how long it takes at the most."""

    name: str
    for_s: float


class Tick(msgspec.Struct, tag="tick", frozen=True, kw_only=True):
    """Once a second: seconds of this phase, operations that went well so far."""

    second: float
    ops: int
    leader: str = ""


class FaultChanged(msgspec.Struct, tag="fault", frozen=True, kw_only=True):
    """A fault begins, ends, or could not be made (``why``)."""

    number: int
    fault: str
    phase: str
    targets: tuple[str, ...] = ()
    why: str = ""


class Note(msgspec.Struct, tag="note", frozen=True, kw_only=True):
    """For a person; ``is_problem``: something is wrong with the run itself."""

    text: str
    is_problem: bool = False


Message = PhaseBegan | Tick | FaultChanged | Note

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """With its end of line."""
    return msgspec.json.encode(message) + b"\n"


def decode_message(line: bytes) -> Message | None:
    """None for a line that is none of ours."""
    if not line.startswith(b"{"):
        return None
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return None
