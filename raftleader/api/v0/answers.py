"""What all old pages have in common: who answers, ``jsonp=``, bodies that are forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from urllib.parse import parse_qsl

import msgspec

from raftleader.api.answers import (
    JSON_HEADERS,
    guarded,
    method_problem,
    not_leading,
    problem_answer,
    text_answer,
)
from raftleader.api.documents import document_answer
from raftleader.api.rendering import Pieces
from raftleader.api.routing import Endpoint
from raftleader.errors import InvalidInputError, RaftLeaderError
from raftleader.httpd.messages import Answer, Deferred, Request, Response
from raftleader.leader.interface import LeaderNode
from raftleader.protocol.json_v1_fields import Fields

FORM_FIELDS_MAX = 100
"""Fields of one form; Mesos' have two or three."""
_SCRIPT_HEADERS = (("Content-Type", "text/javascript"),)
_CALLBACK = re.compile(r"[A-Za-z0-9_$.\[\]]{1,128}\Z")


def read_page(
    node: LeaderNode, pieces: Callable[[Request], Pieces], *, has_barrier: bool = True
) -> Endpoint:
    """A page of the leader. With a barrier, what was answered before is on it."""

    def endpoint(request: Request) -> Answer | Deferred:
        if not node.leadership.leading:
            return not_leading(node, request)
        problem = method_problem(request, "GET", "HEAD")
        if problem is not None:
            return problem

        async def build() -> Answer:
            if has_barrier:
                await node.barrier()
            return await page_answer(request, pieces(request))

        return guarded(node, request, build)

    return endpoint


def local_page(pieces: Callable[[Request], Pieces]) -> Endpoint:
    """A page that every node has of itself."""

    def endpoint(request: Request) -> Answer | Deferred:
        problem = method_problem(request, "GET", "HEAD")
        if problem is not None:
            return problem

        async def build() -> Answer:
            return await page_answer(request, pieces(request))

        return build

    return endpoint


async def page_answer(request: Request, pieces: Pieces) -> Answer:
    """The document, as JSON or, with ``jsonp=NAME``, as a call of that function."""
    callback = request.query.get("jsonp")
    if not callback:
        return await document_answer(pieces, JSON_HEADERS)
    if not _CALLBACK.match(callback):
        return text_answer(400, "'jsonp' is not the name of a function\n")
    script = chain((f"{callback}(".encode(),), pieces, (b");",))
    return await document_answer(script, _SCRIPT_HEADERS)


def write_page(
    node: LeaderNode,
    answer: Callable[[Request], Answer | Deferred],
    *methods: str,
) -> Endpoint:
    """A page of the leader that changes the cluster. ``answer`` may raise ours."""

    def endpoint(request: Request) -> Answer | Deferred:
        if not node.leadership.leading:
            return not_leading(node, request)
        problem = method_problem(request, *methods)
        if problem is not None:
            return problem
        try:
            return answer(request)
        except RaftLeaderError as error:
            return problem_answer(node, request, error)

    return endpoint


def read_form(request: Request) -> dict[str, str] | Response:
    """The body as a form, or the answer to one that is none."""
    try:
        pairs = parse_qsl(
            request.body.decode(),
            keep_blank_values=True,
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError as error:
        return text_answer(400, f"Unable to decode query string: {error}")
    return dict(pairs)


def required_in(form: dict[str, str], name: str) -> str | Response:
    """A field of a form, or the answer when it is missing."""
    value = form.get(name)
    if value is None:
        text = f"Missing '{name}' query parameter in the request body"
        return text_answer(400, text)
    return value


def read_json_value(data: bytes | str, what: str) -> object:
    """Any JSON. Raises InvalidInputError."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise InvalidInputError(what, "is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidInputError(what, f"is not JSON: {error}") from error


def body_as_field(request: Request, name: str) -> Fields:
    """The body as if it were the field ``name`` of a message."""
    return Fields({name: read_json_value(request.body, "body")})
