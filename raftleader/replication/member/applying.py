"""Committed entries go to the state machine, some in each step."""

from __future__ import annotations

from raftleader.replication.entries import CONFIGURATION, USER
from raftleader.replication.interface import StateMachine
from raftleader.replication.member.proposals import Proposals
from raftleader.replication.raft.configuration import (
    Configuration,
    read_configuration,
)
from raftleader.replication.raft.core import RaftCore

ENTRIES_MAX = 2_000
"""Applied in one step: at 5 us each 10 ms, then messages and timers have a turn."""
BYTES_MAX = 512 * 1024
"""Of entries applied in one step, but one entry of any size: an entry may hold
thousands of commands, at about 100 bytes and 10 us each."""

_USER, _CONFIGURATION = USER[0], CONFIGURATION[0]


class Applying:
    """Feeds the state machine in the order of the log, each entry once.

    Attributes:
        index: The state includes all entries up to this one.
        entries: Applied since ``restored`` or ``snapshot_begun``; and their bytes.
        size_bytes: See ``entries``.
        configuration: In force at ``index``; that is, committed.
        passed: Those that came into force since this was emptied, oldest first, with
            the index since which each is in force, or at which it was found so.
        is_paused: A snapshot is being read into the machine.
    """

    def __init__(
        self,
        machine: StateMachine,
        proposals: Proposals,
        *,
        index: int,
        configuration: Configuration,
    ) -> None:
        self.index = index
        self.entries = 0
        self.size_bytes = 0
        self.configuration = configuration
        self.passed: list[tuple[int, Configuration]] = []
        self.is_paused = False
        self._machine = machine
        self._proposals = proposals

    def apply_some(self, core: RaftCore) -> None:
        """Apply what is committed, up to the limits of a step.

        What the machine raises goes up: the state is then unknown, and the node must
        end.
        """
        last = min(core.commit_index, self.index + ENTRIES_MAX)
        machine_apply, proposals = self._machine.apply, self._proposals
        size_bytes = 0
        for entry in core.entries(self.index + 1, last):
            data, index = entry.data, entry.index
            kind = data[0]
            result: object = index
            if kind == _USER:
                result = machine_apply(index, entry.term, data[1:])
            elif kind == _CONFIGURATION:
                self.configuration = read_configuration(data)
                self.passed.append((index, self.configuration))
            self.index = index
            self.entries += 1
            size_bytes += len(data)
            if index == proposals.next_index:
                proposals.settle(entry, result)
            if size_bytes >= BYTES_MAX:
                break
        self.size_bytes += size_bytes

    def restored(self, index: int, configuration: Configuration) -> None:
        """The machine's state is that after ``index`` now."""
        self.index = index
        if configuration is not self.configuration:  # as it is at a start
            self.configuration = configuration
            self.passed.append((index, configuration))
        self.is_paused = False
        self.count_anew()
        self._proposals.skip_to(index)

    def count_anew(self) -> None:
        """A snapshot was begun or restored: count from here."""
        self.entries = self.size_bytes = 0
