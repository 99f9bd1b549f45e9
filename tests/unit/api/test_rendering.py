"""Documents that are written in steps."""

from __future__ import annotations

import json
from typing import Any

import trio

from raftleader.api.documents import WHOLE_BYTES_MAX, document_answer
from raftleader.api.rendering import ROWS_PER_TURN, Rows, json_pieces, message_pieces
from raftleader.httpd.messages import Response, Stream
from raftleader.protocol.wire.codec import read_message, write_message
from raftleader.protocol.wire.media import Media

RESPONSE = "master.Response"


def metric(number: int) -> dict[str, Any]:
    return {"name": f"m{number}", "value": float(number)}


def with_rows(count: int) -> dict[str, Any]:
    rows = Rows(range(count), metric)
    return {"type": "GET_METRICS", "get_metrics": {"metrics": rows}}


def as_lists(count: int) -> dict[str, Any]:
    rows = [metric(number) for number in range(count)]
    return {"type": "GET_METRICS", "get_metrics": {"metrics": rows}}


def framework(number: int, *, lazily: bool) -> dict[str, Any]:
    """A framework with so many offers."""

    def offer(place: int) -> dict[str, Any]:
        ids = {"framework_id": {"value": "f"}, "agent_id": {"value": "a"}}
        return {"id": {"value": f"o{number}-{place}"}, "hostname": "h", **ids}

    return {
        "framework_info": {"user": "u", "name": f"f{number}"},
        "active": True,
        "connected": True,
        "recovered": False,
        "offers": Rows(range(number), offer)
        if lazily
        else [offer(place) for place in range(number)],
    }


def test_json_in_pieces_is_the_json_of_the_tree_whatever_its_length() -> None:
    for count in (0, 1, ROWS_PER_TURN - 1, ROWS_PER_TURN, 3 * ROWS_PER_TURN + 7):
        pieces = list(json_pieces(with_rows(count)))
        assert json.loads(b"".join(pieces)) == as_lists(count)


def test_json_is_ascii_and_compact() -> None:
    document = {"rows": Rows(["ä", "💡"], lambda text: {"text": text}), "é": 1}
    data = b"".join(json_pieces(document))
    assert data.isascii()
    assert b" " not in data
    assert json.loads(data) == {"rows": [{"text": "ä"}, {"text": "💡"}], "é": 1}


def test_step_ends_at_so_many_rows() -> None:
    pieces = list(json_pieces(with_rows(10 * ROWS_PER_TURN)))
    assert pieces.count(b"") == 10
    nested = Rows(
        range(10 * ROWS_PER_TURN), lambda n: {"of": Rows([n], metric)}, has_rows=True
    )
    assert list(json_pieces({"rows": nested})).count(b"") >= 10


def test_protobuf_in_pieces_is_read_as_the_message_of_the_tree() -> None:
    for count in (0, 1, 3 * ROWS_PER_TURN + 7):
        data = b"".join(message_pieces(Media.PROTOBUF, RESPONSE, with_rows(count)))
        whole = write_message(Media.PROTOBUF, RESPONSE, as_lists(count))
        assert _read(data) == _read(whole)


def test_protobuf_has_lists_in_items_of_lists() -> None:
    lazy = Rows(range(5), lambda n: framework(n, lazily=True), has_rows=True)
    plain = [framework(number, lazily=False) for number in range(5)]
    kind = {"type": "GET_STATE"}
    in_pieces = {"get_state": {"get_frameworks": {"frameworks": lazy}}} | kind
    at_once = {"get_state": {"get_frameworks": {"frameworks": plain}}} | kind
    data = b"".join(message_pieces(Media.PROTOBUF, RESPONSE, in_pieces))
    assert _read(data) == _read(write_message(Media.PROTOBUF, RESPONSE, at_once))
    as_json = b"".join(message_pieces(Media.JSON, RESPONSE, in_pieces))
    assert json.loads(as_json) == json.loads(
        write_message(Media.JSON, RESPONSE, at_once)
    )


def _read(data: bytes) -> Any:
    """The message as canonical bytes."""
    from raftleader.protocol.wire.protobuf import read_protobuf

    assert read_message(Media.PROTOBUF, RESPONSE, data).has("type")
    return read_protobuf(RESPONSE, data, "response")


class Kept:
    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    async def send(self, chunks: list[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        self.chunks += chunks


async def test_small_document_is_whole_and_a_large_one_streams() -> None:
    headers = (("Content-Type", "application/json"),)
    small = await document_answer(json_pieces(with_rows(5)), headers)
    assert isinstance(small, Response)
    assert json.loads(small.body) == as_lists(5)

    count = WHOLE_BYTES_MAX // 20
    large = await document_answer(json_pieces(with_rows(count)), headers)
    assert isinstance(large, Stream)
    kept = Kept()
    await large.run(kept)
    assert all(kept.chunks)
    assert len(kept.chunks) > 2
    assert json.loads(b"".join(kept.chunks)) == as_lists(count)
