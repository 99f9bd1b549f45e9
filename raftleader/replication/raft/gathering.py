"""What inputs left to do, gathered into one ``Work``."""

from __future__ import annotations

from raftleader.replication.raft.group import Group, Role
from raftleader.replication.raft.messages import AppendReply
from raftleader.replication.raft.work import Ballot, Work


def has_work(group: Group) -> bool:
    """Whether ``gather`` may have something, once the leader's messages are made."""
    log, reign = group.log, group.reign
    return bool(
        group.outbox
        or log.taken_index != log.last_index
        or group.accepted_index is not None
        or group.is_ballot_new
        or (reign is not None and (reign.is_round_due or reign.is_sending_due))
        or group.reads_done
        or group.chunk is not None
        or group.snapshots_wanted
    )


def gather(group: Group) -> Work:
    """Everything that waits; nothing waits afterwards."""
    log = group.log
    messages, group.outbox = group.outbox, []
    if group.accepted_index is not None:
        if group.leader is not None and group.role is Role.FOLLOWER:
            reply = AppendReply(
                sender=group.node_id,
                term=group.term,
                is_accepted=True,
                index=group.accepted_index,
            )
            # Before the answers to heartbeats that came after the entries.
            messages.insert(0, (group.leader, reply))
        group.accepted_index = None
    ballot = None
    if group.is_ballot_new:
        ballot = Ballot(term=group.term, vote=group.vote)
        group.is_ballot_new = False
    truncate_from, log.truncate_from = log.truncate_from, None
    wanted, group.snapshots_wanted = group.snapshots_wanted, []
    chunk, group.chunk = group.chunk, None
    reads, group.reads_done = group.reads_done, []
    return Work(
        ballot=ballot,
        truncate_from=truncate_from,
        entries=log.take(),
        messages=tuple(messages),
        snapshots_wanted=tuple(wanted),
        chunk=chunk,
        reads=tuple(reads),
    )
