"""Our journal: what a node must not forget, in segments that are only appended to.

A directory of numbered files, *segments*; their bytes are in ``format``. Records
(entries, truncations, the ballot, resets, notes) wait in memory until ``sync`` writes
them as one *batch* and waits for the disk. So:

* **A batch is the unit of loss.** The next one is written only when this one is
  durable. A bad batch with nothing valid behind it was therefore never synced,
  whatever order its pages reached the disk in: it is *torn*, and cut. A bad batch with
  a valid one behind it, in this segment or by there being another, is *damage* to what
  was promised, and the node refuses to start. What cannot be told apart: damage to the
  very last batch, after it was synced, and a write that was not finished.
* **A batch is valid in one place.** Its checksum goes on from the header's, which has
  the journal's instance and the segment's number in it, and covers its offset: a copy
  of a journal inside an entry, or a block of another file, is never taken for a part
  of this one. The head of a batch has its own checksum, so a wrong size is noticed
  before anything of that size is read.
* **Segments come whole.** A new one is written under another name, with its header
  and all that waited as its first batch, and gets its name when it is durable. It
  opens with the sum of those before it (ballot, notes, where the log ends), so that
  they can go when a snapshot stands for their entries, and one that is missing, or
  ends too early, is noticed.
* **Segments go one by one**, oldest first, each removal durable before the next: no
  crash leaves a gap.
* **Space is reserved ahead**: a segment has its size from the beginning. A disk that
  is full is noticed when a segment is made, nearly always, and nothing is lost: what
  waits goes on waiting, until there is room. All other failures to write are final.

The journal keeps no entries: who opens it takes them from ``Journal.recovered``.

Rejected: one growing file (no way to forget), a file of its own for the ballot (a
second sync for each vote, or votes that are older than the log), real zeros instead of
reserved space (as fast to sync on ext4, and a segment takes 40 ms to make), using the
files of dropped segments again (old batches behind the end of new ones).
"""

from raftleader.replication.journal.format import FORMAT_VERSION
from raftleader.replication.journal.journal import (
    SEGMENT_BYTES,
    Journal,
    Recovered,
    draw_instance,
    whole_log,
)

__all__ = [
    "FORMAT_VERSION",
    "SEGMENT_BYTES",
    "Journal",
    "Recovered",
    "draw_instance",
    "whole_log",
]
