"""Writing large documents without holding up the loop.

A document is a tree with ``Rows`` in it: lists whose items are made only when they are
written. It is written piece by piece by a plain iterator, so whoever drives it decides
what runs in between; each step does a bounded amount of work.

Rows never change, so whoever copies the tables when the document is begun has written
one log index, however long the writing takes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

import attrs

from raftleader.protocol.json_v1_fields import JsonObject
from raftleader.protocol.json_v1_fields import write_json as write_object
from raftleader.protocol.wire.codec import write_message
from raftleader.protocol.wire.media import Media
from raftleader.protocol.wire.schema import fields_of

Row = TypeVar("Row")
ROWS_PER_TURN = 100
"""Rows written in one step: about a millisecond. A page over 50,000 tasks must not
delay a heartbeat of Raft."""
TURN = b""
"""What an iterator yields at the end of a step, between pieces of the document."""

_LENGTH_DELIMITED = 2
"""Protobuf's wire type of a message."""

Pieces = Iterator[bytes]
"""The document's bytes in order. An empty piece is ``TURN``: let others run."""


@attrs.frozen
class Rows(Generic[Row]):
    """A list in a document.

    Attributes:
        to_tree: Makes an item.
        has_rows: Its items have lists of this kind themselves.
    """

    rows: Collection[Row]
    to_tree: Callable[[Row], Any]
    has_rows: bool = False


class Pace:
    """Counts rows, and says when a step is long enough."""

    def __init__(self) -> None:
        self._rows = 0

    def is_over(self, rows: int = 1) -> bool:
        """Count ``rows`` more."""
        self._rows += rows
        if self._rows < ROWS_PER_TURN:
            return False
        self._rows = 0
        return True


def write_json(value: Any) -> bytes:
    """Any value as compact ASCII JSON."""
    return write_object(value)


def message_pieces(media: Media, kind: str, tree: JsonObject) -> Pieces:
    """A message of this kind (see ``codec``), in either encoding."""
    if media is Media.PROTOBUF:
        return _protobuf_pieces(kind, tree, Pace())
    return json_pieces(tree)


def json_pieces(tree: JsonObject) -> Pieces:
    """The tree as compact ASCII JSON."""
    return _json(tree, Pace())


def _json(value: Any, pace: Pace) -> Pieces:
    if isinstance(value, Rows):
        yield b"["
        if value.has_rows:
            for number, row in enumerate(value.rows):
                if number:
                    yield b","
                yield from _json(value.to_tree(row), pace)
                if pace.is_over():
                    yield TURN
        else:
            yield from _json_rows(value, pace)
        yield b"]"
    elif isinstance(value, dict) and _has_rows(value):
        separator = b"{"
        for name, member in value.items():
            yield separator + write_json(name) + b":"
            separator = b","
            yield from _json(member, pace)
        yield b"}"
    else:
        yield write_json(value)


def _json_rows(value: Rows[Any], pace: Pace) -> Pieces:
    rows, to_tree = value.rows, value.to_tree
    left, is_first = iter(rows), True
    while trees := [to_tree(row) for row in islice(left, ROWS_PER_TURN)]:
        if not is_first:
            yield b","
        is_first = False
        yield write_json(trees)[1:-1]
        if pace.is_over(len(trees)):
            yield TURN


def _has_rows(tree: JsonObject) -> bool:
    return any(
        isinstance(member, Rows) or (isinstance(member, dict) and _has_rows(member))
        for member in tree.values()
    )


def _protobuf_pieces(kind: str, tree: JsonObject, pace: Pace) -> Pieces:
    """Messages in a row are one message to a protobuf reader: messages in them are
    merged, lists are joined. So each item may be written by itself, as a message that
    has nothing else."""
    lists: list[tuple[tuple[str, ...], Rows[Any]]] = []
    yield write_message(Media.PROTOBUF, kind, _without_rows(tree, (), lists))
    for path, value in lists:
        numbers, item_kind = _place(kind, path)
        for row in value.rows:
            item_tree = value.to_tree(row)
            if value.has_rows:
                parts: list[bytes] = []
                for piece in _protobuf_pieces(item_kind, item_tree, pace):
                    if piece:
                        parts.append(piece)
                    else:
                        yield TURN
                item = b"".join(parts)
            else:
                item = write_message(Media.PROTOBUF, item_kind, item_tree)
            for number in numbers:
                item = _varint(number << 3 | _LENGTH_DELIMITED) + _prefixed(item)
            yield item
            if pace.is_over():
                yield TURN


def _place(kind: str, path: tuple[str, ...]) -> tuple[list[int], str]:
    """The numbers of the fields on the way, the last first, and the kind of message
    at its end."""
    numbers = []
    for name in path:
        field = fields_of(kind)[name]
        numbers.append(field.number)
        kind = field.type
    return numbers[::-1], kind


def _prefixed(item: bytes) -> bytes:
    return _varint(len(item)) + item


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _without_rows(
    tree: JsonObject,
    path: tuple[str, ...],
    lists: list[tuple[tuple[str, ...], Rows[Any]]],
) -> JsonObject:
    rest: JsonObject = {}
    for name, member in tree.items():
        if isinstance(member, Rows):
            lists.append(((*path, name), member))
        elif isinstance(member, dict):
            rest[name] = _without_rows(member, (*path, name), lists)
        else:
            rest[name] = member
    return rest
