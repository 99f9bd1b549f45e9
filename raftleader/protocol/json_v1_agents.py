"""AgentInfo, domains and the leader's own address in Mesos' messages."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from raftleader.protocol.agents import AgentInfo, Domain
from raftleader.protocol.ids import AgentId
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_kinds import ReservationForm
from raftleader.protocol.json_v1_resources import (
    attributes_to_json,
    read_attributes,
    read_resources,
    resources_to_json,
)
from raftleader.protocol.scheduler_api import LeaderInfo
from raftleader.protocol.served import LEADER_CAPABILITIES

PORT_MAX = 65535
KINDS_MAX = 10_000
"""Different resources that a client takes of one agent: each volume is one."""
AGENT_PATH = "/slave(1)"
"""Where an agent's HTTP API is, besides the root: Mesos' own name."""


def domain_to_json(domain: Domain) -> JsonObject:
    """A ``DomainInfo``."""
    return {
        "fault_domain": {
            "region": {"name": domain.region},
            "zone": {"name": domain.zone},
        }
    }


def read_domain(fields: Fields, name: str = "domain") -> Domain | None:
    """The ``DomainInfo`` in this field."""
    domain = fields.child(name)
    fault = domain.child("fault_domain") if domain is not None else None
    if fault is None:
        return None
    return Domain(
        region=fault.required_child("region").required_text("name"),
        zone=fault.required_child("zone").required_text("name"),
    )


def agent_url_to_json(agent: AgentInfo) -> JsonObject:
    """The ``URL`` of an agent's HTTP API."""
    return {
        "scheme": "http",
        "address": {
            "hostname": agent.hostname,
            "ip": agent.ip,
            "port": agent.port,
        },
        "path": AGENT_PATH,
    }


def read_agent_url(fields: Fields) -> tuple[str, int]:
    """IP and port in the field ``url``; "" and 0 for what it does not say."""
    url = fields.child("url")
    address = url.child("address") if url is not None else None
    if address is None:
        return "", 0
    port = address.integer("port", least=0, most=PORT_MAX)
    return address.text("ip") or "", port or 0


def agent_info_to_json(
    agent_id: AgentId | None,
    info: AgentInfo,
    *,
    form: ReservationForm = ReservationForm.REFINED,
) -> JsonObject:
    """An ``AgentInfo``. Mesos' message has neither address nor version."""
    message: JsonObject = {
        "hostname": info.hostname,
        "port": info.port,
        "resources": resources_to_json(info.resources, form=form),
    }
    if agent_id is not None:
        message["id"] = {"value": agent_id}
    if info.attributes:
        message["attributes"] = attributes_to_json(info.attributes)
    if info.domain is not None:
        message["domain"] = domain_to_json(info.domain)
    return message


def read_agent_info(fields: Fields) -> tuple[AgentId | None, AgentInfo]:
    """An ``AgentInfo``; its address is unknown."""
    resources, _ = read_resources(fields, "resources", kinds_max=KINDS_MAX)
    agent_id = fields.identifier("id")
    info = AgentInfo(
        hostname=fields.required_text("hostname"),
        ip="",
        port=fields.integer("port", least=0, most=PORT_MAX) or 0,
        resources=resources,
        attributes=read_attributes(fields, "attributes"),
        domain=read_domain(fields),
    )
    return AgentId(agent_id) if agent_id is not None else None, info


def leader_info_to_json(
    leader: LeaderInfo, *, capabilities: Iterable[str] = LEADER_CAPABILITIES
) -> JsonObject:
    """A ``MasterInfo``. Its ``ip`` is the four bytes of an IPv4 address as they
    stand in memory, read as a little-endian number; 0 for any other address."""
    try:
        packed = ipaddress.IPv4Address(leader.ip).packed
    except ValueError:
        packed = bytes(4)
    message: JsonObject = {
        "id": leader.id,
        "ip": int.from_bytes(packed, "little"),
        "port": leader.port,
        "pid": f"master@{leader.ip or leader.hostname}:{leader.port}",
        "hostname": leader.hostname,
        "version": leader.version,
        "address": {
            "hostname": leader.hostname,
            "ip": leader.ip,
            "port": leader.port,
        },
        "capabilities": [{"type": name} for name in capabilities],
    }
    if leader.domain is not None:
        message["domain"] = domain_to_json(leader.domain)
    return message


def read_leader_info(fields: Fields) -> LeaderInfo:
    """A ``MasterInfo``."""
    address = fields.child("address")
    ip = address.text("ip") if address is not None else None
    if ip is None:
        number = fields.integer("ip", least=0, most=2**32 - 1) or 0
        ip = str(ipaddress.IPv4Address(number.to_bytes(4, "little")))
    return LeaderInfo(
        id=fields.required_text("id"),
        hostname=fields.text("hostname") or "",
        ip=ip,
        port=fields.integer("port", least=0, most=PORT_MAX) or 0,
        version=fields.text("version") or "",
        domain=read_domain(fields),
    )
