"""Events of the scheduler API in Mesos' messages, both ways."""

from __future__ import annotations

import math

from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.json_v1_agents import leader_info_to_json, read_leader_info
from raftleader.protocol.json_v1_fields import (
    MESSAGE_CHARS_MAX,
    Fields,
    JsonObject,
)
from raftleader.protocol.json_v1_kinds import form_for
from raftleader.protocol.json_v1_offers import (
    inverse_offer_to_json,
    offer_to_json,
    read_inverse_offer,
    read_offer,
)
from raftleader.protocol.json_v1_operations import (
    operation_status_to_json,
    read_operation_status,
)
from raftleader.protocol.json_v1_statuses import read_task_status, task_status_to_json
from raftleader.protocol.scheduler_api import (
    Error,
    Event,
    Failure,
    Heartbeat,
    InverseOffers,
    Message,
    Offers,
    OperationUpdate,
    Rescind,
    RescindInverseOffer,
    Subscribed,
    UnknownEvent,
    Update,
)
from raftleader.protocol.served import CAPABILITIES_TOLD_TO_SCHEDULERS

_DATA_BYTES_MAX = 16 * 1024 * 1024
"""Most a client takes in one message of an executor."""


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
        case InverseOffers():
            inverse = [
                inverse_offer_to_json(offer, capabilities)
                for offer in event.inverse_offers
            ]
            return {
                "type": "INVERSE_OFFERS",
                "inverse_offers": {"inverse_offers": inverse},
            }
        case RescindInverseOffer():
            body: JsonObject = {"inverse_offer_id": {"value": event.inverse_offer_id}}
            return {"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": body}
        case OperationUpdate():
            form = form_for(capabilities)
            body = {"status": operation_status_to_json(event.status, form=form)}
            return {"type": "UPDATE_OPERATION_STATUS", "update_operation_status": body}
        case Message():
            body = {
                "agent_id": {"value": event.agent_id},
                "executor_id": {"value": event.executor_id},
                "data": event.data,
            }
            return {"type": "MESSAGE", "message": body}
        case Subscribed():
            body = {
                "framework_id": {"value": event.framework_id},
                "heartbeat_interval_seconds": event.heartbeat_interval_s,
            }
            if event.leader is not None:
                body["master_info"] = leader_info_to_json(
                    event.leader, capabilities=CAPABILITIES_TOLD_TO_SCHEDULERS
                )
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
    kind = fields.text("type") or "UNKNOWN"
    match kind:
        case "HEARTBEAT":
            return Heartbeat()
        case "OFFERS":
            items = fields.required_child("offers").children("offers")
            return Offers(offers=tuple(map(read_offer, items)))
        case "UPDATE":
            status = fields.required_child("update").required_child("status")
            return Update(status=read_task_status(status))
        case "RESCIND":
            body = fields.required_child("rescind")
            return Rescind(offer_id=OfferId(body.required_identifier("offer_id")))
        case "INVERSE_OFFERS":
            items = fields.required_child("inverse_offers").children("inverse_offers")
            return InverseOffers(inverse_offers=tuple(map(read_inverse_offer, items)))
        case "RESCIND_INVERSE_OFFER":
            body = fields.required_child("rescind_inverse_offer")
            inverse_id = OfferId(body.required_identifier("inverse_offer_id"))
            return RescindInverseOffer(inverse_offer_id=inverse_id)
        case "UPDATE_OPERATION_STATUS":
            body = fields.required_child("update_operation_status")
            status = body.required_child("status")
            return OperationUpdate(status=read_operation_status(status))
        case "MESSAGE":
            body = fields.required_child("message")
            return Message(
                agent_id=AgentId(body.required_identifier("agent_id")),
                executor_id=body.required_identifier("executor_id"),
                data=body.required_octets("data", bytes_max=_DATA_BYTES_MAX),
            )
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
        leader=read_leader_info(leader) if leader is not None else None,
    )
