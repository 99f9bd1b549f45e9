"""The snapshots of a node, as files: written, kept, sent, received, read.

The store never looks into them: they are bytes of some state machine. See ``store``
for what is in the directory and what survives, ``format`` for what is in a file.
"""

from raftleader.replication.snapshots.store import SnapshotStore
from raftleader.replication.snapshots.writing import SnapshotWriter

__all__ = ["SnapshotStore", "SnapshotWriter"]
