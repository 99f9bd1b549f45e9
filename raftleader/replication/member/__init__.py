"""One node of a Raft group without sockets, tasks, clock or randomness.

``member`` is the door; the subjects are beside it: ``opening`` (what is read at the
start), ``formation``, ``greetings`` and ``instances`` (who may speak), ``stepping``
and ``writing`` (the order of a step, and a full disk), ``applying``, ``proposals`` and
``requests`` (who waits for what), ``snapshotting`` and ``installing``.
"""

from raftleader.replication.member.greeting import Greeting
from raftleader.replication.member.member import Member
from raftleader.replication.member.proposals import Done
from raftleader.replication.member.statistics import Condition, MemberStatistics
from raftleader.replication.member.writing import Outgoing

__all__ = [
    "Condition",
    "Done",
    "Greeting",
    "Member",
    "MemberStatistics",
    "Outgoing",
]
