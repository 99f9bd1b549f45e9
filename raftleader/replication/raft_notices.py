"""What an operator should read in the log about a node of our Raft engine."""

from __future__ import annotations

import logging

import trio

from raftleader.replication.member.member import Member
from raftleader.replication.member.statistics import Condition, MemberStatistics

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks."""


async def say_what_changes(node_id: str, member: Member) -> None:
    """Log when the disk fills up or has room again, and when the node's place in the
    group changes. Until cancelled."""
    seen = member.statistics()
    for repair in seen.repairs:
        logger.warning("node %s: %s", node_id, repair)
    while True:
        await trio.sleep(LOOK_S)
        now = member.statistics()
        for level, text in changes(seen, now):
            logger.log(level, "node %s: %s", node_id, text)
        seen = now


def changes(before: MemberStatistics, now: MemberStatistics) -> list[tuple[int, str]]:
    """What is worth saying, with the level of the record."""
    said: list[tuple[int, str]] = []
    if now.is_disk_full and not before.is_disk_full:
        text = "the disk is full: this node keeps still until there is room"
        said.append((logging.WARNING, text))
    if before.is_disk_full and not now.is_disk_full:
        said.append((logging.WARNING, "there is room on the disk again"))
    if now.condition is Condition.FORMING and now.waits_for != before.waits_for:
        said.append((logging.INFO, f"waits for {now.waits_for}"))
    if now.condition is not before.condition:
        removed = now.condition is Condition.REMOVED
        level = logging.WARNING if removed else logging.INFO
        said.append((level, f"is {now.condition.value} now"))
    return said
