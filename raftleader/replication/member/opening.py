"""What a node reads when it starts, and whether it may run on it.

The journal and the newest snapshot were written one after the other, so a crash may
have left either ahead. Let S be the index of the snapshot, and the log of the journal
the entries after B up to L:

* S < B, or no snapshot and B > 0: entries are missing that are nowhere else on this
  node. It refuses to start.
* B <= S <= L, and the entry at S has the term of the snapshot: all is well.
* S > L, or another term at S: the snapshot came from a leader, and the crash was
  before the journal was reset. The reset is done now. (What a snapshot holds is
  committed, so it never depends on who sent it.)
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import msgspec

from raftleader.errors import ConfigError
from raftleader.replication.disk import Disk
from raftleader.replication.entries import Entry
from raftleader.replication.journal import Journal, Recovered
from raftleader.replication.member.formation import FormationNote
from raftleader.replication.raft.configuration import Configuration
from raftleader.replication.raft.messages import SnapshotMeta
from raftleader.replication.raft.work import Ballot, StartingPoint
from raftleader.replication.snapshots import SnapshotStore

ENGINE = "raft"
MEMBERS_NOTE = "members"
FORMATION_NOTE = "formation"
INSTANCES_NOTE = "instances"
AS_OF_NOTE = "as of"


class MembersNote(msgspec.Struct, frozen=True, kw_only=True):
    """With which members this directory was made.

    The log names the members from its first membership change on; before that these
    count, whatever the node is told at a later start."""

    configuration: Configuration
    is_joined: bool


@attrs.frozen(kw_only=True)
class Opened:
    """Everything read, checked and durable; the journal and the store are open."""

    journal: Journal
    store: SnapshotStore
    start: StartingPoint
    members: MembersNote
    formation: FormationNote
    instances: bytes | None
    as_of: int
    repairs: tuple[str, ...]


def open_member(
    *,
    cluster_id: str,
    node_id: str,
    peers: Configuration,
    is_joining: bool,
    disk: Disk,
    directory: str,
    draw_instance: Callable[[], str],
    segment_bytes: int,
    keep_entries: int,
) -> Opened:
    """Open or make the directory of a node.

    Raises ConfigError if the directory is of another cluster, node or engine, of a
    newer format, in use, or lacks a snapshot; JournalDamagedError; OSError.
    """
    disk.make_directory(directory)
    journal = Journal.open(
        f"{directory}/journal",
        cluster_id=cluster_id,
        node_id=node_id,
        engine=ENGINE,
        disk=disk,
        segment_bytes=segment_bytes,
        draw_instance=draw_instance,
    )
    try:
        store = SnapshotStore(disk, f"{directory}/snapshots", cluster_id=cluster_id)
        recovered = journal.recovered
        notes = recovered.notes
        if MEMBERS_NOTE not in notes and store.newest() is not None:
            raise ConfigError(
                f"{directory} has a snapshot, but its journal is gone, and with it what"
                " this node promised. Restore the journal, or remove this node from"
                " the group and add it again with an empty directory"
            )
        members = _members(journal, notes.get(MEMBERS_NOTE), node_id, peers, is_joining)
        formation = FormationNote()
        if FORMATION_NOTE in notes:
            formation = msgspec.msgpack.decode(
                notes[FORMATION_NOTE], type=FormationNote
            )
        start = _starting_point(
            directory, journal, recovered, store, members.configuration, keep_entries
        )
        journal.sync()
    except BaseException:
        journal.abandon()
        raise
    return Opened(
        journal=journal,
        store=store,
        start=start,
        members=members,
        formation=formation,
        instances=notes.get(INSTANCES_NOTE),
        as_of=int(notes.get(AS_OF_NOTE, b"0")),
        repairs=recovered.repairs + store.problems,
    )


def _members(
    journal: Journal,
    note: bytes | None,
    node_id: str,
    peers: Configuration,
    is_joining: bool,
) -> MembersNote:
    if note is not None:
        return msgspec.msgpack.decode(note, type=MembersNote)
    own = peers.peer(node_id)
    if is_joining:
        peers = peers.without(node_id)  # it is none until the log says so
    elif own is None or not own.is_voter:
        raise ConfigError(f"members does not name this node, {node_id!r}")
    members = MembersNote(configuration=peers, is_joined=is_joining)
    journal.note(MEMBERS_NOTE, msgspec.msgpack.encode(members))
    return members


def _starting_point(
    directory: str,
    journal: Journal,
    recovered: Recovered,
    store: SnapshotStore,
    first: Configuration,
    keep_entries: int,
) -> StartingPoint:
    ballot = Ballot(term=recovered.term, vote=recovered.vote)
    snapshot = store.newest()
    base_index, base_term = recovered.base_index, recovered.base_term
    entries = recovered.entries
    if snapshot is None or snapshot.index < base_index:
        if base_index > 0:
            raise ConfigError(_hole(directory, base_index, snapshot, store))
        return StartingPoint(ballot=ballot, entries=tuple(entries), configuration=first)
    if _term_at(snapshot.index, base_index, base_term, entries) != snapshot.term:
        journal.reset(snapshot.index, snapshot.term)
        base_index, base_term, entries = snapshot.index, snapshot.term, []
    surplus = snapshot.index - keep_entries - base_index
    if surplus > 0:
        base_index, base_term = entries[surplus - 1].index, entries[surplus - 1].term
        del entries[:surplus]
    return StartingPoint(
        ballot=ballot,
        base_index=base_index,
        base_term=base_term,
        entries=tuple(entries),
        configuration=snapshot.configuration,
        snapshot=snapshot,
    )


def _term_at(
    index: int, base_index: int, base_term: int, entries: list[Entry]
) -> int | None:
    if index == base_index:
        return base_term
    position = index - base_index - 1
    return entries[position].term if position < len(entries) else None


def _hole(
    directory: str,
    base_index: int,
    snapshot: SnapshotMeta | None,
    store: SnapshotStore,
) -> str:
    found = "none" if snapshot is None else f"the newest is of entry {snapshot.index}"
    damaged = "".join(f"; {problem}" for problem in store.problems)
    return (
        f"{directory}: the journal begins after entry {base_index}, and needs a"
        f" snapshot of that entry or a later one, but there is {found}{damaged}."
        " Restore the snapshot file, or remove this node from the group and add it"
        " again with an empty directory"
    )
