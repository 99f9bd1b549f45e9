"""JSON as Go's ``encoding/json`` reads and writes it, which the real API shows through.

Reading is kind: only the first value of a body counts, names match in any case, of a
repeated name the last one counts, null leaves a field as it was, unknown names are
passed over. What is wrong is told in Go's words.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator
from typing import Any, NoReturn

_EXPONENT = re.compile(r'(?<=":)(-?\d+(?:\.\d+)?)e([+-]\d+)(?=[,}])')
INT64 = range(-(2**63), 2**63)


class BadJsonError(Exception):
    """The body cannot be read; the text is the one Go has."""


class Number(str):
    """A number as it was written."""


class Members(list[tuple[str, Any]]):
    """Of an object, in their order."""


def read(body: bytes) -> object:
    """The first value of ``body``. Raises BadJsonError."""
    text = body.decode("utf-8", "replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise BadJsonError("EOF")
    decoder = json.JSONDecoder(
        object_pairs_hook=Members,
        parse_float=Number,
        parse_int=Number,
        parse_constant=_no_constant,
    )
    try:
        value, _ = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise BadJsonError(_told_by_go(error, text)) from None
    except RecursionError:
        raise BadJsonError("exceeded max depth") from None
    return value


def write(value: object) -> bytes:
    """Compact, and safe in HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = _EXPONENT.sub(_with_go_exponent, text)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode("utf-8", "replace")


class Fields:
    """The members of an object, read one by one.

    ``into`` is what Go calls the type, with its package; ``path`` comes before a
    field's name. The first member of a wrong type, in the order of the text, is what
    ``check`` raises.
    """

    def __init__(self, value: object, *, into: str, path: str | None = None) -> None:
        self._path = f"{into.rpartition('.')[2]}." if path is None else path
        self._problems: list[tuple[int, str]] = []
        if value is not None and not isinstance(value, Members):
            raise BadJsonError(
                f"json: cannot unmarshal {kind_of(value)} into Go value of type {into}"
            )
        self._members = value if isinstance(value, Members) else Members()

    def text(self, name: str, default: str) -> str:
        for place, value in self._found(name):
            if isinstance(value, str) and not isinstance(value, Number):
                default = value
            else:
                self._complain(place, value, name, "string")
        return default

    def truth(self, name: str, default: bool) -> bool:
        for place, value in self._found(name):
            if isinstance(value, bool):
                default = value
            else:
                self._complain(place, value, name, "bool")
        return default

    def integer(self, name: str, default: int, go_type: str = "int64") -> int:
        for place, value in self._found(name):
            if not isinstance(value, Number):
                self._complain(place, value, name, go_type)
            elif value.lstrip("-").isdigit() and int(value) in INT64:
                default = int(value)
            else:
                self._complain(place, value, name, go_type, literal=f" {value}")
        return default

    def single(self, name: str, default: float) -> float:
        """A float32."""
        for place, value in self._found(name):
            if not isinstance(value, Number):
                self._complain(place, value, name, "float32")
                continue
            number = as_single(float(value))
            if math.isinf(number):
                self._complain(place, value, name, "float32", literal=f" {value}")
            else:
                default = number
        return default

    def inner(self, name: str, *, into: str) -> Fields:
        """A member that is an object; its problems are told by its own ``check``."""
        found: Fields | None = None
        path = f"{into.rpartition('.')[2]}.{name}."
        for place, value in self._found(name):
            if isinstance(value, Members):
                found = Fields(value, into=into, path=path)
            else:
                self._complain(place, value, name, into)
        return found or Fields(None, into=into, path=path)

    def check(self) -> None:
        """Raises BadJsonError if a member that was asked for had a wrong type."""
        if self._problems:
            raise BadJsonError(min(self._problems)[1])

    def _found(self, name: str) -> Iterator[tuple[int, object]]:
        for place, (key, value) in enumerate(self._members):
            if value is not None and key.lower() == name:
                yield place, value

    def _complain(
        self, place: int, value: object, name: str, go_type: str, literal: str = ""
    ) -> None:
        where = f"into Go struct field {self._path}{name} of type {go_type}"
        problem = f"json: cannot unmarshal {kind_of(value)}{literal} {where}"
        self._problems.append((place, problem))


def kind_of(value: object) -> str:
    """What Go calls a value of this kind."""
    match value:
        case bool():
            return "bool"
        case Number():
            return "number"
        case str():
            return "string"
        case Members():
            return "object"
        case _:
            return "array"


def as_single(number: float) -> float:
    """The nearest float32; infinity beyond its range."""
    try:
        nearest: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return nearest


def shortest_single(number: float) -> float | int:
    """A float32 with no more digits than tell it from its neighbours."""
    short = number
    for digits in range(1, 10):
        short = float(f"{number:.{digits}g}")
        if as_single(short) == number:
            break
    return int(short) if short == int(short) and abs(short) < 1e21 else short


def _with_go_exponent(found: re.Match[str]) -> str:
    """Python writes 1e-05 and 1e-07, Go 0.00001 and 1e-7."""
    mantissa, exponent = found[1], int(found[2])
    if -6 <= exponent < 0:
        digits = len(mantissa.partition(".")[2]) - exponent
        return f"{float(found[0]):.{digits}f}"
    return f"{mantissa}e{exponent:+d}"


def _no_constant(name: str) -> NoReturn:
    place = "in numeric literal" if name[0] == "-" else _PLACES["Expecting value"]
    raise BadJsonError(f"invalid character '{name.lstrip('-')[0]}' {place}")


_PLACES = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": (
        "looking for beginning of object key string"
    ),
    "Illegal trailing comma before end of object": (
        "looking for beginning of object key string"
    ),
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}
_QUOTED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", "\\": "\\\\"}


def _told_by_go(error: json.JSONDecodeError, text: str) -> str:
    message = error.msg.split(": ")[0]
    at = error.pos + (message == "Invalid \\escape")
    if message != "Invalid control character at":
        at += len(text[at:]) - len(text[at:].lstrip())
    place = _PLACES.get(message)
    if message == "Expecting value":
        at, place = _in_literal(text, at)
    if at >= len(text) or message.startswith("Unterminated string"):
        return "unexpected EOF"
    if place is None:
        is_object = _opened_last(text[: error.pos]) == "{"
        place = "after object key:value pair" if is_object else "after array element"
    return f"invalid character '{_QUOTED.get(text[at], text[at])}' {place}"


def _in_literal(text: str, at: int) -> tuple[int, str]:
    """Where what begins at ``at`` stops to be a value, and what Go says of that."""
    for literal in ("null", "true", "false"):
        if text[at : at + 1] == literal[0]:
            same = 1
            while text[at + same : at + same + 1] == literal[same]:
                same += 1
            return at + same, f"in literal {literal} (expecting '{literal[same]}')"
    if text[at : at + 1] == "-":
        return at + 1, "in numeric literal"
    return at, _PLACES["Expecting value"]


def _opened_last(text: str) -> str:
    """Which bracket is open at the end of ``text``."""
    open_brackets, is_in_string, is_escaped = [""], False, False
    for char in text:
        if is_in_string:
            is_in_string = is_escaped or char != '"'
            is_escaped = char == "\\" and not is_escaped
        elif char == '"':
            is_in_string = True
        elif char in "{[":
            open_brackets.append(char)
        elif char in "}]":
            open_brackets.pop()
    return open_brackets[-1]
