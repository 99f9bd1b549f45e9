"""Messages to bytes and back, in either encoding.

Kinds are names of the schema: ``scheduler.Call``, ``scheduler.Event``,
``executor.Call``, ``executor.Event``, ``master.Call``, ``master.Response``,
``master.Event``, ``agent.Call``, ``agent.Response``, ``agent.ProcessIO``.
"""

from __future__ import annotations

from raftleader.protocol.json_v1_fields import (
    Fields,
    JsonObject,
    read_json,
    write_json,
)
from raftleader.protocol.wire.media import Media


def read_message(media: Media, kind: str, body: bytes) -> Fields:
    """The message in ``body``, to be read field by field.

    Raises InvalidInputError for what is not even an object; what is wrong within it
    shows when its field is read. In protobuf everything required is checked at once.
    """
    what = "event" if kind.endswith("Event") else "body"
    if media is Media.JSON:
        return read_json(body, what)
    # JSON alone shall not load the protobuf package.
    from raftleader.protocol.wire.protobuf import read_protobuf

    return Fields(read_protobuf(kind, body, what))


def write_message(media: Media, kind: str, tree: JsonObject) -> bytes:
    """The tree as bytes: compact ASCII JSON, or protobuf.

    In the tree enums are names, bytes are ``bytes`` (in JSON they become base64), and
    nothing is None. Raises InvalidInputError if protobuf has no such message.
    """
    if media is Media.JSON:
        return write_json(tree)
    from raftleader.protocol.wire.protobuf import write_protobuf

    return write_protobuf(kind, tree)
