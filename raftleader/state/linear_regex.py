"""Regular expressions in linear time, for texts that frameworks choose.

A small part of RE2's syntax, matched as RE2 does it: by walking through all states
of an automaton at once, so that no pattern takes more than (its size) x (length of
the text) steps. Python's ``re`` backtracks, and a framework could stop every leader
with ``(a+)+b``; what it matches also depends on the version of Python, and replicas
must agree.

Known: literals, ``.``, ``[...]``, ``\\d \\w \\s \\D \\W \\S``, escapes, groups,
``|``, ``* + ? {m,n}`` (lazy or not), ``^``, ``$`` and a leading ``(?i)``. Classes
are ASCII's, as in RE2. Everything else is an error, which names the place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import attrs

from raftleader.errors import InvalidInputError

PATTERN_CHARS_MAX = 1_024
PROGRAM_SIZE_MAX = 100
"""Steps of one pattern, as Mesos limits it."""
TEXT_CHARS_MAX = 1_024
"""A longer text matches nothing."""
REPEAT_MAX = 1_000
"""Largest number in ``{m,n}``, as in RE2."""
MOVES_MAX = 4_096
"""Steps from states to states that are remembered of one pattern: the same texts,
and texts that begin alike, are matched again and again."""
_DEPTH_MAX = 50

_Test = Callable[[str], bool]


_States = frozenset[int]


@attrs.frozen(eq=False)
class Regex:
    """A pattern, ready to match. Made by :func:`compile_regex`."""

    pattern: str
    _steps: tuple[_Step, ...]
    _is_case_blind: bool = False
    _moves: dict[tuple[_States, str, bool], _States] = attrs.field(
        factory=dict, init=False, repr=False
    )

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        if len(text) > TEXT_CHARS_MAX:
            return False
        if self._is_case_blind:
            text = _ascii_lower(text)
        last = len(text) - 1
        states = self._closure({0}, is_begin=True, is_end=not text)
        for at, character in enumerate(text):
            move = (states, character, at == last)
            reached = self._moves.get(move)
            if reached is None:
                reached = self._reached(*move)
                if len(self._moves) >= MOVES_MAX:
                    self._moves.clear()
                self._moves[move] = reached
            if not reached:
                return False
            states = reached
        return any(self._steps[number].is_end for number in states)

    def _reached(self, states: _States, character: str, is_end: bool) -> _States:
        taken = {
            step.then
            for step in (self._steps[number] for number in states)
            if step.test is not None and step.test(character)
        }
        return self._closure(taken, is_begin=False, is_end=is_end)

    def _closure(self, states: set[int], *, is_begin: bool, is_end: bool) -> _States:
        """With all that is reached without a character, at this place of the text."""
        seen, waiting = set(states), list(states)
        while waiting:
            step = self._steps[waiting.pop()]
            if step.at is not None and not (is_begin if step.at == "^" else is_end):
                continue
            for target in step.free:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return frozenset(seen)


@attrs.frozen(kw_only=True)
class _Step:
    """One state: takes a character, goes on freely (perhaps at one place), or ends."""

    test: _Test | None = None
    then: int = -1
    free: tuple[int, ...] = ()
    at: str | None = None
    is_end: bool = False


@lru_cache(maxsize=4_096)
def compile_regex(pattern: str) -> Regex:
    """Read a pattern. Raises InvalidInputError that says what is wrong with it."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise _bad(pattern, f"longer than {PATTERN_CHARS_MAX} characters")
    is_case_blind = pattern.startswith("(?i)")
    parser = _Parser(pattern, 4 if is_case_blind else 0, is_case_blind)
    node = parser.alternatives(0)
    if parser.at < len(pattern):
        raise _bad(pattern, f"unexpected ) at {parser.at}")
    builder = _Builder(pattern)
    end = builder.add(_Step(is_end=True))
    start = node(builder, end)
    first = builder.add(_Step(free=(start,)))
    steps = builder.steps
    # The state to begin with is number 0: counted from the end, as they were made.
    order = {old: first - old for old in range(len(steps))}
    return Regex(
        pattern,
        tuple(
            attrs.evolve(
                step,
                then=order.get(step.then, -1),
                free=tuple(order[target] for target in step.free),
            )
            for step in reversed(steps)
        ),
        is_case_blind,
    )


class _Builder:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.steps: list[_Step] = []

    def add(self, step: _Step) -> int:
        if len(self.steps) >= PROGRAM_SIZE_MAX:
            raise InvalidInputError(
                "regex",
                f"Regex '{self.pattern}' is too complex: program size is larger than"
                f" maximum of {PROGRAM_SIZE_MAX} allowed",
            )
        self.steps.append(step)
        return len(self.steps) - 1


_Node = Callable[[_Builder, int], int]
"""Adds the states of a part that goes on at the given state; its first state."""


