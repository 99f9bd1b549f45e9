"""Mutants of what a node does while it leads."""

from __future__ import annotations

from chaos.zoo.patch import Patch, Patches
from raftleader.api.commands import LoggedCall, command_of
from raftleader.api.scheduler_endpoint import SchedulerEndpoint
from raftleader.httpd.messages import Request, Response
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.deliveries import Deliveries
from raftleader.leader.event_streams import FrameworkStream
from raftleader.protocol.scheduler_api import UpdateFramework
from raftleader.state.cluster import Framework


def _answer_at_once(
    self: SchedulerEndpoint, call: LoggedCall, request: Request
) -> Response:
    """A call is answered when it is submitted, not when the log has it."""
    self._node.submit(command_of(call))
    return Response(status=200 if isinstance(call, UpdateFramework) else 202)


def _read_wall_clock(self: ClusterClock) -> int:
    """Cluster time is what this node's wall clock says."""
    return self._wall_ms()


def _begin_without_offers(
    self: Deliveries, stream: FrameworkStream, framework: Framework
) -> None:
    """A new stream is not told of the offers that are out."""
    rows = self._state.offers_by_framework
    self._state.offers_by_framework = {}
    try:
        _begin(self, stream, framework)
    finally:
        self._state.offers_by_framework = rows


def _begin_without_updates(
    self: Deliveries, stream: FrameworkStream, framework: Framework
) -> None:
    """A new stream is told of updates to come only."""
    rows = self._state.tasks_by_framework
    self._state.tasks_by_framework = {}
    try:
        _begin(self, stream, framework)
    finally:
        self._state.tasks_by_framework = rows


_begin = Deliveries.begin

MUTANTS: Patches = {
    "answer-before-commit": (Patch(SchedulerEndpoint, "_submit", _answer_at_once),),
    "trust-the-wall-clock": (Patch(ClusterClock, "now_ms", _read_wall_clock),),
    "greet-without-offers": (Patch(Deliveries, "begin", _begin_without_offers),),
    "greet-without-updates": (Patch(Deliveries, "begin", _begin_without_updates),),
}
