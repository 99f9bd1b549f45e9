"""Messages of the PySyncObj engine: exactly ours, or refused."""

from __future__ import annotations

import pickle

import msgspec
import pysyncobj.pickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftleader.replication.link_messages import BadMessageError
from raftleader.replication.pysyncobj_backend import wire

MESSAGES = [
    wire.RequestVote(sender="n1", term=1, last_index=1, last_term=0, is_probe=True),
    wire.VoteReply(sender="n1", term=0, is_probe=False, is_granted=True),
    wire.AppendEntries(
        sender="n1",
        term=2,
        prev_index=1,
        prev_term=0,
        commit_index=1,
        entries=[(1, b"\x01"), (2, b"\x00data")],
    ),
    wire.AppendReply(sender="n1", term=2, is_accepted=False, index=3, hint=2),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_message_comes_back_as_it_was(message: wire.RaftMessage) -> None:
    assert wire.decode(wire.encode(message)) == message


@pytest.mark.parametrize("message", MESSAGES)
def test_message_cut_or_extended_is_refused(message: wire.RaftMessage) -> None:
    frame = wire.encode(message)
    for size in range(len(frame)):
        with pytest.raises(BadMessageError):
            wire.decode(frame[:size])
    with pytest.raises(BadMessageError):
        wire.decode(frame + b"\x00")


APPEND = ["append_entries", "n1", 2, 1, 0, 1, [[1, b"\x01"]]]


@pytest.mark.parametrize(
    "content",
    [
        [*APPEND, "finish"],  # the library's transmission of a part
        {"type": "append_entries", "transmission": "start", "data": b""},
        {"type": "append_entries", "serialized": [b"", True, True], "term": 1},
        {"type": "apply_command", "command": b""},
        [*APPEND[:2], -1, *APPEND[3:]],
        [*APPEND[:2], 0, *APPEND[3:]],
        [*APPEND[:2], 2**62, *APPEND[3:]],
        [*APPEND[:2], 2.0, *APPEND[3:]],
        [*APPEND[:2], "2", *APPEND[3:]],
        [*APPEND[:3], 0, *APPEND[4:]],
        [*APPEND[:6], [[1, "text"]]],
        [*APPEND[:6], [[1, b""]]],
        [*APPEND[:6], [[1, b"\x02membership"]]],
        [*APPEND[:6], [[2, b"\x01"], [1, b"\x01"]]],
        [*APPEND[:6], [[3, b"\x01"]]],
        ["append_entries", "", *APPEND[2:]],
        ["append_entries", "n" * 256, *APPEND[2:]],
        ["snapshot", "n1", 1],
        ["ping"],
        [],
        None,
        7,
    ],
)
def test_message_that_is_not_quite_ours_is_refused(content: object) -> None:
    with pytest.raises(BadMessageError):
        wire.decode(msgspec.msgpack.encode(content))


def test_message_as_it_should_be_is_taken() -> None:
    assert wire.decode(msgspec.msgpack.encode(APPEND)) == wire.AppendEntries(
        sender="n1",
        term=2,
        prev_index=1,
        prev_term=0,
        commit_index=1,
        entries=[(1, b"\x01")],
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    try:
        wire.decode(frame)
    except BadMessageError:
        pass


def test_deeply_nested_frame_is_refused() -> None:
    with pytest.raises(BadMessageError):
        wire.decode(b"\x91" * 100_000)


def test_pickle_is_out_of_the_library_s_reach() -> None:
    with pytest.raises(AssertionError, match="reached for pickle"):
        pysyncobj.pickle.loads(pickle.dumps(1))
    with pytest.raises(BadMessageError):
        wire.decode(pickle.dumps({"type": "append_entries"}))
