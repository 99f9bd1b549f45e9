from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.errors import BadFrameError, FrameTooLargeError
from transports.frames import HEADER_BYTES, FrameDecoder, encode_frames

LIMIT = 300
frame_lists = st.lists(st.binary(max_size=LIMIT), max_size=6)


def encoded(frames: list[bytes]) -> bytes:
    return encode_frames(frames, frame_bytes_max=LIMIT)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


@given(frames=frame_lists, cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_decoder_gives_the_same_frames_however_the_stream_is_split(
    frames: list[bytes], cuts: list[int]
) -> None:
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    received = [
        frame
        for piece in pieces(encoded(frames), cuts)
        for frame in decoder.feed(piece)
    ]
    assert received == frames
    assert decoder.is_between_frames


def test_decoder_gives_the_same_frames_byte_by_byte() -> None:
    frames = [b"", b"one", b"x" * LIMIT]
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    received = [
        frame for byte in encoded(frames) for frame in decoder.feed(bytes([byte]))
    ]
    assert received == frames


@settings(max_examples=300)
@given(
    frames=st.lists(st.binary(max_size=LIMIT), min_size=1, max_size=4),
    data=st.data(),
    cuts=st.lists(st.integers(0, 1300), max_size=4),
)
def test_decoder_refuses_any_corrupted_byte(
    frames: list[bytes], data: st.DataObject, cuts: list[int]
) -> None:
    """Frames before the damage come; then the error, at the damaged frame."""
    stream = bytearray(encoded(frames))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    starts = [0]
    for frame in frames:
        starts.append(starts[-1] + HEADER_BYTES + len(frame))
    damaged = max(i for i, start in enumerate(starts[:-1]) if start <= at)

    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    received: list[bytes] = []
    with pytest.raises(BadFrameError, match=f"byte {starts[damaged]}:") as caught:
        for piece in [*pieces(bytes(stream), cuts), b""]:
            received += decoder.feed(piece)
    assert caught.value.offset == starts[damaged]
    assert received == frames[:damaged]


@given(garbage=st.binary(min_size=1, max_size=400), cut=st.integers(0, 400))
def test_decoder_never_makes_a_frame_of_garbage(garbage: bytes, cut: int) -> None:
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    try:
        assert decoder.feed(garbage[:cut]) + decoder.feed(garbage[cut:]) == []
    except (BadFrameError, FrameTooLargeError):
        pass


@pytest.mark.parametrize("length", [0, 1, 11])
def test_decoder_waits_for_the_rest_of_a_frame(length: int) -> None:
    stream = encoded([b"hello"])
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    assert decoder.feed(stream[:length]) == []
    assert decoder.feed(b"") == []
    assert decoder.feed(stream[length:]) == [b"hello"]


@pytest.mark.parametrize(
    "garbage", [b"G", b"\x16\x03\x01", b"\x00", encoded([b""])[:1] + b"\x02"]
)
def test_decoder_refuses_other_protocols_and_versions_at_once(garbage: bytes) -> None:
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    with pytest.raises(BadFrameError) as caught:
        decoder.feed(garbage)
    assert caught.value.offset == 0


def test_decoder_refuses_a_version_that_comes_in_a_chunk_of_its_own() -> None:
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    assert decoder.feed(encoded([b""])[:1]) == []
    with pytest.raises(BadFrameError, match="version 9"):
        decoder.feed(b"\x09")


def test_decoder_refuses_a_too_large_frame_when_its_header_is_here() -> None:
    header = encode_frames([b"x" * (LIMIT + 1)], frame_bytes_max=LIMIT + 1)[:12]
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    assert decoder.feed(encoded([b"fine"]) + header[:11]) == [b"fine"]
    with pytest.raises(FrameTooLargeError, match="301 bytes at byte 16"):
        decoder.feed(header[11:])


def test_decoder_refuses_a_damaged_length_without_waiting_for_the_frame() -> None:
    header = bytearray(encoded([b""]))
    header[7] = 200  # the length
    with pytest.raises(BadFrameError, match="length"):
        FrameDecoder(frame_bytes_max=LIMIT).feed(bytes(header))


def test_decoder_gives_good_frames_first_and_then_the_error_for_good() -> None:
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    assert decoder.feed(encoded([b"1", b"2"]) + b"oops") == [b"1", b"2"]
    for chunk in (b"", b"more", encoded([b"3"])):
        with pytest.raises(BadFrameError, match="byte 26"):
            decoder.feed(chunk)


def test_decoder_says_how_much_is_missing() -> None:
    decoder = FrameDecoder(frame_bytes_max=LIMIT)
    stream = encoded([b"x" * 100])
    decoder.feed(stream[:20])
    assert decoder.missing_bytes == 92
    decoder.feed(stream[20:50])
    assert decoder.missing_bytes == 62
    decoder.feed(stream[50:])
    assert decoder.missing_bytes == 1


def test_encoder_refuses_a_frame_over_the_limit() -> None:
    with pytest.raises(FrameTooLargeError, match="301"):
        encoded([b"fine", b"x" * 301])


def test_encoded_bytes_stay_as_they_are() -> None:
    """The wire format: a change here is a new VERSION."""
    assert encoded([b"", b"raft"]).hex(" ", 4) == (
        "d7015aa5 00000000 00000000 d7015aa1 00000004 42caf84f 72616674"
    )
