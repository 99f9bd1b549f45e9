"""Reading Mesos' messages with kindness, and writing them as JSON.

A message comes as a tree: parsed JSON, or protobuf made into one (``wire/codec.py``),
where bytes are bytes already.

Input: ``null`` is unset, unknown fields are ignored, a bare element stands for a
list of one, numbers may be strings, numbers and booleans may stand where text is
wanted, bytes are base64, ids are ``{"value": "..."}``. Whatever else is not as
expected raises InvalidInputError with the path of the field.

Output: compact and ASCII only, since some clients count characters for bytes.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from raftleader.errors import InvalidInputError

JsonObject = dict[str, Any]
"""A message on its way out: what msgspec writes as a JSON object."""

TEXT_CHARS_MAX = 4096
"""Longest id, name or other short text of a call."""
MESSAGE_CHARS_MAX = 64 * 1024
"""Longest message of a status update, value of a label, or other long text."""
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

_NUMBER = re.compile(r"[+-]?(\d{1,32}(\.\d{0,64})?|\.\d{1,64})([eE][+-]?\d{1,4})?\Z")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def write_json(message: JsonObject) -> bytes:
    """The message as compact ASCII JSON."""
    data = _encoder.encode(message)
    if data.isascii():
        return data
    return _NOT_ASCII.sub(_escaped, data.decode()).encode("ascii")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def read_json(data: bytes, what: str) -> Fields:
    """The JSON object in ``data``. ``what`` names it in an error."""
    try:
        values = _decoder.decode(data)
    except RecursionError:
        raise InvalidInputError(what, "is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidInputError(what, f"is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInputError(what, f"expected an object, got {_kind(values)}")
    return Fields(values)


class Fields:
    """One JSON object of a message, and its place in it.

    Every reader returns None, or an empty tuple, for what is unset.
    """

    __slots__ = ("_index", "_name", "_parent", "_values")

    def __init__(
        self,
        values: dict[str, Any],
        parent: Fields | None = None,
        name: str = "",
        index: int | None = None,
    ) -> None:
        self._values = values
        self._parent = parent
        self._name = name
        self._index = index

    @property
    def tree(self) -> JsonObject:
        """The object as it came; whoever takes it must expect anything in it."""
        return self._values

    def path(self, name: str = "") -> str:
        """The path of this object, or of its field ``name``."""
        names = [name] if name else []
        place: Fields | None = self
        while place is not None and place._parent is not None:
            index = "" if place._index is None else f"[{place._index}]"
            names.append(place._name + index)
            place = place._parent
        return ".".join(reversed(names))

    def invalid(self, name: str, problem: str) -> InvalidInputError:
        """An error that names the field."""
        return InvalidInputError(self.path(name) or "message", problem)

    def has(self, name: str) -> bool:
        """Whether the field is set."""
        return self._values.get(name) is not None

    def has_only(self, names: AbstractSet[str]) -> bool:
        """Whether no other fields than these are there."""
        return self._values.keys() <= names

    def is_unset(self, name: str) -> bool:
        """Whether the field holds nothing, or an empty list or object, or one in which
        nothing is set.

        For fields of which a message without fields asks for nothing. Of others it
        asks for something by being there: for those, see ``has``.
        """
        value = self._values.get(name)
        if isinstance(value, dict):
            return all(each is None or each == [] for each in value.values())
        return value is None or value == []

    def child(self, name: str) -> Fields | None:
        """The object in this field."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.invalid(name, f"expected an object, got {_kind(value)}")
        return Fields(value, self, name)

    def required_child(self, name: str) -> Fields:
        """The object in this field, which must be set."""
        child = self.child(name)
        if child is None:
            raise self.invalid(name, "is required")
        return child

    def children(self, name: str) -> list[Fields]:
        """The objects in this repeated field."""
        value = self._values.get(name)
        if value is None:
            return []
        if isinstance(value, dict):
            return [Fields(value, self, name)]
        if not isinstance(value, list):
            raise self.invalid(name, f"expected a list, got {_kind(value)}")
        children = []
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.invalid(
                    f"{name}[{index}]", f"expected an object, got {_kind(item)}"
                )
            children.append(Fields(item, self, name, index))
        return children

    def items(self, name: str) -> list[tuple[Fields, str]]:
        """The scalars in this repeated field, each as a field by itself."""
        value = self._values.get(name)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        named = {f"{name}[{i}]": item for i, item in enumerate(items)}
        holder = Fields(named, self._parent, self._name, self._index)
        return [(holder, key) for key in named]

    def entries(self, name: str) -> list[tuple[str, Fields]]:
        """The keys and objects of this map; an entry that is null is left out."""
        table = self.child(name)
        if table is None:
            return []
        return [(key, entry) for key in table.names() if (entry := table.child(key))]

    def names(self) -> list[str]:
        """Names of the fields that are set, in order."""
        return sorted(name for name, value in self._values.items() if value is not None)

    def text(self, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> str | None:
        """The text in this field."""
        value = self._values.get(name)
        if value is None or (isinstance(value, str) and len(value) <= chars_max):
            return value
        return self._text_of(name, value, chars_max)

    def required_text(self, name: str) -> str:
        """The text in this field, which must be set."""
        text = self.text(name)
        if text is None:
            raise self.invalid(name, "is required")
        return text

    def texts(self, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> tuple[str, ...]:
        """The texts in this repeated field."""
        value = self._values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            return (self._text_of(name, value, chars_max),)
        return tuple(
            self._text_of(f"{name}[{index}]", item, chars_max)
            for index, item in enumerate(value)
        )

    def _text_of(self, name: str, value: object, chars_max: int) -> str:
        if not isinstance(value, str):
            if isinstance(value, bool):
                return "true" if value else "false"
            if isinstance(value, int | float):
                value = str(value)
        if not isinstance(value, str):
            raise self.invalid(name, f"expected text, got {_kind(value)}")
        if len(value) > chars_max:
            raise self.invalid(name, f"is longer than {chars_max} characters")
        return value

    def flag(self, name: str) -> bool | None:
        """The boolean in this field."""
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.invalid(name, f"expected true or false, got {_kind(value)}")

    def number(self, name: str) -> float | None:
        """The number in this field; may be infinite, is never NaN."""
        value = self._values.get(name)
        if value is None or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, str):
            if value in ("Infinity", "-Infinity"):
                return math.inf if value == "Infinity" else -math.inf
            if not _NUMBER.match(value):
                raise self.invalid(name, f"{value[:40]!r} is not a number")
            return float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.invalid(name, f"expected a number, got {_kind(value)}")
        try:
            number = float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
        if math.isnan(number):
            raise self.invalid(name, "is not a number")
        return number

    def integer(
        self, name: str, *, least: int = INT64_MIN, most: int = INT64_MAX
    ) -> int | None:
        """The whole number in this field, within the bounds given."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            whole = value
        else:
            number = self.number(name)
            if number is None:
                return None
            if not math.isfinite(number) or number != int(number):
                raise self.invalid(name, "expected a whole number")
            # Digits are taken as they stand: a double has only 53 bits of them.
            digits = value if isinstance(value, str) else ""
            is_exact = digits.lstrip("+-").isdecimal()
            whole = int(digits) if is_exact else int(number)
        if not least <= whole <= most:
            raise self.invalid(name, f"must be from {least} to {most}")
        return whole

    def octets(self, name: str, *, bytes_max: int) -> bytes | None:
        """The bytes in this field, written as base64."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bytes):
            octets = value
        elif isinstance(value, str):
            try:
                octets = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.invalid(name, f"is not base64: {error}") from error
        else:
            raise self.invalid(name, f"expected base64, got {_kind(value)}")
        if len(octets) > bytes_max:
            raise self.invalid(name, f"is larger than {bytes_max} bytes")
        return octets

    def required_octets(self, name: str, *, bytes_max: int) -> bytes:
        """The bytes in this field, which must be set, but may be none."""
        octets = self.octets(name, bytes_max=bytes_max)
        if octets is None:
            raise self.invalid(name, "is required")
        return octets

    def identifier(self, name: str) -> str | None:
        """The id ``{"value": "..."}`` in this field; an empty one is unset."""
        child = self.child(name)
        return (child.required_text("value") or None) if child else None

    def required_identifier(self, name: str) -> str:
        """The id in this field, which must be set, but may be empty."""
        return self.required_child(name).required_text("value")

    def identifiers(self, name: str) -> list[str]:
        """The ids in this repeated field."""
        return [child.required_text("value") for child in self.children(name)]


def base64_text(octets: bytes) -> str:
    """How bytes are written."""
    return base64.b64encode(octets).decode("ascii")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, bytes):
        return "bytes"
    return "a list" if isinstance(value, list) else "an object"
