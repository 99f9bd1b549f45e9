"""``POST /api/v1``: Mesos' operator API, which this version does not serve yet."""

from __future__ import annotations

from raftleader.api.answers import method_problem, not_leading, text_answer
from raftleader.httpd.messages import Answer, Request
from raftleader.leader.interface import LeaderNode


class OperatorEndpoint:
    """Refuses in Mesos' order: redirected first, so that a client finds the leader."""

    def __init__(self, node: LeaderNode) -> None:
        self._node = node

    def __call__(self, request: Request) -> Answer:
        if not self._node.leadership.leading:
            return not_leading(self._node, request)
        problem = method_problem(request, "POST")
        if problem is not None:
            return problem
        return text_answer(
            501, "The operator API is not served; see /state and /raftleader/v1\n"
        )