@attrs.define
class _Parser:
    pattern: str
    at: int
    is_case_blind: bool

    def alternatives(self, depth: int) -> _Node:
        if depth > _DEPTH_MAX:
            raise _bad(self.pattern, "nested too deep")
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        if len(branches) == 1:
            return branches[0]

        def build(builder: _Builder, then: int) -> int:
            return builder.add(_Step(free=tuple(b(builder, then) for b in branches)))

        return build

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))

        def build(builder: _Builder, then: int) -> int:
            for part in reversed(parts):
                then = part(builder, then)
            return then

        return build

    def _repeated(self, node: _Node) -> _Node:
        least_most = self._counts()
        if least_most is None:
            return node
        if self._peek() == "?":  # lazy or not, the whole text must match
            self.at += 1
        if self._counts() is not None:
            raise _bad(self.pattern, f"bad repetition at {self.at - 1}")
        least, most = least_most
        return lambda builder, then: _repeat(node, least, most, builder, then)

    def _counts(self) -> tuple[int, int | None] | None:
        character = self._peek()
        if character in ("*", "+", "?"):
            self.at += 1
            return (1 if character == "+" else 0, 1 if character == "?" else None)
        end = self.pattern.find("}", self.at)
        if character != "{" or end < 0:
            return None
        low, comma, high = self.pattern[self.at + 1 : end].partition(",")
        if not low.isdecimal() or not low.isascii() or (high and not high.isdecimal()):
            return None  # a literal brace, as in RE2
        self.at = end + 1
        least = int(low) if len(low) < 5 else REPEAT_MAX + 1
        most = least if not comma else None
        if high:
            most = int(high) if len(high) < 5 else REPEAT_MAX + 1
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least):
            raise _bad(self.pattern, f"bad repetition {{{low}{comma}{high}}}")
        return least, most

    def _atom(self, depth: int) -> _Node:
        character = self._take()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return _taking(self._set())
        if character == ".":
            return _taking(lambda c: c != "\n")
        if character in ("^", "$"):
            return lambda builder, then: builder.add(_Step(free=(then,), at=character))
        if character in ("*", "+", "?"):
            raise _bad(self.pattern, f"nothing to repeat at {self.at - 1}")
        if character == "\\":
            return _taking(self._escape())
        return _taking(_is(self._folded(character)))

    def _group(self, depth: int) -> _Node:
        if self._peek() == "?":
            if not self.pattern.startswith("?:", self.at):
                raise _bad(self.pattern, f"unsupported group at {self.at - 1}")
            self.at += 2
        node = self.alternatives(depth + 1)
        if self._peek() != ")":
            raise _bad(self.pattern, "missing )")
        self.at += 1
        return node

    def _escape(self) -> _Test:
        character = self._take()
        known = _CLASSES.get(character.lower())
        if known is not None:
            return known if character.islower() else lambda c: not known(c)
        if character in _CONTROLS:
            return _is(_CONTROLS[character])
        if character == "" or character.isalnum():
            raise _bad(self.pattern, f"unknown escape \\{character}")
        return _is(character)

    def _set(self) -> _Test:
        is_negated = self._peek() == "^"
        if is_negated:
            self.at += 1
        tests: list[_Test] = []
        is_first = True
        while is_first or self._peek() != "]":
            is_first = False
            if self._peek() == "":
                raise _bad(self.pattern, "missing ]")
            if self.pattern.startswith("[:", self.at):
                raise _bad(self.pattern, f"unsupported class at {self.at}")
            tests.append(self._member())
        self.at += 1
        if is_negated:
            return lambda c: not any(test(c) for test in tests)
        return lambda c: any(test(c) for test in tests)

    def _member(self) -> _Test:
        low = self._take()
        if low == "\\":
            if self._peek().lower() in _CLASSES:
                return self._escape()
            low = self._escaped_literal()
        following = self.pattern[self.at : self.at + 2]
        if not following.startswith("-") or following in ("-", "-]"):
            return _is(self._folded(low))
        self.at += 1
        high = self._take()
        if high == "\\":
            high = self._escaped_literal()
        if high < low:
            raise _bad(self.pattern, f"bad range {low}-{high}")
        if not self.is_case_blind:
            return lambda c: low <= c <= high
        return lambda c: low <= c <= high or low <= c.upper() <= high

    def _escaped_literal(self) -> str:
        character = self._take()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "" or character.isalnum():
            raise _bad(self.pattern, f"unknown escape \\{character}")
        return character

    def _folded(self, character: str) -> str:
        return _ascii_lower(character) if self.is_case_blind else character

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self) -> str:
        character = self._peek()
        self.at += 1
        return character


def _taking(test: _Test) -> _Node:
    return lambda builder, then: builder.add(_Step(test=test, then=then))


def _repeat(
    node: _Node, least: int, most: int | None, builder: _Builder, then: int
) -> int:
    if most is None:
        # A state that may go through the part and comes back, or goes on.
        loop = builder.add(_Step())
        inner = node(builder, loop)
        builder.steps[loop] = _Step(free=(inner, then))
        then = loop
    else:
        end = then
        for _ in range(most - least):
            then = builder.add(_Step(free=(node(builder, then), end)))
    for _ in range(least):
        first = node(builder, then)
        if first == then:
            break  # an empty part, however often; nested ones would never end
        then = first
    return then


def _is(wanted: str) -> _Test:
    return lambda character: character == wanted


def _ascii_lower(text: str) -> str:
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in text)


def _bad(pattern: str, problem: str) -> InvalidInputError:
    return InvalidInputError(
        "regex", f"Failed to construct regex from pattern '{pattern}': {problem}"
    )


_CLASSES: dict[str, _Test] = {
    "d": lambda c: "0" <= c <= "9",
    "w": lambda c: "a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c == "_",
    "s": lambda c: c in " \t\n\r\f",
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
