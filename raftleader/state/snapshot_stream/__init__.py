"""The state as a stream that is written and read in short steps.

A leader must not stop for a second to write 200,000 rows. ``capture`` copies the
tables, not the rows (rows are frozen), and encodes them slice by slice while the
cluster goes on. ``Restoring`` reads such a stream slice by slice into a new state and
makes indexes, sums and checks as rows come, so that nothing is left for the end.

Unlike the canonical ``state.snapshot`` it keeps the order of every dict: a restored
replica goes on exactly as one that was never restored, whatever it iterates.
"""

from raftleader.state.snapshot_stream.capturing import capture
from raftleader.state.snapshot_stream.format import CHUNK_BYTES, VERSION
from raftleader.state.snapshot_stream.restoring import Restoring

__all__ = ["CHUNK_BYTES", "VERSION", "Restoring", "capture"]
