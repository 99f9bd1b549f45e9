"""How a message is written: the two encodings of the Mesos v1 API."""

from __future__ import annotations

import enum


class Media(enum.Enum):
    """An encoding. The value is its media type, as it stands in headers."""

    JSON = "application/json"
    PROTOBUF = "application/x-protobuf"
