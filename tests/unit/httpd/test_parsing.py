"""Requests cut from bytes: any cutting, any garbage, every limit."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftleader.httpd.parsing import (
    ContinueWanted,
    Parsed,
    ParsedRequest,
    Refusal,
    RequestParser,
    split_target,
)
from raftleader.limits import BODY_BYTES_MAX, HEADER_BYTES_MAX


def parse(*pieces: bytes) -> list[Parsed]:
    parser = RequestParser(peer="client")
    return [item for piece in pieces for item in parser.feed(piece)]


def only_request(*pieces: bytes) -> ParsedRequest:
    (item,) = parse(*pieces)
    assert isinstance(item, ParsedRequest)
    return item


def test_request_is_read_with_path_query_headers_and_body() -> None:
    item = only_request(
        b"POST /master/state%20x?a=1&b=%2F&a=2&c HTTP/1.1\r\nHost: h\r\n"
        b"X-One: 1\r\nX-ONE: 2\r\nAccept: a/b\r\nAccept: c/d\r\nEmpty:\r\n"
        b"Content-Length: 3\r\n\r\nabc"
    )
    request = item.request
    assert request.method == "POST"
    assert request.path == "/master/state x"
    assert request.target == "/master/state%20x?a=1&b=%2F&a=2&c"
    assert request.query == {"a": "2", "b": "/", "c": ""}
    assert request.headers["x-one"] == "2"
    assert request.headers["accept"] == "a/b, c/d"
    assert request.headers["empty"] == ""
    assert request.body == b"abc"
    assert request.peer == "client"
    assert item.keeps_alive
    assert item.takes_chunks


def test_chunked_body_is_joined_and_its_trailers_are_ignored() -> None:
    item = only_request(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: a\r\n\r\n"
        b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nContent-Type: evil\r\n\r\n"
    )
    assert item.request.body == b"abcde"
    assert item.request.headers["content-type"] == "a"


@pytest.mark.parametrize(
    ("head", "keeps_alive"),
    [
        (b"GET / HTTP/1.1\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", False),
    ],
)
def test_request_says_whether_the_connection_goes_on(
    head: bytes, keeps_alive: bool
) -> None:
    item, *rest = parse(head + b"\r\n", b"GET /2 HTTP/1.1\r\n\r\n")
    assert isinstance(item, ParsedRequest)
    assert item.keeps_alive == keeps_alive
    assert len(rest) == (1 if keeps_alive else 0)


STREAM = (
    b"GET /1 HTTP/1.1\r\nA: b\r\n\r\n"
    b"POST /2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    b"GET /4 HTTP/1.1\r\nConnection: close\r\n\r\nrubbish"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_requests_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    edges = sorted({0, len(STREAM), *cuts})
    pieces = [STREAM[b:e] for b, e in itertools.pairwise(edges)]
    items = [item for item in parse(*pieces) if isinstance(item, ParsedRequest)]
    assert [(i.request.path, i.request.body) for i in items] == [
        ("/1", b""),
        ("/2", b"hello"),
        ("/3", b"abc"),
        ("/4", b""),
    ]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"BREW / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.5\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: x\0y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /?" + b"&".join([b"a=1"] * 300) + b" HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1), 413),
        (b"POST / HTTP/1.1\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * HEADER_BYTES_MAX + b"\r\n\r\n", 431),
        (b"GET /" + b"b" * HEADER_BYTES_MAX + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_bad_request_is_refused_and_ends_the_parsing(data: bytes, status: int) -> None:
    for size in (len(data), 1000):
        parser = RequestParser(peer="")
        found = [
            item
            for begin in range(0, len(data), size)
            for item in parser.feed(data[begin : begin + size])
        ]
        (refusal,) = found
        assert isinstance(refusal, Refusal)
        assert refusal.status == status
        assert refusal.text.endswith("\n")
        assert parser.is_over
        assert parser.feed(b"GET / HTTP/1.1\r\n\r\n") == []


def test_chunked_body_beyond_the_limit_is_refused_while_it_arrives() -> None:
    parser = RequestParser(peer="")
    found = parser.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    fed = 0
    while not found:
        found = parser.feed(chunk)
        fed += 0x100000
    assert fed == BODY_BYTES_MAX + 0x100000
    assert isinstance(found[0], Refusal)
    assert found[0].status == 413


@pytest.mark.parametrize(
    "begin", [b"GET / HTTP/1.1\r\nA: ", b"GET / HTTP/1.1\r\n", b"G"]
)
def test_head_that_never_ends_is_refused(begin: bytes) -> None:
    parser = RequestParser(peer="")
    found = parser.feed(begin)
    fed = 0
    while not found:
        found = parser.feed(b"x" * 1000)
        fed += 1000
        assert fed <= 2 * HEADER_BYTES_MAX
    assert isinstance(found[0], Refusal)


def test_continue_is_wanted_only_while_the_body_is_missing() -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    waiting, done = parse(head, b"ab")
    assert waiting == ContinueWanted()
    assert isinstance(done, ParsedRequest)
    assert only_request(head + b"ab").request.body == b"ab"
    assert only_request(head + b"a", b"b").request.body == b"ab"
    old = head.replace(b"1.1", b"1.0")
    assert only_request(old, b"ab").request.body == b"ab"


@given(st.lists(st.binary(max_size=30), max_size=4))
def test_any_bytes_are_requests_or_a_refusal(pieces: list[bytes]) -> None:
    for item in parse(*pieces):
        assert isinstance(item, ParsedRequest | Refusal | ContinueWanted)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("http://host:1/a?b=c", "/a"),
        ("http://host", "/"),
        ("*", "*"),
        ("/a%2Fb%FF", "/a/b\ufffd"),
        ("/redirect?to=http://x", "/redirect"),
    ],
)
def test_target_is_split_into_a_decoded_path(target: str, path: str) -> None:
    assert split_target(target)[0] == path
