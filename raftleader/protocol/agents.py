"""AgentInfo: a machine as its agent announces it."""

from __future__ import annotations

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.resources import EMPTY, Range, Resources


class Attribute(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A fact about a machine: exactly one of the four is set."""

    name: str
    text: str | None = None
    scalar_millis: int | None = None
    ranges: tuple[Range, ...] = ()
    items: tuple[str, ...] = ()


class Domain(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a machine stands (Mesos' fault domain)."""

    region: str
    zone: str


def parse_domain(text: str) -> Domain:
    """``REGION/ZONE``. Raises InvalidInputError."""
    region, slash, zone = text.partition("/")
    if not (region and slash and zone) or "/" in zone or text != "".join(text.split()):
        raise InvalidInputError("domain", f"{text!r} is not REGION/ZONE")
    return Domain(region=region, zone=zone)


class AgentInfo(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A machine.

    Attributes:
        hostname: Name under which frameworks reach it.
        ip: Address of its HTTP port.
        port: Its HTTP port (health, state, files).
        resources: Everything it offers: unreserved, and statically reserved.
        domain: Frameworks without REGION_AWARE see only the leader's region.
    """

    hostname: str
    ip: str
    port: int
    resources: Resources = EMPTY
    attributes: tuple[Attribute, ...] = ()
    version: str = ""
    domain: Domain | None = None
