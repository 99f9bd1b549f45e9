"""An entry of the registry, and how a section is written."""

from __future__ import annotations

import enum

import attrs


class Standing(enum.Enum):
    """How an entry stands. The value is the word on the page."""

    WORKS = "works"
    DIFFERS = "differs"
    NOT_YET = "not yet"


@attrs.frozen(kw_only=True)
class Entry:
    """One call, event, page, capability or field.

    Attributes:
        name: As Mesos has it.
        note: How it differs, or what is missing; "" if there is nothing to say.
        test: Name of a test that shows it; None for what is not there yet.
    """

    name: str
    standing: Standing
    note: str = ""
    test: str | None = None


@attrs.frozen(kw_only=True)
class Section:
    """Entries of one kind.

    Attributes:
        key: For the tests that hold it to a server.
        enum: The enum, or the message, of the schema that it must name in full.
    """

    key: str
    title: str
    words: str = ""
    enum: str | None = None
    entries: tuple[Entry, ...] = ()


def entries(text: str) -> tuple[Entry, ...]:
    """Entries from lines ``NAME | test_that_shows_it | how it differs``.

    A third part makes it one that differs, unless it begins with ``+``: then it is
    only a word on one that works. Without a test it is not there yet, and the third
    part says what is missing.
    """
    found = []
    for line in text.strip().replace("\n    ", " ").splitlines():
        name, test, note = (part.strip() for part in (line + "||").split("|")[:3])
        if not test:
            standing = Standing.NOT_YET
        elif note and not note.startswith("+"):
            standing = Standing.DIFFERS
        else:
            standing = Standing.WORKS
        note = note.removeprefix("+").strip()
        found.append(Entry(name=name, standing=standing, note=note, test=test or None))
    return tuple(found)
