"""What frameworks of the fast level ask a leader, and what it answers."""

from __future__ import annotations

import msgspec

from raftleader.api.commands import LoggedCall
from raftleader.protocol.scheduler_api import (
    Reconcile,
    ReconcileOperations,
    SendMessage,
)

FrameworkCall = LoggedCall | Reconcile | ReconcileOperations | SendMessage
"""What a framework may ask on its second connection."""


class Asked(msgspec.Struct, frozen=True):
    """A call of a framework's, numbered so that its answer can be told."""

    number: int
    stream: int
    call: FrameworkCall


class Answered(msgspec.Struct, frozen=True):
    """``status`` as the HTTP API would give it; 0 when its stream is over."""

    number: int
    status: int


class Unserved(msgspec.Struct, frozen=True):
    """SUBSCRIBE was answered with something else than a stream."""

    status: int
    text: str
