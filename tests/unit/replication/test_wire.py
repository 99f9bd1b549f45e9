"""Frames of our own engine: exactly a message of ours, or refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftleader.replication.entries import CONFIGURATION, NO_OP, user_entry
from raftleader.replication.link_messages import BadMessageError
from raftleader.replication.member.greeting import Greeting
from raftleader.replication.raft import messages as m
from raftleader.replication.raft.configuration import (
    Configuration,
    Peer,
    configuration_entry,
)
from raftleader.replication.wire import Codec, PeerMessage, encode

CODEC = Codec(entry_bytes_max=1000, chunk_bytes_max=500)
MEMBERS = Configuration(peers=(Peer(node_id="n1", address="mem://n1"),))
META = m.SnapshotMeta(
    index=7, term=2, configuration=MEMBERS, size_bytes=100, checksum=b"sum"
)
CHUNK = m.SnapshotChunk(sender="n1", term=2, meta=META, offset=90, data=b"0123456789")
APPEND = m.AppendEntries(
    sender="n1",
    term=3,
    prev_index=0,
    prev_term=0,
    commit_index=0,
    entries=((1, NO_OP), (1, configuration_entry(MEMBERS)), (3, user_entry(b"data"))),
)
MESSAGES: list[PeerMessage] = [
    m.RequestVote(sender="n1", term=1, last_index=0, last_term=0, is_probe=True),
    m.VoteReply(sender="n1", term=0, is_probe=False, is_granted=True),
    APPEND,
    m.AppendReply(sender="n1", term=2, is_accepted=False, index=3, hint_index=2),
    m.Heartbeat(sender="n1", term=1, commit_index=0, round=3),
    m.HeartbeatReply(sender="n1", term=1, round=3, last_index=9),
    CHUNK,
    m.SnapshotReply(sender="n1", term=1, index=7, next_offset=10),
    m.TimeoutNow(sender="n1", term=1),
    Greeting(sender="n1", cluster_id="c", instance="i", first={"n1": "i"}),
]


def changed(message: Any, **changes: object) -> object:
    return msgspec.structs.replace(message, **changes)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_message_comes_back_as_it_was(message: PeerMessage) -> None:
    assert CODEC.decode(encode(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_message_cut_or_extended_is_refused(message: PeerMessage) -> None:
    frame = encode(message)
    for size in range(len(frame)):
        with pytest.raises(BadMessageError):
            CODEC.decode(frame[:size])
    with pytest.raises(BadMessageError):
        CODEC.decode(frame + b"\x00")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (changed(APPEND, entries=((2, NO_OP), (1, NO_OP))), "terms"),
        (changed(APPEND, prev_term=2, entries=((1, NO_OP),)), "terms"),
        (changed(APPEND, entries=((4, NO_OP),)), "terms"),
        (changed(APPEND, prev_term=4, entries=()), "terms"),
        (changed(APPEND, entries=((1, b""),)), "entry kind"),
        (changed(APPEND, entries=((1, b"\x03x"),)), "entry kind"),
        (changed(APPEND, entries=((1, user_entry(bytes(1000))),)), "entry size"),
        (changed(APPEND, entries=((1, CONFIGURATION + b"x"),)), "configuration"),
        (changed(CHUNK, offset=91), "chunk size"),
        (
            changed(
                CHUNK, data=bytes(501), offset=0, meta=changed(META, size_bytes=999)
            ),
            "chunk size",
        ),
        (changed(CHUNK, meta=changed(META, term=3)), "terms"),
        (changed(CHUNK, term=-1), "malformed"),
        (changed(CHUNK, sender=""), "malformed"),
        (changed(APPEND, sender="n" * 256), "malformed"),
        (changed(APPEND, term="3"), "malformed"),
        (changed(APPEND, term=2**62), "malformed"),
        (["append_entries"], "malformed"),
        ({"type": "append_entries"}, "malformed"),
        ([], "malformed"),
        (None, "malformed"),
    ],
)
def test_message_that_is_not_quite_ours_is_refused(
    message: object, reason: str
) -> None:
    with pytest.raises(BadMessageError) as refused:
        CODEC.decode(msgspec.msgpack.encode(message))
    assert refused.value.reason == reason


def test_deeply_nested_frame_is_refused() -> None:
    with pytest.raises(BadMessageError):
        CODEC.decode(b"\x91" * 100_000)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    check_read_or_refused(frame)


@given(st.sampled_from(MESSAGES), st.data())
def test_frame_changed_anywhere_is_a_message_or_refused(
    message: PeerMessage, data: st.DataObject
) -> None:
    frame = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(frame) - 1))
        frame[position] = data.draw(st.integers(0, 255))
    check_read_or_refused(bytes(frame))


def check_read_or_refused(frame: bytes) -> None:
    """What is read can be written, and read again to the same."""
    try:
        message = CODEC.decode(frame)
    except BadMessageError as error:
        assert error.reason in {
            "malformed",
            "terms",
            "entry kind",
            "entry size",
            "configuration",
            "chunk size",
        }
    else:
        assert CODEC.decode(encode(message)) == message
