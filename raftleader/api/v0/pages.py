"""The table of old pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from raftleader.api.answers import method_problem, not_leading, text_answer
from raftleader.api.mesos_facts import NodeFacts
from raftleader.api.operator.calls import OperatorCalls
from raftleader.api.operator.logging_level import LoggingLevel
from raftleader.api.operator.metric_names import Metrics
from raftleader.api.operator.metrics import metrics_pieces
from raftleader.api.rendering import Pieces, json_pieces
from raftleader.api.routing import Endpoint
from raftleader.api.v0.answers import local_page, page_answer, read_page
from raftleader.api.v0.files import file_pages
from raftleader.api.v0.roles import roles_pieces
from raftleader.api.v0.state import agents_pieces, frameworks_pieces, state_pieces
from raftleader.api.v0.summary import summary_pieces, tasks_pieces
from raftleader.api.v0.writes import write_pages
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.leader.interface import LeaderNode

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|ms|secs|mins|hrs|days|weeks)\Z")
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86_400.0,
    "weeks": 604_800.0,
}


def v0_pages(
    node: LeaderNode, facts: NodeFacts, calls: OperatorCalls
) -> dict[str, Endpoint]:
    """Every old page by path; ``/master`` and ``.json`` are taken off before."""

    def metrics(request: Request) -> Pieces:
        figures: Metrics = {}
        yield from calls.fill_metrics(figures)
        yield from metrics_pieces(figures)

    def flags(request: Request) -> Iterator[bytes]:
        return json_pieces({"flags": facts.flags})

    return {
        "/state": _state_page(node, facts),
        "/state-summary": read_page(node, lambda request: summary_pieces(node)),
        "/slaves": read_page(
            node, lambda request: agents_pieces(node, request.query.get("slave_id"))
        ),
        "/frameworks": read_page(
            node,
            lambda request: frameworks_pieces(node, request.query.get("framework_id")),
        ),
        "/tasks": read_page(node, lambda request: tasks_pieces(node, request.query)),
        "/roles": read_page(node, lambda request: roles_pieces(node.state)),
        "/metrics/snapshot": local_page(metrics),
        "/flags": local_page(flags),
        "/logging/toggle": _toggle_page(calls.logging),
        **file_pages(calls.files),
        **write_pages(node, calls),
    }


def _state_page(node: LeaderNode, facts: NodeFacts) -> Endpoint:
    """A standby redirects, unless the query says ``local=true``: then it tells what it
    has applied, and its ``raftleader.index`` says how far that goes. There is no
    barrier: the page is also for looking at a cluster that has lost its majority."""

    def endpoint(request: Request) -> Answer | Deferred:
        is_local = request.query.get("local") == "true"
        if not node.leadership.leading and not is_local:
            return not_leading(node, request)
        problem = method_problem(request, "GET", "HEAD")
        if problem is not None:
            return problem

        async def build() -> Answer:
            return await page_answer(request, state_pieces(node, facts))

        return build

    return endpoint


def _toggle_page(logging: LoggingLevel) -> Endpoint:
    def endpoint(request: Request) -> Answer | Deferred:
        level, duration = request.query.get("level"), request.query.get("duration")
        if level is None and duration is None:
            return text_answer(200, f"{logging.level}\n")
        if level is None or duration is None:
            missing = "duration" if duration is None else "level"
            return text_answer(400, f"Expecting '{missing}=value' in query.\n")
        if not level.isdecimal() or len(level) > 9:
            return text_answer(400, f"Invalid level '{level}'.\n")
        match = _DURATION.match(duration)
        if match is None:
            return text_answer(400, f"Invalid duration '{duration}'.\n")
        seconds = float(match[1]) * _SECONDS[match[2]]

        async def toggle() -> Answer:
            logging.set(int(level), seconds)
            return Response(status=200)

        return toggle

    return endpoint
