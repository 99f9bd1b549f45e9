"""Why a call cannot be read, in Mesos' words where it has some."""

from __future__ import annotations

from raftleader.errors import InvalidInputError
from raftleader.protocol.json_v1_calls import DIFFERING_ID
from raftleader.protocol.wire.media import Media

_WHOLE = "body"
"""The path of what is wrong with a body as a whole."""
_MISSING = "is required"
_REQUIRED_BY_MESOS = frozenset({"acknowledge_operation_status.agent_id"})
"""What is optional in the schema, and is asked for all the same."""


def call_problem(
    error: InvalidInputError, media: Media, *, api: str = "scheduler"
) -> str:
    """The text of a 400 for a call of this API. It always names the field."""
    invalid = f"Failed to validate {api}::Call: "
    if error.path == _WHOLE:
        what = "JSON" if media is Media.JSON else "Call protobuf"
        return f"Failed to parse body into {what}: {error.problem}"
    if error.problem == DIFFERING_ID:
        problem = f"'framework_id' differs from '{error.path}'"
        return f"{invalid}{problem}"
    if error.problem != _MISSING:
        return f"{invalid}{error}"
    if "." in error.path and error.path not in _REQUIRED_BY_MESOS:
        how = "convert JSON" if media is Media.JSON else "parse body"
        missing = f"Missing required fields: {error.path}"
        return f"Failed to {how} into Call protobuf: {missing}"
    expected = f"Expecting '{error.path.rpartition('.')[2]}' to be present"
    return f"{invalid}{expected}"
