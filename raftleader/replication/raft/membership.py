"""Changes of the group, one at a time (chapter 4).

A change is an entry with the whole new configuration, which counts for its leader
and for every follower from the moment it is appended. Two majorities of neighbouring
configurations share a member as long as one voter is added or removed at a time; so a
change waits until the one before is committed, and until the leader has committed an
entry of its own term (without that, two leaders' changes could part the group).

A node comes in as a learner, which receives the log without a voice, and becomes a
voter when it has nearly all of it: a majority never depends on an empty log.
"""

from __future__ import annotations

import attrs

from raftleader.replication.raft.configuration import Configuration, Peer
from raftleader.replication.raft.group import Group, Reign
from raftleader.replication.raft.progress import PeerProgress


@attrs.frozen
class AddLearner:
    """``peer`` receives the log from now on, without a voice."""

    peer: Peer


@attrs.frozen
class Promote:
    """The learner of that name becomes a voter."""

    node_id: str


@attrs.frozen
class Remove:
    """The member of that name is one no more; also the leader itself may go."""

    node_id: str


@attrs.frozen
class LearnInstance:
    """The data directory of a member whose instance was not known yet."""

    node_id: str
    instance: str


Change = AddLearner | Promote | Remove | LearnInstance


@attrs.frozen
class Proposed:
    """The change is the entry ``index`` now; it is made when that is committed."""

    index: int


@attrs.frozen
class Refused:
    """Nothing was changed; ``reason`` says why, in words."""

    reason: str


def plan(
    change: Change, group: Group, *, learner_lag_max: int
) -> Configuration | Refused:
    """The configuration after ``change``, or why it may not be made now."""
    reign = group.reign
    if reign is None:
        return Refused("not the leader")
    if reign.transfer_to is not None:
        return Refused(f"leadership is being handed over to {reign.transfer_to}")
    if group.log.configuration_index > group.commit_index:
        return Refused("another change is under way")
    if group.commit_index < reign.no_op_index:
        return Refused("no entry of this term is committed yet")
    if isinstance(change, AddLearner):
        return _add_learner(change.peer, group.configuration)
    if isinstance(change, Promote):
        return _promote(change.node_id, group, reign, learner_lag_max)
    if isinstance(change, Remove):
        return _remove(change.node_id, group, reign)
    return _learn_instance(change, group.configuration)


def _add_learner(peer: Peer, configuration: Configuration) -> Configuration | Refused:
    if configuration.peer(peer.node_id) is not None:
        return Refused(f"{peer.node_id} is a member already")
    for other in configuration.peers:
        if peer.address and other.address == peer.address:
            return Refused(f"{peer.address} is the address of {other.node_id}")
    learner = Peer(
        node_id=peer.node_id,
        address=peer.address,
        is_voter=False,
        instance=peer.instance,
    )
    return configuration.with_peer(learner)


def _promote(
    node_id: str, group: Group, reign: Reign, learner_lag_max: int
) -> Configuration | Refused:
    peer = group.configuration.peer(node_id)
    if peer is None:
        return Refused(f"no member is called {node_id}")
    if peer.is_voter:
        return Refused(f"{node_id} is a voter already")
    lag = group.log.last_index - reign.progress[node_id].match
    if lag > learner_lag_max:
        return Refused(f"learner {node_id} is {lag} entries behind")
    if not is_recently_active(node_id, group, reign):
        return Refused(f"learner {node_id} does not answer")
    return group.configuration.with_peer(
        Peer(
            node_id=node_id, address=peer.address, is_voter=True, instance=peer.instance
        )
    )


def _remove(node_id: str, group: Group, reign: Reign) -> Configuration | Refused:
    peer = group.configuration.peer(node_id)
    if peer is None:
        return Refused(f"no member is called {node_id}")
    after = group.configuration.without(node_id)
    if not after.voters:
        return Refused(f"{node_id} is the last voter")
    active = [one for one in after.voters if is_recently_active(one, group, reign)]
    if peer.is_voter and len(active) < len(after.voters) // 2 + 1:
        return Refused(f"without {node_id} no majority of the voters answers")
    return after


def _learn_instance(
    change: LearnInstance, configuration: Configuration
) -> Configuration | Refused:
    peer = configuration.peer(change.node_id)
    if peer is None:
        return Refused(f"no member is called {change.node_id}")
    if peer.instance:
        return Refused(f"the instance of {change.node_id} is known already")
    return configuration.with_peer(
        Peer(
            node_id=peer.node_id,
            address=peer.address,
            is_voter=peer.is_voter,
            instance=change.instance,
        )
    )


def is_recently_active(node_id: str, group: Group, reign: Reign) -> bool:
    """Whether the member answered within the time after which a leader without a
    majority gives up. We always do."""
    if node_id == group.node_id:
        return True
    silence_s = group.now_s - reign.progress[node_id].heard_at
    return silence_s <= group.settings.leader_fallback_s


def view(group: Group) -> tuple[PeerProgress, ...]:
    """Each other member as this leader sees it; nothing if we do not lead."""
    reign = group.reign
    if reign is None:
        return ()
    return tuple(
        PeerProgress(
            node_id=peer,
            match=progress.match,
            next=progress.next,
            state=progress.state,
            is_recently_active=is_recently_active(peer, group, reign),
        )
        for peer, progress in reign.progress.items()
    )
