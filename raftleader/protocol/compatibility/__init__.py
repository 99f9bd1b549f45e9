"""What of Mesos' v1 API works here, entry by entry, with the test that shows it.

``docs/mesos-compatibility.md`` is made of it (``page.py``). Tests hold both to the
schema, so that no call is forgotten, and to running servers, so that none is told
wrong.
"""

from __future__ import annotations

from raftleader.protocol.compatibility import (
    agent,
    executor,
    http,
    leader,
    scheduler,
    tasks,
)
from raftleader.protocol.compatibility.entries import Entry, Section, Standing

__all__ = ["SECTIONS", "Entry", "Section", "Standing"]

SECTIONS: tuple[Section, ...] = (
    *http.SECTIONS,
    *scheduler.SECTIONS,
    *tasks.SECTIONS,
    *executor.SECTIONS,
    *leader.SECTIONS,
    *agent.SECTIONS,
)
