"""Offers and inverse offers in Mesos' messages."""

from __future__ import annotations

from raftleader.protocol.agents import AgentInfo
from raftleader.protocol.ids import AgentId, FrameworkId, OfferId
from raftleader.protocol.json_v1_agents import (
    KINDS_MAX,
    agent_url_to_json,
    domain_to_json,
    read_agent_url,
    read_domain,
)
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.protocol.json_v1_kinds import form_for
from raftleader.protocol.json_v1_labels import (
    ids_to_json,
    read_unavailability,
    unavailability_to_json,
)
from raftleader.protocol.json_v1_resources import (
    attributes_to_json,
    read_attributes,
    read_resources,
    resources_to_json,
)
from raftleader.protocol.offers import InverseOffer, Offer


def offer_to_json(offer: Offer, capabilities: tuple[str, ...]) -> JsonObject:
    """An offer. Roles are told only to those who announced that they know them."""
    is_multi_role = "MULTI_ROLE" in capabilities
    message: JsonObject = {
        "id": {"value": offer.id},
        "framework_id": {"value": offer.framework_id},
        "agent_id": {"value": offer.agent_id},
        "hostname": offer.agent.hostname,
        "url": agent_url_to_json(offer.agent),
        "resources": resources_to_json(
            offer.resources,
            allocated_to=offer.role if is_multi_role else None,
            form=form_for(capabilities),
            is_offer=True,
        ),
    }
    if offer.agent.attributes:
        message["attributes"] = attributes_to_json(offer.agent.attributes)
    if offer.agent.domain is not None:
        message["domain"] = domain_to_json(offer.agent.domain)
    if offer.executor_ids:
        message["executor_ids"] = ids_to_json(offer.executor_ids)
    if offer.unavailability is not None:
        message["unavailability"] = unavailability_to_json(offer.unavailability)
    if is_multi_role:
        message["allocation_info"] = {"role": offer.role}
    return message


def read_offer(fields: Fields) -> Offer:
    """An offer. Of the agent only what an offer tells: its name, address, attributes.

    The role is ``*`` where the offer names none.
    """
    allocation = fields.child("allocation_info")
    unavailability = fields.child("unavailability")
    resources, _ = read_resources(fields, "resources", kinds_max=KINDS_MAX)
    ip, port = read_agent_url(fields)
    return Offer(
        id=OfferId(fields.required_identifier("id")),
        framework_id=FrameworkId(fields.required_identifier("framework_id")),
        agent_id=AgentId(fields.required_identifier("agent_id")),
        role=(allocation.text("role") if allocation is not None else None) or "*",
        resources=resources,
        agent=AgentInfo(
            hostname=fields.required_text("hostname"),
            ip=ip,
            port=port,
            attributes=read_attributes(fields, "attributes"),
            domain=read_domain(fields),
        ),
        executor_ids=tuple(fields.identifiers("executor_ids")),
        unavailability=read_unavailability(unavailability) if unavailability else None,
    )


def inverse_offer_to_json(
    offer: InverseOffer, capabilities: tuple[str, ...]
) -> JsonObject:
    """An inverse offer."""
    return {
        "id": {"value": offer.id},
        "url": agent_url_to_json(offer.agent),
        "framework_id": {"value": offer.framework_id},
        "agent_id": {"value": offer.agent_id},
        "unavailability": unavailability_to_json(offer.unavailability),
        "resources": resources_to_json(
            offer.resources, form=form_for(capabilities), is_offer=False
        ),
    }


def read_inverse_offer(fields: Fields) -> InverseOffer:
    """An inverse offer. Of the agent only its address, the hostname of its url."""
    resources, _ = read_resources(fields, "resources", kinds_max=KINDS_MAX)
    ip, port = read_agent_url(fields)
    url = fields.child("url")
    address = url.child("address") if url is not None else None
    hostname = address.text("hostname") if address is not None else None
    return InverseOffer(
        id=OfferId(fields.required_identifier("id")),
        framework_id=FrameworkId(fields.required_identifier("framework_id")),
        agent_id=AgentId(fields.required_identifier("agent_id")),
        unavailability=read_unavailability(fields.required_child("unavailability")),
        agent=AgentInfo(hostname=hostname or "", ip=ip, port=port),
        resources=resources,
    )
