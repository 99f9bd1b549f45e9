"""Which endpoint serves a path.

Mesos dispatches by the longest prefix and ignores a slash at the end; its pages
are found with and without ``/master`` in front, and with ``.json`` behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raftleader.api.answers import text_answer
from raftleader.httpd.messages import Reply, Request

Endpoint = Callable[[Request], Reply]
OPERATOR_PATH = "/api/v1"


def normal_path(path: str) -> str:
    """The path as the table of endpoints has it."""
    path = path.rstrip("/")
    if path == "/master" or path.startswith("/master/"):
        path = path.removeprefix("/master")
    if path.endswith(".json") and path.count("/") == 1:
        path = path.removesuffix(".json")
    return path or "/"


def route(endpoints: Mapping[str, Endpoint], request: Request) -> Reply:
    """Answer with the endpoint of the request's path, or with 404.

    A path that ends with ``/*`` in the table stands for all that are one level below.
    What is below ``/api/v1`` and nobody's own falls to the operator API: there are
    clients that post to ``/api/v1/operator``.
    """
    path = normal_path(request.path)
    endpoint = endpoints.get(path) or endpoints.get(path.rpartition("/")[0] + "/*")
    if endpoint is None and path.startswith(OPERATOR_PATH + "/"):
        endpoint = endpoints.get(OPERATOR_PATH)
    if endpoint is None:
        return text_answer(404, f"There is nothing at {request.path}\n")
    return endpoint(request)
