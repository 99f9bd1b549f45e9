"""RecordIO: any cutting of the stream gives the same records; damage is named."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftleader.errors import InvalidInputError
from raftleader.protocol.recordio import RecordDecoder, encode_record


def test_record_is_length_line_feed_and_payload() -> None:
    assert encode_record(b'{"type":"HEARTBEAT"}') == b'20\n{"type":"HEARTBEAT"}'


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_decoder_gives_the_same_records_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(encode_record(payload) for payload in payloads)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = RecordDecoder()
    records: list[bytes] = []
    for begin, end in itertools.pairwise(edges):
        records += decoder.feed(stream[begin:end])
    decoder.finish()
    assert records == payloads


@pytest.mark.parametrize(
    ("stream", "path", "problem"),
    [
        (b"x", "byte 0", "expected a digit, found b'x'"),
        (b"3\nabc2 \nab", "byte 6", "expected a digit, found b' '"),
        (b"-1\n", "byte 0", "expected a digit, found b'-'"),
        (b"\n", "byte 0", "expected the length of a record"),
        (b"3\nabc0\n", "byte 5", "a record must not be empty"),
        (b"101\n", "byte 0", "a record of 101 bytes is larger than 100"),
        (b"12345678", "byte 0", "a record's length has more than 3 digits"),
        (b"00000001\nx", "byte 0", "a record's length has more than 3 digits"),
    ],
)
def test_decoder_names_the_byte_of_damage(
    stream: bytes, path: str, problem: str
) -> None:
    for step in (1, 3, len(stream)):
        decoder = RecordDecoder(record_bytes_max=100)
        with pytest.raises(InvalidInputError) as caught:
            for begin in range(0, len(stream), step):
                decoder.feed(stream[begin : begin + step])
        assert caught.value.path == path
        assert caught.value.problem == problem


@pytest.mark.parametrize("rest", [b"3", b"3\n", b"3\nab"])
def test_decoder_says_so_when_the_stream_ends_within_a_record(rest: bytes) -> None:
    decoder = RecordDecoder()
    assert decoder.feed(b"2\nok" + rest) == [b"ok"]
    with pytest.raises(InvalidInputError, match="ended within a record"):
        decoder.finish()


def test_decoder_keeps_its_error_after_damage() -> None:
    decoder = RecordDecoder()
    with pytest.raises(InvalidInputError):
        decoder.feed(b"?")
    with pytest.raises(InvalidInputError, match="byte 0"):
        decoder.feed(b"2\nok")
    with pytest.raises(InvalidInputError, match="byte 0"):
        decoder.finish()


@given(st.binary(max_size=60))
def test_decoder_gives_records_or_a_named_error_on_any_bytes(data: bytes) -> None:
    decoder = RecordDecoder(record_bytes_max=1000)
    try:
        records = decoder.feed(data)
        decoder.finish()
    except InvalidInputError as error:
        assert error.path.startswith("byte ")
    else:
        assert all(records)
