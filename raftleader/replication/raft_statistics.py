"""What a node of our Raft engine tells of itself, ready for a status page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from raftleader.replication.interface import LogStatistics
from raftleader.replication.member.member import Member
from raftleader.replication.member.opening import ENGINE
from raftleader.replication.mesh import Mesh
from raftleader.replication.wire import PeerMessage


def refusals_of(
    member: Member | None, mesh: Mesh[PeerMessage] | None
) -> Mapping[str, int]:
    """What links and the member refused, by reason; sorted."""
    counts: Counter[str] = Counter()
    for part in (member, mesh):
        if part is not None:
            counts.update(part.refusals)
    return dict(sorted(counts.items()))


def statistics_of(
    member: Member | None, mesh: Mesh[PeerMessage] | None
) -> LogStatistics:
    """Counters right now; zeros before the log runs.

    A leader says of each other member how many entries it is known to lack."""
    if member is None:
        return LogStatistics(
            engine=ENGINE,
            term=0,
            last_index=0,
            commit_index=0,
            applied_index=0,
            journal_bytes=0,
            peers_connected=(),
        )
    now = member.statistics()
    behind = {
        one.node_id: max(0, now.last_index - one.match)
        for one in member.core.progress()
    }
    details = attrs.asdict(now) | {
        "condition": now.condition.value,
        "members": [
            {
                "id": one.node_id,
                "address": one.address,
                "is_voter": one.is_voter,
                "behind": behind.get(one.node_id),
            }
            for one in member.configuration.peers
        ],
        "refusals": refusals_of(member, mesh),
        "events": dict(sorted(member.counts.items())),
    }
    return LogStatistics(
        engine=ENGINE,
        term=now.term,
        last_index=now.last_index,
        commit_index=now.commit_index,
        applied_index=now.applied_index,
        journal_bytes=now.journal_bytes,
        peers_connected=mesh.peers_connected if mesh is not None else (),
        details=details,
    )
