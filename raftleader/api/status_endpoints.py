"""``/health``, ``/version``, ``/redirect`` and our own status page."""

from __future__ import annotations

import attrs

from raftleader import __version__
from raftleader.api.answers import (
    json_answer,
    method_problem,
    not_leading,
)
from raftleader.api.rendering import Pieces, json_pieces
from raftleader.api.v0.answers import local_page
from raftleader.httpd.messages import Answer, Reply, Request, Response
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.served import MESOS_VERSION
from raftleader.state.snapshot import digest

_OK = Response(status=200)


def _version(request: Request) -> Pieces:
    return json_pieces(
        {
            "version": MESOS_VERSION,
            "raftleader_version": __version__,
            "build_date": "",
            "build_time": 0.0,
            "build_user": "",
        }
    )


_version_page = local_page(_version)


class StatusEndpoints:
    """Pages that look at ``node`` and change nothing."""

    def __init__(self, node: LeaderNode) -> None:
        self._node = node

    def health(self, request: Request) -> Answer:
        """200 while the process answers, leading or not."""
        return method_problem(request, "GET", "HEAD") or _OK

    def version(self, request: Request) -> Reply:
        """The version of Mesos' API that we serve, in digits and dots only: clients
        turn it into numbers. Our own stands beside it."""
        return _version_page(request)

    def redirect(self, request: Request) -> Answer:
        """Sends a client to the leader; to this node itself, if it leads. The
        ``Location`` ends with the port: clients take the address from there."""
        node = self._node
        if not node.leadership.leading:
            root = Request(method="GET", path="", target="")
            return not_leading(node, root)
        return Response(status=307, headers=(("Location", f"//{node.http_address}"),))

    def status(self, request: Request) -> Answer:
        """Who this node is and how far it is; answered by every node.

        ``digest=true`` adds the digest of the state at ``index``, equal on all
        nodes at the same index. It costs time in proportion to the state.
        """
        problem = method_problem(request, "GET", "HEAD")
        if problem is not None:
            return problem
        node, state = self._node, self._node.state
        leadership, log = node.leadership, node.statistics()
        document: dict[str, object] = {
            "node_id": node.node_id,
            "cluster_id": state.cluster_id,
            "version": __version__,
            "http_address": node.http_address,
            "leading": leadership.leading,
            "leader": leadership.leader,
            "leader_address": node.leader_address,
            "term": leadership.term,
            "index": state.index,
            "clock_ms": state.clock_ms,
            "engine": log.engine,
            "last_index": log.last_index,
            "commit_index": log.commit_index,
            "applied_index": log.applied_index,
            "journal_bytes": log.journal_bytes,
            "peers_connected": list(log.peers_connected),
            "log": dict(log.details),
            "loop_lag": attrs.asdict(node.loop_lag.figures()),
            "events": dict(sorted(node.events_counted().items())),
            "counts": {
                "agents": len(state.agents),
                "frameworks": len(state.frameworks),
                "tasks": len(state.tasks),
                "offers": len(state.offers),
            },
        }
        if request.query.get("digest") == "true":
            document["digest"] = digest(state).hex()
        return json_answer(document)
