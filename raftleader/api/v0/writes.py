"""The old pages that change the cluster: forms and bare JSON for the same commands."""

from __future__ import annotations

from collections.abc import Callable

from raftleader.api.answers import text_answer
from raftleader.api.operator.calls import OperatorCalls
from raftleader.api.operator.maintenance import schedule_message, status_message
from raftleader.api.operator.reads import quota_status
from raftleader.api.rendering import Pieces, json_pieces, write_json
from raftleader.api.routing import Endpoint
from raftleader.api.v0.answers import (
    body_as_field,
    read_form,
    read_json_value,
    read_page,
    required_in,
    write_page,
)
from raftleader.errors import InvalidInputError
from raftleader.httpd.messages import Answer, Deferred, Reply, Request, Response
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.json_v1_fields import Fields, JsonObject
from raftleader.state.cluster import ClusterState

_CONVERSIONS = {
    "/reserve": ("RESERVE_RESOURCES", "resources"),
    "/unreserve": ("UNRESERVE_RESOURCES", "resources"),
    "/create-volumes": ("CREATE_VOLUMES", "volumes"),
    "/destroy-volumes": ("DESTROY_VOLUMES", "volumes"),
}


def write_pages(node: LeaderNode, calls: OperatorCalls) -> dict[str, Endpoint]:
    """The pages by path; those that can be read, too, with both halves."""

    def conversion(kind: str, name: str) -> Endpoint:
        def answer(request: Request) -> Answer | Deferred:
            body = _conversion_form(request, name)
            if isinstance(body, Response):
                return body
            return calls.write(kind, body, request)

        return write_page(node, answer, "POST")

    def machines(kind: str) -> Endpoint:
        def answer(request: Request) -> Answer | Deferred:
            return calls.write(kind, body_as_field(request, "machines"), request)

        return write_page(node, answer, "POST")

    def teardown(request: Request) -> Answer | Deferred:
        form = read_form(request)
        if isinstance(form, Response):
            return form
        framework_id = required_in(form, "frameworkId")
        if isinstance(framework_id, Response):
            return framework_id
        body = Fields({"framework_id": {"value": framework_id}})
        return calls.write("TEARDOWN", body, request)

    def set_schedule(request: Request) -> Answer | Deferred:
        body = body_as_field(request, "schedule")
        return calls.write("UPDATE_MAINTENANCE_SCHEDULE", body, request)

    def set_weights(request: Request) -> Answer | Deferred:
        body = body_as_field(request, "weight_infos")
        return calls.update_weights(body, "weight_infos", request)

    def set_quota(request: Request) -> Answer | Deferred:
        body = body_as_field(request, "quota_request")
        return calls.write("SET_QUOTA", body, request)

    def remove_quota(request: Request) -> Answer | Deferred:
        role = request.path.rstrip("/").rpartition("/")[2]
        return calls.write("REMOVE_QUOTA", Fields({"role": role}), request)

    def page(make: Callable[[ClusterState], JsonObject]) -> Endpoint:
        return read_page(node, lambda request: json_pieces(make(node.state)))

    return {
        **{path: conversion(*names) for path, names in _CONVERSIONS.items()},
        "/machine/down": machines("START_MAINTENANCE"),
        "/machine/up": machines("STOP_MAINTENANCE"),
        "/teardown": write_page(node, teardown, "POST"),
        "/maintenance/status": page(status_message),
        "/maintenance/schedule": _both(
            page(schedule_message), POST=write_page(node, set_schedule, "GET", "POST")
        ),
        "/weights": _both(
            read_page(node, lambda request: _weights(node.state)),
            PUT=write_page(node, set_weights, "GET", "PUT"),
        ),
        "/quota": _both(
            page(quota_status), POST=write_page(node, set_quota, "GET", "POST")
        ),
        "/quota/*": write_page(node, remove_quota, "DELETE"),
    }


def _both(reading: Endpoint, **writing: Endpoint) -> Endpoint:
    """One path with an endpoint for reading, and one for another method."""
    ((method, write),) = writing.items()

    def endpoint(request: Request) -> Reply:
        is_read = request.method in ("GET", "HEAD")
        return reading(request) if is_read else write(request)

    assert method in ("POST", "PUT")
    return endpoint


def _weights(state: ClusterState) -> Pieces:
    rows: list[JsonObject] = [
        {"role": role, "weight": millis / 1000}
        for role, millis in sorted(state.weights.items())
    ]
    yield write_json(rows)


def _conversion_form(request: Request, name: str) -> Fields | Response:
    form = read_form(request)
    if isinstance(form, Response):
        return form
    agent_id = required_in(form, "slaveId")
    if isinstance(agent_id, Response):
        return agent_id
    text = required_in(form, name)
    if isinstance(text, Response):
        return text
    try:
        items = read_json_value(text, name)
    except InvalidInputError as error:
        return text_answer(
            400,
            f"Error in parsing '{name}' query parameter in the request body: {error}",
        )
    return Fields({"agent_id": {"value": agent_id}, name: items})
