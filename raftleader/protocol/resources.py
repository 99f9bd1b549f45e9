"""Resource vectors: what an agent has, an offer carries and a task uses.

Pure values. Scalars are integers in thousandths (``cpus`` 1500 is 1.5 cores,
``mem`` 1000 is one megabyte), so sums are exact and every replica computes the
same dominant share. Ranges are for ports, sets for named devices.

A key says what a resource is besides its amount (``resource_keys.py``): a name,
followed by a role in brackets if it is reserved for that role, and by more after a
bar if there is more to say: ``cpus``, ``cpus(prod)``, ``disk(prod)|{...}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from raftleader.errors import InvalidInputError
from raftleader.protocol.resource_keys import (
    CACHED_KINDS_MAX,
    ResourceKind,
    base_key,
    is_exclusive_key,
    key_of_kind,
    kind_of_key,
    may_use,
)

V = TypeVar("V")

Range = tuple[int, int]
"""First and last value, both included."""

_KEY = re.compile(r"(?P<name>[A-Za-z0-9_.\-]+)(\((?P<role>[^()\s]+)\))?\Z")


def key_of(name: str, role: str = "*") -> str:
    """The key of ``name``, reserved for ``role`` unless that is ``*``."""
    return name if role == "*" else f"{name}({role})"


@lru_cache(maxsize=CACHED_KINDS_MAX)
def split_key(key: str) -> tuple[str, str]:
    """Name and role of a key; the role of what is not reserved is ``*``."""
    prefix = key.partition("|")[0]
    name, bracket, rest = prefix.partition("(")
    return (name, rest[:-1]) if bracket else (name, "*")


class Resources(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An amount of each resource, never negative, without empty parts.

    Build with :meth:`of`, which puts every part into its one canonical form;
    equal amounts are then equal values and encode to equal bytes.

    Attributes:
        scalars: Thousandths, by key.
        ranges: Disjoint ranges in ascending order, by key.
        sets: Items in ascending order, by key.
    """

    scalars: dict[str, int] = {}
    ranges: dict[str, tuple[Range, ...]] = {}
    sets: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(
        cls,
        scalars: Mapping[str, int] | None = None,
        ranges: Mapping[str, Iterable[Range]] | None = None,
        sets: Mapping[str, Iterable[str]] | None = None,
    ) -> Resources:
        """The canonical value of these parts. Raises InvalidInputError."""
        for key, millis in (scalars or {}).items():
            if millis < 0:
                raise InvalidInputError(key, "must not be negative")
        joined = {
            key: join_ranges(parts, key)
            for key, parts in sorted((ranges or {}).items())
        }
        items = {key: tuple(sorted(set(s))) for key, s in sorted((sets or {}).items())}
        return cls(
            scalars={k: v for k, v in sorted((scalars or {}).items()) if v},
            ranges={k: v for k, v in joined.items() if v},
            sets={k: v for k, v in items.items() if v},
        )

    def __bool__(self) -> bool:
        return bool(self.scalars or self.ranges or self.sets)

    def __add__(self, other: Resources) -> Resources:
        """Both together. Ranges and sets that overlap are an error of the caller."""
        if not other:
            return self
        if not self:
            return other
        if self._is_plain() and other._is_plain():
            mine = self.scalars
            scalars = mine.copy()
            for key, millis in other.scalars.items():
                scalars[key] = scalars.get(key, 0) + millis
            return Resources(scalars if len(scalars) == len(mine) else _sorted(scalars))
        scalars = dict(self.scalars)
        for key, millis in other.scalars.items():
            scalars[key] = scalars.get(key, 0) + millis
        ranges = dict(self.ranges)
        for key, parts in other.ranges.items():
            ranges[key] = join_ranges((*ranges.get(key, ()), *parts), key)
        sets = dict(self.sets)
        for key, items in other.sets.items():
            sets[key] = tuple(sorted({*sets.get(key, ()), *items}))
        return Resources(
            scalars=_sorted(scalars), ranges=_sorted(ranges), sets=_sorted(sets)
        )

    def __sub__(self, other: Resources) -> Resources:
        """What is left of ``self``. ``self`` must contain ``other`` (asserted)."""
        rest = self.without(other)
        assert rest is not None, f"{other} is not within {self}"
        return rest

    def without(self, other: Resources) -> Resources | None:
        """What is left of ``self``, or None if it does not contain ``other``."""
        if self._is_plain() and other._is_plain():
            taken = other.scalars
            if not taken:
                return self
            scalars = self.scalars.copy()
            for key, millis in taken.items():
                left = scalars.get(key, 0) - millis
                if left > 0:
                    scalars[key] = left
                elif left < 0:
                    return None
                else:
                    scalars.pop(key, None)
            return Resources(scalars)
        if not other:
            return self
        if not self.contains(other):
            return None
        scalars = dict(self.scalars)
        for key, millis in other.scalars.items():
            scalars[key] -= millis
        ranges = dict(self.ranges)
        for key, parts in other.ranges.items():
            ranges[key] = subtract_ranges(ranges[key], parts)
        sets = dict(self.sets)
        for key, items in other.sets.items():
            sets[key] = tuple(item for item in sets[key] if item not in items)
        return Resources(
            scalars={k: v for k, v in scalars.items() if v},
            ranges={k: v for k, v in ranges.items() if v},
            sets={k: v for k, v in sets.items() if v},
        )

    def contains(self, other: Resources) -> bool:
        """Whether ``other`` fits into ``self``, part by part."""
        mine = self.scalars
        for key, millis in other.scalars.items():
            if mine.get(key, 0) < millis:
                return False
        return other._is_plain() or (
            all(
                _ranges_contain(self.ranges.get(k, ()), v)
                for k, v in other.ranges.items()
            )
            and all(set(v) <= set(self.sets.get(k, ())) for k, v in other.sets.items())
        )

    def _is_plain(self) -> bool:
        """Scalars only, as nearly always: the allocator does little else than sums."""
        return not (self.ranges or self.sets)

    def for_role(self, role: str) -> Resources:
        """The part a framework of ``role`` may use: unreserved, or reserved for it
        or a role above it."""
        return self.only(lambda key: may_use(role, split_key(key)[1]))

    def only(self, is_wanted: Callable[[str], bool]) -> Resources:
        """The parts whose keys are wanted."""
        if all(map(is_wanted, self.scalars)) and (
            self._is_plain() or all(map(is_wanted, (*self.ranges, *self.sets)))
        ):
            return self
        return Resources(
            scalars={k: v for k, v in self.scalars.items() if is_wanted(k)},
            ranges={k: v for k, v in self.ranges.items() if is_wanted(k)},
            sets={k: v for k, v in self.sets.items() if is_wanted(k)},
        )

    def exclusive(self) -> Resources:
        """Without what is shared: only this is charged to an account."""
        return self.only(is_exclusive_key)

    def converted(self, convert: Callable[[ResourceKind], ResourceKind]) -> Resources:
        """Each part as another kind of the same amount; equal kinds are summed."""

        def target(key: str) -> str:
            return key_of_kind(convert(kind_of_key(key)))

        scalars: dict[str, int] = {}
        ranges: dict[str, list[Range]] = {}
        sets: dict[str, list[str]] = {}
        for key, millis in self.scalars.items():
            scalars[target(key)] = scalars.get(target(key), 0) + millis
        for key, spans in self.ranges.items():
            ranges.setdefault(target(key), []).extend(spans)
        for key, items in self.sets.items():
            sets.setdefault(target(key), []).extend(items)
        return Resources.of(scalars, ranges, sets)

    def base(self) -> Resources:
        """What an agent must have for these to be made of: ``ResourceKind.base``."""
        if self._is_plain():
            scalars: dict[str, int] = {}
            for key, millis in self.scalars.items():
                name = base_key(key)
                scalars[name] = scalars.get(name, 0) + millis
            return Resources(_sorted(scalars))
        return self.converted(ResourceKind.base)

    def total(self, name: str) -> int:
        """Thousandths of scalar ``name`` over all roles."""
        total = 0
        for key, millis in self.scalars.items():
            if key == name or split_key(key)[0] == name:
                total += millis
        return total

    def __str__(self) -> str:
        return format_resources(self)


