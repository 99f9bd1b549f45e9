"""Small rules of Mesos': ids, roles, filters."""

from __future__ import annotations

import math

import pytest

from raftleader.protocol.frameworks import role_problem
from raftleader.protocol.ids import id_problem
from raftleader.protocol.offers import refuse_ms_of


@pytest.mark.parametrize("text", ["t", "a.b-c_d", "...", "ü", "x" * 255])
def test_id_that_may_name_a_folder_is_taken(text: str) -> None:
    assert id_problem(text) is None


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a/b", "a\\b", "a\nb", "a\x7f", "x" * 256]
)
def test_id_that_may_not_is_refused_with_a_reason(text: str) -> None:
    assert id_problem(text)


@pytest.mark.parametrize("role", ["*", "prod", "eng/backend", "a-b", "a.b"])
def test_role_is_taken(role: str) -> None:
    assert role_problem(role) is None


@pytest.mark.parametrize(
    "role", ["", ".", "..", "-a", "a b", "a//b", "/a", "a/", "a/*", "a/-b", "a\\b"]
)
def test_role_is_refused_with_a_reason(role: str) -> None:
    assert role_problem(role)


@pytest.mark.parametrize(
    ("asked", "filtered_ms"),
    [
        (None, 5_000),
        (-1.0, 5_000),
        (math.nan, 5_000),
        (0.0, 0),
        (1.5, 1_500),
        (math.inf, 365 * 24 * 3_600_000),
    ],
)
def test_filter_is_as_long_as_mesos_says(asked: float | None, filtered_ms: int) -> None:
    assert refuse_ms_of(asked) == filtered_ms
