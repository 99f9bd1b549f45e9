"""Why a call cannot be read, in Mesos' words where it has some."""

from __future__ import annotations

from raftleader.errors import InvalidInputError
from raftleader.protocol.wire.media import Media

_WHOLE = "body"
"""The path of what is wrong with a body as a whole."""
_MISSING = "is required"


def call_problem(error: InvalidInputError, media: Media) -> str:
    """The text of a 400 for a scheduler call. It always names the field."""
    if error.path == _WHOLE:
        what = "JSON" if media is Media.JSON else "Call protobuf"
        return f"Failed to parse body into {what}: {error.problem}"
    if error.problem != _MISSING:
        return f"Failed to validate scheduler::Call: {error}"
    if "." in error.path:
        how = "convert JSON" if media is Media.JSON else "parse body"
        missing = f"Missing required fields: {error.path}"
        return f"Failed to {how} into Call protobuf: {missing}"
    expected = f"Expecting '{error.path}' to be present"
    return f"Failed to validate scheduler::Call: {expected}"
