"""Mutants of what a node does while it leads."""

from __future__ import annotations

from chaos.zoo.patch import Patch, Patches
from raftleader.api.commands import LoggedCall, command_of
from raftleader.api.documents import document_answer
from raftleader.api.operator.calls import READS, OperatorCalls
from raftleader.api.operator.reads import read_pieces
from raftleader.api.operator_endpoint import CALL, OperatorEndpoint
from raftleader.api.scheduler_endpoint import SchedulerEndpoint
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.httpd.negotiation import content_media
from raftleader.leader.cluster_clock import ClusterClock
from raftleader.leader.deliveries import Deliveries
from raftleader.leader.event_streams import FrameworkStream
from raftleader.protocol.scheduler_api import UpdateFramework
from raftleader.protocol.wire.codec import read_message
from raftleader.protocol.wire.media import Media
from raftleader.state.cluster import Framework


def _answer_at_once(
    self: SchedulerEndpoint, call: LoggedCall, request: Request
) -> Response:
    """A call is answered when it is submitted, not when the log has it."""
    self._node.submit(command_of(call))
    return Response(status=200 if isinstance(call, UpdateFramework) else 202)


async def _read_at_once(self: OperatorCalls, kind: str, media: Media) -> Answer:
    """A page shows what this node has, whoever leads."""
    pieces = read_pieces(media, kind, self._node.state)
    return await document_answer(pieces, (("Content-Type", media.value),))


def _answer_anywhere(self: OperatorEndpoint, request: Request) -> Answer | Deferred:
    """The other half of it: nobody is sent to the leader for a page."""
    content = content_media(request.headers.get("content-type", ""))
    if content is not None:
        call = read_message(content, CALL, request.body)
        if call.text("type") in READS:
            return self._answer_call(call, request)
    return _answer(self, request)


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
_answer = OperatorEndpoint._answer

MUTANTS: Patches = {
    "answer-before-commit": (Patch(SchedulerEndpoint, "_submit", _answer_at_once),),
    "read-from-anyone": (
        Patch(OperatorCalls, "_read", _read_at_once),
        Patch(OperatorEndpoint, "_answer", _answer_anywhere),
    ),
    "trust-the-wall-clock": (Patch(ClusterClock, "now_ms", _read_wall_clock),),
    "greet-without-offers": (Patch(Deliveries, "begin", _begin_without_offers),),
    "greet-without-updates": (Patch(Deliveries, "begin", _begin_without_updates),),
}
