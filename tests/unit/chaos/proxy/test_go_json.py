"""JSON with Go's habits."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.proxy.go_json import (
    BadJsonError,
    Fields,
    as_single,
    read,
    shortest_single,
    write,
)


def fields(text: str) -> Fields:
    return Fields(read(text.encode()), into="pack.Thing")


def test_names_match_in_any_case_and_the_last_one_counts() -> None:
    found = fields('{"NAME":"a","name":"b","Name":null,"x":[{}]} trailing')
    assert found.text("name", "default") == "b"
    assert found.truth("enabled", True) is True
    found.check()


def test_first_member_of_a_wrong_type_is_told() -> None:
    found = fields('{"a":1,"b":"x","c":{}}')
    assert found.text("c", "kept") == "kept"
    assert found.integer("b", 5) == 5
    with pytest.raises(BadJsonError, match=r"string into .* Thing.b of type int64"):
        found.check()


@pytest.mark.parametrize("number", ["1.0", "1e2", "9223372036854775808", "-"])
def test_integers_are_written_as_such(number: str) -> None:
    with pytest.raises(BadJsonError):
        found = fields(f'{{"n":{number}}}')
        found.integer("n", 0)
        found.check()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b'{"a"', "unexpected EOF"),
        (b"[" * 100_000, "exceeded max depth"),
        (b'{"a":-Infinity}', "invalid character 'I' in numeric literal"),
        (b'{"a":Infinity}', "invalid character 'I' looking for beginning of value"),
        (b'["a" "]"]', "invalid character '\"' after array element"),
        (b'{"a":["{" 1]}', "invalid character '1' after array element"),
        (b'{"a":["\\"{"] 1}', "invalid character '1' after object key:value pair"),
    ],
)
def test_what_is_no_json_is_told_in_gos_words(body: bytes, problem: str) -> None:
    with pytest.raises(BadJsonError) as caught:
        read(body)
    assert str(caught.value) == problem


@given(st.binary(max_size=40))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        read(body)
    except BadJsonError as error:
        assert str(error)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_singles_are_written_short_and_read_back(number: float) -> None:
    written = write({"toxicity": shortest_single(number), "z": 1}).decode()
    text = written.removeprefix('{"toxicity":').removesuffix(',"z":1}')
    assert as_single(float(text)) == number
    digits = text.lstrip("-").partition("e")[0].replace(".", "").strip("0")
    assert len(digits) <= 9


def test_singles_have_no_digits_of_doubles() -> None:
    third = struct.unpack("f", struct.pack("f", 1 / 3))[0]
    assert write({"t": shortest_single(third)}) == b'{"t":0.33333334}'
    assert write({"t": shortest_single(as_single(1e-5))}) == b'{"t":0.00001}'
    assert write({"t": shortest_single(as_single(1.5e-7))}) == b'{"t":1.5e-7}'


def test_what_html_would_read_is_escaped() -> None:
    assert (
        write({"a": "<&>é\u2028"}) == '{"a":"\\u003c\\u0026\\u003eé\\u2028"}'.encode()
    )
