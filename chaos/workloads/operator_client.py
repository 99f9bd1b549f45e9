"""Calls of the operator API, each sent once, with what may be concluded of its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from raftleader.errors import ApiError, OutcomeUnknownError, UnavailableError
from raftleader.framework import HttpClient
from raftleader.framework.addresses import address_of_location

PATH = "/api/v1"
REDIRECTS_MAX = 3
ANSWER_TIMEOUT_S = 3.0
"""Then the next node is asked: this one may be paused."""


class OperatorClient:
    """Finds the leader by redirects and remembers it. One call at a time.

    Attributes:
        node: ``HOST:PORT`` the last call was sent to.
    """

    def __init__(
        self,
        http: HttpClient,
        leaders: Sequence[str],
        *,
        start: int,
        has_home: bool = False,
    ) -> None:
        """``start``: which of the leaders is asked first. ``has_home``: with every
        call, unless the call before failed: whoever it is led to then."""
        self._http = http
        self._leaders = list(leaders)
        self._home = start % len(leaders) if has_home else None
        self._has_failed = False
        self._next = start
        self.node = self._leaders[start % len(self._leaders)]

    async def call(self, kind: str, **body: Any) -> Any:
        """The answer's JSON, or None where it has none.

        Raises UnavailableError, or ApiError for a refusal, if it certainly did not
        happen; OutcomeUnknownError if it may have, or may still.
        """
        call = {"type": kind, **({kind.lower(): body} if body else {})}
        data = json.dumps(call).encode()
        if self._home is not None and not self._has_failed:
            self.node = self._leaders[self._home]
        self._has_failed = False
        for _ in range(REDIRECTS_MAX):
            try:
                answer = await self._http.request(
                    self.node,
                    "POST",
                    PATH,
                    headers=[("Content-Type", "application/json")],
                    body=data,
                    timeout_s=ANSWER_TIMEOUT_S,
                )
            except (UnavailableError, OutcomeUnknownError):
                self._turn_to_next()
                raise
            location = address_of_location(answer.headers.get("location"))
            if answer.status == 307 and location is not None:
                self.node = location
                continue
            if answer.status in (200, 202):
                return json.loads(answer.body) if answer.body else None
            if answer.headers.get("raftleader-outcome") == "unknown":
                raise OutcomeUnknownError(answer.text)
            if answer.status == 503:
                self._turn_to_next()
                raise UnavailableError(answer.text)
            raise ApiError(answer.status, answer.text)
        self._turn_to_next()
        raise UnavailableError("nodes redirect to each other")

    def _turn_to_next(self) -> None:
        self._has_failed = True
        self._next += 1
        self.node = self._leaders[self._next % len(self._leaders)]
