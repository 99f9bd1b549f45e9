"""The state machine of the tests is one itself."""

from __future__ import annotations

import pytest

from raftleader.errors import InvalidInputError
from raftleader.replication.recording import Applied, RecordingMachine


def test_recording_comes_back_from_a_snapshot_in_the_same_list() -> None:
    machine = RecordingMachine(lambda entry: entry.index * 10)
    assert [machine.apply(n, 1, b"x" * n) for n in range(1, 100)][-1] == 990
    pieces = list(machine.capture())
    assert len(pieces) > 1
    other = RecordingMachine(lambda entry: None)
    other.apply(1, 1, b"old")
    applied, restoration = other.applied, other.restore()
    for piece in pieces:
        restoration.feed(piece)
    assert applied == [Applied(1, 1, b"old")]
    restoration.finish()
    assert applied is other.applied
    assert applied == machine.applied


def test_recording_refuses_what_is_no_snapshot() -> None:
    restoration = RecordingMachine(lambda entry: None).restore()
    restoration.feed(b"\xc1")
    with pytest.raises(InvalidInputError):
        restoration.finish()
