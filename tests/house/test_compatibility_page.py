"""``docs/mesos-compatibility.md`` is what the registry says, and the registry names
everything that Mesos has, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raftleader.protocol.compatibility import SECTIONS, Section, Standing
from raftleader.protocol.compatibility.page import page
from raftleader.protocol.wire.schema import schema

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/mesos-compatibility.md"
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)", path.read_text())
}
each_section = pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.key)


def test_page_is_made_from_the_registry() -> None:
    assert FILE.read_text() == page() + "\n", (
        "write it anew: python -m raftleader.protocol.compatibility > " + str(FILE)
    )


@each_section
def test_section_names_all_that_mesos_has_once(section: Section) -> None:
    names = [entry.name for entry in section.entries]
    assert len(names) == len(set(names))
    if section.enum is None:
        return
    known = {**schema().enums, **schema().messages}[section.enum]
    assert set(names) == set(known) - {"UNKNOWN"}


@each_section
def test_entry_names_a_test_that_shows_it_or_what_is_missing(section: Section) -> None:
    for entry in section.entries:
        if entry.standing is Standing.NOT_YET:
            assert entry.note and entry.test is None, entry
        else:
            assert entry.test in TESTS, entry
        assert entry.note or entry.standing is not Standing.DIFFERS, entry
