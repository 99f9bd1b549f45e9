"""Variables by which a run speaks to its nodes; see ``chaos.live.daemon``."""

RECORD_VARIABLE = "RAFTLEADER_CHAOS_RECORD"
"""Where the applied log goes: ``DIR/applied`` makes ``DIR/applied-1.rec`` and so on, a
file for each life."""
CRASH_VARIABLE = "RAFTLEADER_CHAOS_CRASH"
"""What crash point is armed when the process begins."""
CRASH_FILE_VARIABLE = "RAFTLEADER_CHAOS_CRASH_FILE"
"""Of a file that is read again, and then armed, on SIGUSR2."""
MUTANT_VARIABLE = "RAFTLEADER_CHAOS_MUTANT"
"""The name of a bug to plant."""
CRASH_FILE = "crash-point"
"""Name of that file in the folder of a node."""
