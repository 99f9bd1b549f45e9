"""How a node is doing, for status pages and metrics."""

from __future__ import annotations

import enum

import attrs

from raftleader.replication.raft.configuration import Configuration


class Condition(enum.Enum):
    """What a node is in its group."""

    FORMING = "forming"
    """The group has never run, and not every first voter has been heard from."""
    JOINING = "joining"
    """Started as a newcomer; no membership change that names it was seen."""
    LEARNER = "learner"
    VOTER = "voter"
    REMOVED = "removed"
    """A membership change took it out. It goes on quietly, until it is stopped."""


@attrs.frozen(kw_only=True)
class MemberStatistics:
    """Right now.

    Attributes:
        waits_for: While forming, in words: for whom.
        leader: Node id, or None while there is none.
        journal_bytes: On disk and waiting for it.
        snapshot_index: Of the newest stored snapshot; 0 if there is none.
        is_disk_full: Nothing can be written; the node keeps still until it can.
        is_installing: A snapshot is being read into the state machine.
        pending: Proposals that are not settled.
        links: Peers to which a link is up.
        repairs: What was mended when the directory was opened, in words.
        strangers: Members under whose name a node speaks whose data directory is not
            the known one; nothing of it is taken.
    """

    condition: Condition
    waits_for: str
    term: int
    role: str
    leader: str | None
    first_index: int
    last_index: int
    commit_index: int
    applied_index: int
    journal_bytes: int
    snapshot_index: int
    snapshot_bytes: int
    is_disk_full: bool
    is_installing: bool
    pending: int
    links: tuple[str, ...]
    repairs: tuple[str, ...]
    strangers: tuple[str, ...] = ()


def condition_of(
    node_id: str, configuration: Configuration, *, is_formed: bool, has_log: bool
) -> Condition:
    """Of a node with an entry or a snapshot, or without: only members are sent any."""
    if not is_formed:
        return Condition.FORMING
    own = configuration.peer(node_id)
    if own is not None:
        return Condition.VOTER if own.is_voter else Condition.LEARNER
    return Condition.REMOVED if has_log else Condition.JOINING
