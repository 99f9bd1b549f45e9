"""Messages of Raft, for people: ``INDEX/TERM`` is a place in the log."""

from __future__ import annotations

from support.raft_nodes import name_of

from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.messages import (
    AppendEntries,
    AppendReply,
    Heartbeat,
    HeartbeatReply,
    Message,
    RequestVote,
    SnapshotChunk,
    SnapshotReply,
    VoteReply,
)


def message_in_words(message: Message) -> str:
    """One line, without sender and recipient."""
    term = f"t{message.term}"
    match message:
        case RequestVote():
            kind = "probe" if message.is_probe else "vote"
            how = ", handed over" if message.is_transfer else ""
            return f"{term} {kind}? my log ends {_last(message)}{how}"
        case VoteReply():
            kind = "probe" if message.is_probe else "vote"
            return f"{term} {kind} {'granted' if message.is_granted else 'refused'}"
        case AppendEntries():
            entries = [
                name_of(data) + ("" if term == message.term else f"@{term}")
                for term, data in message.entries
            ]
            if len(entries) > 4:
                entries[2:-1] = [f"...{len(entries) - 3} more..."]
            after = f"{message.prev_index}/{message.prev_term}"
            what = " ".join(entries) or "(no entries)"
            return f"{term} append after {after}: {what}; commit {message.commit_index}"
        case AppendReply(is_accepted=True):
            return f"{term} have up to {message.index}"
        case AppendReply():
            hint = f"{message.hint_index}/{message.hint_term}"
            return f"{term} no match at {message.index}, try {hint}"
        case Heartbeat():
            return f"{term} heartbeat {message.round}, commit {message.commit_index}"
        case HeartbeatReply():
            return f"{term} heard {message.round}, my log ends {message.last_index}"
        case SnapshotChunk():
            meta, end = message.meta, message.offset + len(message.data)
            of = f"snapshot {meta.index}/{meta.term}"
            return f"{term} {of}: {message.offset}-{end} of {meta.size_bytes}"
        case SnapshotReply(is_installed=True):
            return f"{term} snapshot {message.index} is installed"
        case SnapshotReply():
            return f"{term} snapshot {message.index}: go on at {message.next_offset}"
        case _:
            return f"{term} lead now!"


def members_in_words(configuration: Configuration) -> str:
    """``a b (c) d=17``: c is a learner, d is known by its instance."""
    words = []
    for peer in configuration.peers:
        known = f"={peer.instance}" if peer.instance else ""
        words.append(
            f"{peer.node_id}{known}" if peer.is_voter else f"({peer.node_id}{known})"
        )
    return " ".join(words) or "nobody"


def _last(message: RequestVote) -> str:
    return f"{message.last_index}/{message.last_term}"