EMPTY = Resources()


def _sorted(table: dict[str, V]) -> dict[str, V]:
    return {key: table[key] for key in sorted(table)}


def join_ranges(parts: Iterable[Range], key: str = "ranges") -> tuple[Range, ...]:
    """Ascending, disjoint, with neighbours joined. Raises InvalidInputError."""
    joined: list[Range] = []
    for begin, end in sorted(parts):
        if begin < 0 or end < begin:
            raise InvalidInputError(key, f"[{begin}-{end}] is not a range")
        if joined and begin <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)


def subtract_ranges(
    left: tuple[Range, ...], right: Iterable[Range]
) -> tuple[Range, ...]:
    """What is left of ``left``; both ascending and disjoint."""
    for begin, end in right:
        kept: list[Range] = []
        for first, last in left:
            if last < begin or end < first:
                kept.append((first, last))
                continue
            if first < begin:
                kept.append((first, begin - 1))
            if end < last:
                kept.append((end + 1, last))
        left = tuple(kept)
    return left


def _ranges_contain(outer: tuple[Range, ...], inner: tuple[Range, ...]) -> bool:
    return all(
        any(first <= begin and end <= last for first, last in outer)
        for begin, end in inner
    )


def parse_resources(text: str) -> Resources:
    """Read Mesos' text form: ``cpus:4;mem:1024;ports:[31000-32000];gpus:{a,b}``.

    A role in brackets reserves: ``cpus(prod):2``. Raises InvalidInputError that
    names the part.
    """
    scalars: dict[str, int] = {}
    ranges: dict[str, list[Range]] = {}
    sets: dict[str, list[str]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        key, colon, value = (piece.strip() for piece in part.partition(":"))
        if not colon or not _KEY.match(key):
            raise InvalidInputError(part, "expected NAME:VALUE or NAME(ROLE):VALUE")
        if value.startswith("["):
            for piece in value.strip("[]").split(","):
                match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", piece)
                if not match or not value.endswith("]"):
                    raise InvalidInputError(part, "expected [BEGIN-END, ...]")
                ranges.setdefault(key, []).append((int(match[1]), int(match[2])))
        elif value.startswith("{"):
            if not value.endswith("}"):
                raise InvalidInputError(part, "expected {ITEM, ...}")
            items = [item.strip() for item in value.strip("{}").split(",")]
            sets.setdefault(key, []).extend(item for item in items if item)
        else:
            scalars[key] = scalars.get(key, 0) + parse_millis(value, part)
    return Resources.of(scalars, ranges, sets)


def parse_millis(text: str, path: str) -> int:
    """A non-negative decimal number in thousandths. Raises InvalidInputError."""
    if not re.fullmatch(r"\d{1,15}(\.\d+)?", text):
        raise InvalidInputError(path, f"{text!r} is not a non-negative number")
    whole, _, fraction = text.partition(".")
    return int(whole) * 1000 + int((fraction + "000")[:3])


def format_millis(millis: int) -> str:
    """``1500`` as ``1.5``, ``2000`` as ``2``."""
    whole, rest = divmod(millis, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def format_resources(resources: Resources) -> str:
    """The text form that :func:`parse_resources` reads."""
    parts = [f"{k}:{format_millis(v)}" for k, v in resources.scalars.items()]
    for key, spans in resources.ranges.items():
        parts.append(f"{key}:[{', '.join(f'{b}-{e}' for b, e in spans)}]")
    for key, items in resources.sets.items():
        parts.append(f"{key}:{{{', '.join(items)}}}")
    return ";".join(parts)
