"""What an operator should read in the log about a node of our Raft engine."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import attrs
import trio

from raftleader.replication.member.member import Member
from raftleader.replication.member.statistics import Condition, MemberStatistics

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks."""


LOOKS_UNTIL_WARNING = 10
"""A group that is not formed after so many looks lacks somebody for good."""
LOOKS_BETWEEN_WARNINGS = 60


async def say_what_changes(node_id: str, member: Member) -> None:
    """Log when the disk fills up or has room again, when the node's place in the
    group changes or is not an ordinary voter's at the start, and what it waits for.
    Until cancelled."""
    seen = member.statistics()
    for repair in seen.repairs:
        logger.warning("node %s: %s", node_id, repair)
    before: MemberStatistics | None = seen
    looks_forming, strangers = 0, Strangers()
    while True:
        await trio.sleep(LOOK_S)
        now = member.statistics()
        if before is seen and now.condition is seen.condition:
            before = None
        said = changes(before, now) + strangers.look(now.strangers)
        looks_forming = looks_forming + 1 if now.condition is Condition.FORMING else 0
        if is_time_to_warn(looks_forming):
            said.append((logging.WARNING, _not_formed(now)))
        for level, text in said:
            logger.log(level, "node %s: %s", node_id, text)
        before = now


def is_time_to_warn(looks_forming: int) -> bool:
    """After so many looks at a group that is not formed."""
    since = looks_forming - LOOKS_UNTIL_WARNING
    return since >= 0 and since % LOOKS_BETWEEN_WARNINGS == 0


def changes(
    before: MemberStatistics | None, now: MemberStatistics
) -> list[tuple[int, str]]:
    """What is worth saying, with the level of the record.

    ``before`` is None at the start: then whatever is not as it is with a voter."""
    was_full = before is not None and before.is_disk_full
    condition = Condition.VOTER if before is None else before.condition
    said: list[tuple[int, str]] = []
    if now.is_disk_full and not was_full:
        text = "the disk is full: this node keeps still until there is room"
        said.append((logging.WARNING, text))
    if was_full and not now.is_disk_full:
        said.append((logging.WARNING, "there is room on the disk again"))
    if now.condition is Condition.FORMING:
        if before is None or now.waits_for != before.waits_for:
            said.append((logging.INFO, _not_formed(now)))
    elif now.condition is not condition:
        removed = now.condition is Condition.REMOVED
        level = logging.WARNING if removed else logging.INFO
        said.append((level, f"is {now.condition.value} now"))
    return said


@attrs.define
class Strangers:
    """Who was warned of lately: two nodes under one name take turns to be heard."""

    _quiet_looks: dict[str, int] = attrs.field(factory=dict)

    def look(self, names: Sequence[str]) -> list[tuple[int, str]]:
        """What is worth saying about those that are seen now."""
        left = {name: looks - 1 for name, looks in self._quiet_looks.items()}
        self._quiet_looks = {name: looks for name, looks in left.items() if looks}
        new = [name for name in names if name not in self._quiet_looks]
        self._quiet_looks |= dict.fromkeys(new, LOOKS_BETWEEN_WARNINGS)
        return [
            (
                logging.WARNING,
                f"a node speaks as {name} whose data directory is not that of {name};"
                " nothing of it is taken. Do two nodes run under one name?",
            )
            for name in new
        ]


def _not_formed(now: MemberStatistics) -> str:
    return (
        f"the group is not formed yet: {now.waits_for}. It begins when every one of"
        " its first members has been heard from, once"
    )
