"""Judging a local cluster by what its nodes say of themselves."""

from __future__ import annotations

from typing import Any

from raftleader.cli.local_cluster import agreed_leader, leading_node


def node(
    *,
    leading: bool = False,
    term: int = 3,
    applied_index: int = 10,
    commit_index: int = 10,
) -> dict[str, Any]:
    return {
        "leading": leading,
        "term": term,
        "applied_index": applied_index,
        "commit_index": commit_index,
    }


def test_of_two_nodes_that_say_they_lead_the_higher_term_counts() -> None:
    statuses = {"a": node(leading=True, term=3), "b": node(leading=True, term=4)}
    assert leading_node(statuses) == "b"
    assert leading_node(statuses, besides="b") == "a"


def test_nobody_leads_when_nobody_answers() -> None:
    assert leading_node({"a": None, "b": node()}) is None
    assert agreed_leader({"a": None, "b": node()}) is None


def test_leader_is_agreed_when_all_follow_and_have_what_it_committed() -> None:
    good = {"a": node(leading=True), "b": node(), "c": node(applied_index=11)}
    assert agreed_leader(good) == "a"
    assert agreed_leader(good | {"c": None}) is None
    assert agreed_leader(good | {"c": node(term=2)}) is None
    assert agreed_leader(good | {"c": node(applied_index=9)}) is None
