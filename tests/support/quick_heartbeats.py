"""``raftleader``, but its leaders send a HEARTBEAT twice a second.

There are clients that handle an event only when the next one comes; with Mesos'
15 s between heartbeats a test of them lasts a minute. Run as a program, also by the
``up`` it becomes: every node of that cluster is this program again.
"""

from __future__ import annotations

import sys

from raftleader import limits

limits.HEARTBEAT_INTERVAL_S = 0.5

from raftleader.__main__ import main  # noqa: E402  # reads the limit on import
from raftleader.cli import local_process  # noqa: E402

local_process.child_command = lambda: [sys.executable, "-P", __file__]

if __name__ == "__main__":
    main()
