"""AgentInfo: a machine as its agent announces it."""

from __future__ import annotations

import msgspec

from raftleader.protocol.resources import EMPTY, Range, Resources


class Attribute(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A fact about a machine: exactly one of the three is set."""

    name: str
    text: str | None = None
    scalar_millis: int | None = None
    ranges: tuple[Range, ...] = ()


class AgentInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A machine.

    Attributes:
        hostname: Name under which frameworks reach it.
        ip: Address of its HTTP port.
        port: Its HTTP port (health, state, files).
        resources: Everything it offers.
    """

    hostname: str
    ip: str
    port: int
    resources: Resources = EMPTY
    attributes: tuple[Attribute, ...] = ()
    version: str = ""
