"""PySyncObj's names, said plainly: constants, settings, nodes, private attributes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, cast

import pysyncobj
import pysyncobj.node
import pysyncobj.transport

from raftleader.replication.settings import RaftSettings

T = TypeVar("T")

FOLLOWER, CANDIDATE, LEADER = 0, 1, 2
SUCCESS: int = pysyncobj.FAIL_REASON.SUCCESS
QUEUE_FULL: int = pysyncobj.FAIL_REASON.QUEUE_FULL
MISSING_LEADER: int = pysyncobj.FAIL_REASON.MISSING_LEADER
DISCARDED: int = pysyncobj.FAIL_REASON.DISCARDED
NOT_LEADER: int = pysyncobj.FAIL_REASON.NOT_LEADER
LEADER_CHANGED: int = pysyncobj.FAIL_REASON.LEADER_CHANGED
REQUEST_DENIED: int = pysyncobj.FAIL_REASON.REQUEST_DENIED

NEVER_S = 10**9
"""For timers of the library that must not fire."""

Answer = Callable[[object, int], None]
"""``answer(result, reason)``: what became of a command. Never raises."""


class Member(pysyncobj.node.Node):  # type: ignore[misc]
    """A node by its id. Hashed alike in every process, so that runs repeat."""

    def __hash__(self) -> int:
        return zlib.crc32(self.id.encode())


class AskForVote(Protocol):
    """Sends a member the request for its vote in ``term``."""

    def __call__(self, peer: Member, *, term: int, is_probe: bool) -> None: ...


class Private(Generic[T]):
    """A private attribute of ``SyncObj`` under a name of ours."""

    def __init__(self, name: str) -> None:
        self._key = f"_SyncObj__{name}"

    def __get__(self, instance: object, owner: type) -> T:
        # None only while the library's constructor looks through our attributes.
        return cast(T, instance.__dict__.get(self._key))

    def __set__(self, instance: object, value: T) -> None:
        instance.__dict__[self._key] = value


class VoteRequests(pysyncobj.transport.Transport):  # type: ignore[misc]
    """Takes the one message that the library still sends by itself."""

    def __init__(self, ask: AskForVote) -> None:
        super().__init__(None, None, ())
        self._ask = ask

    def send(self, node: Member, message: dict[str, Any]) -> bool:
        assert message["type"] == "request_vote", message["type"]
        self._ask(node, term=message["term"], is_probe=False)
        return True


class OpenSyncObj(pysyncobj.SyncObj):  # type: ignore[misc]
    """The library's node, with the private attributes that ``guards.py`` needs."""

    term: Private[int] = Private("raftCurrentTerm")
    state: Private[int] = Private("raftState")
    leader: Private[Member | None] = Private("raftLeader")
    commit_index: Private[int] = Private("raftCommitIndex")
    applied_index: Private[int] = Private("raftLastApplied")
    no_op_index: Private[int] = Private("noopIDx")
    connected: Private[set[Member]] = Private("connectedNodes")
    _vote: Private[str | None] = Private("votedForNodeId")
    _deadline: Private[float] = Private("raftElectionDeadline")
    _heartbeat_at: Private[float] = Private("newAppendEntriesTime")
    _match_index: Private[dict[Member, int]] = Private("raftMatchIndex")
    _answered_at: Private[dict[Member, float]] = Private("lastResponseTime")
    _commands: Private[Any] = Private("commandsQueue")
    _waiting: Private[dict[int, list[tuple[int, Answer]]]] = Private(
        "commandsWaitingCommit"
    )


def settings_for(
    settings: RaftSettings,
    *,
    journal: object,
    on_state_changed: Callable[[int, int], None],
) -> pysyncobj.SyncObjConf:
    """The library's settings for ours.

    Compaction, parts of entries, forks, forwarding and pickling are all off (the
    faults C, D and M of ``docs/pysyncobj.md``).
    """
    return pysyncobj.SyncObjConf(
        autoTick=False,
        useFork=False,
        dynamicMembershipChange=False,
        journalFile=journal,
        raftMinTimeout=settings.election_timeout_min_s,
        raftMaxTimeout=settings.election_timeout_max_s,
        appendEntriesPeriod=settings.heartbeat_s,
        appendEntriesBatchSizeBytes=2**30,
        leaderFallbackTimeout=settings.leader_fallback_s,
        connectionTimeout=max(3.5, settings.election_timeout_max_s),
        commandsQueueSize=settings.pending_max,
        logCompactionMinEntries=NEVER_S,
        logCompactionMinTime=NEVER_S,
        onStateChanged=on_state_changed,
    )
