"""The table of endpoints of a leader node."""

from __future__ import annotations

from raftleader.api.cluster_lists import list_endpoints
from raftleader.api.members_endpoint import MembersEndpoint
from raftleader.api.mesos_facts import NodeFacts
from raftleader.api.operator.calls import OperatorCalls
from raftleader.api.operator_endpoint import OperatorEndpoint
from raftleader.api.routing import OPERATOR_PATH, Endpoint, route
from raftleader.api.scheduler_endpoint import SchedulerEndpoint
from raftleader.api.status_endpoints import StatusEndpoints
from raftleader.api.v0.pages import v0_pages
from raftleader.httpd.messages import Handler, Reply, Request
from raftleader.leader.interface import LeaderNode


def build_handler(node: LeaderNode, facts: NodeFacts | None = None) -> Handler:
    """Everything this node serves over HTTP, as one handler for ``serve_http``."""
    facts = facts or NodeFacts()
    calls = OperatorCalls(node, facts)
    status = StatusEndpoints(node)
    endpoints: dict[str, Endpoint] = {
        "/api/v1/scheduler": SchedulerEndpoint(node),
        OPERATOR_PATH: OperatorEndpoint(node, calls),
        "/health": status.health,
        "/version": status.version,
        "/redirect": status.redirect,
        "/raftleader/v1/status": status.status,
        "/raftleader/v1/members": MembersEndpoint(node),
        **list_endpoints(node),
        **v0_pages(node, facts, calls),
    }

    def handler(request: Request) -> Reply:
        return route(endpoints, request)

    return handler
