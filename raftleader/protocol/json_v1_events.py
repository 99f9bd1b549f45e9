"""Events of the scheduler API in Mesos' JSON, both ways."""

from __future__ import annotations

import ipaddress
import math

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_resources import (
    attributes_to_json,
    read_attributes,
    read_resources,
    resources_to_json,
)
from raftleader.protocol.json_v1_tasks import (
    MESSAGE_CHARS_MAX,
    read_task_status,
    task_status_to_json,
)
from raftleader.protocol.offers import Offer
from raftleader.protocol.scheduler_api import (
    Error,
    Event,
    Failure,
    Heartbeat,
    LeaderInfo,
    Offers,
    Rescind,
    Subscribed,
    UnknownEvent,
    Update,
)

_PORT_MAX = 65535


def event_to_json(event: Event, capabilities: tuple[str, ...]) -> JsonObject:
    """The event as a framework with these capabilities may be told it."""
    match event:
        case Heartbeat():
            return {"type": "HEARTBEAT"}
        case Offers():
            offers = [offer_to_json(offer, capabilities) for offer in event.offers]
            return {"type": "OFFERS", "offers": {"offers": offers}}
        case Update():
            status = task_status_to_json(event.status, capabilities)
            return {"type": "UPDATE", "update": {"status": status}}
        case Rescind():
            offer_id = {"value": event.offer_id}
            return {"type": "RESCIND", "rescind": {"offer_id": offer_id}}
        case Subscribed():
            body: JsonObject = {
                "framework_id": {"value": event.framework_id},
                "heartbeat_interval_seconds": event.heartbeat_interval_s,
            }
            if event.leader is not None:
                body["master_info"] = leader_info_to_json(event.leader)
            return {"type": "SUBSCRIBED", "subscribed": body}
        case Failure():
            body = {}
            if event.agent_id is not None:
                body["agent_id"] = {"value": event.agent_id}
            if event.executor_id is not None:
                body["executor_id"] = {"value": event.executor_id}
            if event.status is not None:
                body["status"] = event.status
            return {"type": "FAILURE", "failure": body}
        case Error():
            return {"type": "ERROR", "error": {"message": event.message}}
        case UnknownEvent():
            return {"type": event.type}


def read_event(fields: Fields) -> Event:
    """An event. A type we do not know is no error: clients ignore it."""
    kind = fields.required_text("type")
    match kind:
        case "HEARTBEAT":
            return Heartbeat()
        case "OFFERS":
            items = fields.required_child("offers").children("offers")
            return Offers(offers=tuple(read_offer(item) for item in items))
        case "UPDATE":
            status = fields.required_child("update").required_child("status")
            return Update(status=read_task_status(status))
        case "RESCIND":
            body = fields.required_child("rescind")
            return Rescind(offer_id=OfferId(body.required_identifier("offer_id")))
        case "SUBSCRIBED":
            return _read_subscribed(fields.required_child("subscribed"))
        case "FAILURE":
            body = fields.required_child("failure")
            agent_id = body.identifier("agent_id")
            return Failure(
                agent_id=AgentId(agent_id) if agent_id is not None else None,
                executor_id=body.identifier("executor_id"),
                status=body.integer("status"),
            )
        case "ERROR":
            body = fields.required_child("error")
            text = body.text("message", chars_max=MESSAGE_CHARS_MAX)
            return Error(message=text or "")
        case _:
            return UnknownEvent(type=kind)


def _read_subscribed(body: Fields) -> Subscribed:
    leader = body.child("master_info")
    interval = body.number("heartbeat_interval_seconds")
    if interval is not None and not 0 < interval < math.inf:
        raise body.invalid("heartbeat_interval_seconds", "must be above 0")
    return Subscribed(
        framework_id=FrameworkId(body.required_identifier("framework_id")),
        heartbeat_interval_s=interval if interval is not None else 15.0,
        leader=_read_leader_info(leader) if leader is not None else None,
    )


def leader_info_to_json(leader: LeaderInfo) -> JsonObject:
    """A ``MasterInfo``. Its ``ip`` is the four bytes of an IPv4 address as they
    stand in memory, read as a little-endian number; 0 for any other address."""
    try:
        packed = ipaddress.IPv4Address(leader.ip).packed
    except ValueError:
        packed = bytes(4)
    return {
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
    }


def _read_leader_info(fields: Fields) -> LeaderInfo:
    address = fields.child("address")
    ip = address.text("ip") if address is not None else None
    if ip is None:
        number = fields.integer("ip", least=0, most=2**32 - 1) or 0
        ip = str(ipaddress.IPv4Address(number.to_bytes(4, "little")))
    return LeaderInfo(
        id=fields.required_text("id"),
        hostname=fields.text("hostname") or "",
        ip=ip,
        port=fields.integer("port", least=0, most=_PORT_MAX) or 0,
        version=fields.text("version") or "",
    )


def offer_to_json(offer: Offer, capabilities: tuple[str, ...]) -> JsonObject:
    """An offer. Roles are told only to those who announced that they know them."""
    is_multi_role = "MULTI_ROLE" in capabilities
    message: JsonObject = {
        "id": {"value": offer.id},
        "framework_id": {"value": offer.framework_id},
        "agent_id": {"value": offer.agent_id},
        "hostname": offer.agent.hostname,
        "url": {
            "scheme": "http",
            "address": {
                "hostname": offer.agent.hostname,
                "ip": offer.agent.ip,
                "port": offer.agent.port,
            },
        },
        "resources": resources_to_json(
            offer.resources,
            allocated_to=offer.role if is_multi_role else None,
            refined="RESERVATION_REFINEMENT" in capabilities,
            is_offer=True,
        ),
    }
    if offer.agent.attributes:
        message["attributes"] = attributes_to_json(offer.agent.attributes)
    if is_multi_role:
        message["allocation_info"] = {"role": offer.role}
    return message


def read_offer(fields: Fields) -> Offer:
    """An offer. Of the agent only what an offer tells: its name, address, attributes.

    The role is ``*`` where the offer names none.
    """
    url = fields.child("url")
    address = url.child("address") if url is not None else None
    allocation = fields.child("allocation_info")
    resources, _ = read_resources(fields, "resources")
    ip = address.text("ip") if address is not None else None
    port = address.integer("port", least=0, most=_PORT_MAX) if address else None
    return Offer(
        id=OfferId(fields.required_identifier("id")),
        framework_id=FrameworkId(fields.required_identifier("framework_id")),
        agent_id=AgentId(fields.required_identifier("agent_id")),
        role=(allocation.text("role") if allocation is not None else None) or "*",
        resources=resources,
        agent=AgentInfo(
            hostname=fields.required_text("hostname"),
            ip=ip or "",
            port=port or 0,
            attributes=read_attributes(fields, "attributes"),
        ),
    )
