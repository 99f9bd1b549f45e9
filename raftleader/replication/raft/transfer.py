"""Handing leadership over (section 3.10), on request or when the leader is removed.

The leader takes no more proposals, waits until the target has the whole log, and
tells it to campaign at once; voters grant it although they hear a leader. If no
successor is heard of within the longest election timeout the leader goes on.
"""

from __future__ import annotations

import math

from raftleader.replication.raft.group import Group, Reign
from raftleader.replication.raft.membership import is_recently_active
from raftleader.replication.raft.messages import TimeoutNow


def begin(target: str, group: Group) -> str | None:
    """Hand over to ``target``: None if begun, else why not."""
    reign = group.reign
    if reign is None:
        return "not the leader"
    if target == group.node_id:
        return f"{target} leads already"
    if reign.transfer_to is not None:
        return f"leadership is being handed over to {reign.transfer_to}"
    if target not in group.voters:
        return f"{target} is no voter"
    if not is_recently_active(target, group, reign):
        return f"{target} does not answer"
    reign.transfer_to = target
    reign.transfer_until = group.now_s + group.settings.election_timeout_max_s
    reign.is_round_due = True  # shows at once what the target lacks
    group.counts["transfers"] += 1
    go_on(reign, target, group)
    return None


def go_on(reign: Reign, peer: str, group: Group) -> None:
    """The log of ``peer`` grew: if it waits for leadership, it may have it now."""
    if peer != reign.transfer_to:
        return
    if reign.progress[peer].match == group.log.last_index:
        group.send(peer, TimeoutNow(sender=group.node_id, term=group.term))


def give_up(reign: Reign, group: Group) -> None:
    """The target took too long: lead on."""
    reign.transfer_to = None
    reign.transfer_until = math.inf
    group.counts["transfers_given_up"] += 1


def leave_if_removed(reign: Reign, group: Group) -> None:
    """Follow once our own removal is committed, after telling the voter with the
    longest log to campaign, so that nobody has to wait for a timeout (4.2.2)."""
    if group.is_voter or group.log.configuration_index > group.commit_index:
        return
    heir = max(
        group.voters,
        key=lambda one: (
            is_recently_active(one, group, reign),
            reign.progress[one].match,
        ),
    )
    group.send(heir, TimeoutNow(sender=group.node_id, term=group.term))
    group.follow(group.term, None)
