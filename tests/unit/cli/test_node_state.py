"""What an operator reads about a node."""

from __future__ import annotations

from typing import Any

import pytest

from raftleader.cli.node_state import members_beside, state_in_words


@pytest.mark.parametrize(
    ("leader", "log", "words"),
    [
        ("n2", {"condition": "voter"}, "voter"),
        (None, {"condition": "voter"}, "voter, no leader"),
        (
            None,
            {"condition": "forming", "waits_for": "not heard from n3"},
            "forming: not heard from n3",
        ),
        ("n2", {"condition": "voter", "is_disk_full": True}, "voter, disk full"),
        (
            "n2",
            {"condition": "learner", "is_installing": True},
            "learner, reading a snapshot",
        ),
        (
            None,
            {
                "condition": "voter",
                "refusals": {"refused by peer: no member": 9, "old term": 1},
            },
            "voter, refused as no member",
        ),
        ("n2", {"condition": "voter", "refusals": {"refused by peer: x": 9}}, "voter"),
        (
            "n2",
            {"condition": "voter", "strangers": ["n1"]},
            "voter, another directory speaks as n1",
        ),
        ("n2", {}, "-"),
        (None, {}, "no leader"),
    ],
)
def test_state_of_a_node_in_words(
    leader: str | None, log: dict[str, Any], words: str
) -> None:
    assert state_in_words({"leader": leader, "log": log}) == words


def test_state_says_when_the_event_loop_was_late() -> None:
    lag = {"late": 3, "max_ms": 120.4}
    status = {"leader": "n1", "log": {"condition": "voter"}, "loop_lag": lag}
    assert state_in_words(status) == "voter, event loop up to 120 ms late"


def test_state_of_a_page_of_another_shape_is_a_dash() -> None:
    assert state_in_words({"leader": "x", "log": 7, "loop_lag": None}) == "-"


def member(node_id: str) -> dict[str, str]:
    return {"id": node_id, "address": f"tcp://{node_id}:1"}


def test_members_that_have_no_row_are_named() -> None:
    old = {"up": True, "node_id": "n1", "applied_index": 1, "log": {}}
    log = {"members": [member("n1"), member("n2"), member("n4")]}
    new = {"up": True, "node_id": "n2", "applied_index": 9, "log": log}
    assert members_beside([old, new]) == ["n4 at tcp://n4:1"]
    # The row that is down may be n4.
    assert members_beside([old, new, {"up": False}]) == []
    assert members_beside([]) == []
