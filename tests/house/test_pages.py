"""README and ``docs/`` name only what exists: files, links, tests and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from chaos.cli import chaos_app
from raftleader.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("agent", "chaos", "docs", "examples", "raftleader", "tests", "transports")
ENDINGS = ("md", "py", "txt")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def spans(page: Path) -> list[str]:
    """What stands in backticks, also where a line ends in between; not the examples."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", text)]


def files() -> Iterator[str]:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if "__pycache__" not in path.parts:
                yield f"/{path.relative_to(ROOT)}"


FILES = set(files())
TESTS = {
    name
    for path in (ROOT / "tests").rglob("*.py")
    for name in (path.stem, *re.findall(r"def (test_\w+)", path.read_text()))
}


def alternatives(text: str) -> list[str]:
    """``a/{b,c}.py`` is two paths."""
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", text)
    if found is None:
        return [text]
    before, inside, after = found.groups()
    return [f"{before}{one}{after}" for one in inside.split(",")]


def is_there(path: str) -> bool:
    """From the root, or from a folder that the page is about."""
    if "*" in path:
        return any(ROOT.glob(path))
    return any(one.endswith(f"/{path.rstrip('/')}") for one in FILES)


@each_page
def test_every_file_a_page_names_exists(page: Path) -> None:
    named = [
        path
        for text in spans(page)
        if re.fullmatch(r"[\w.*{},/-]+", text)
        for path in alternatives(text)
        if path.startswith(tuple(f"{folder}/" for folder in FOLDERS))
        or path.endswith(tuple(f".{ending}" for ending in ENDINGS))
    ]
    assert [path for path in named if not is_there(path)] == []


@each_page
def test_every_test_a_page_names_exists(page: Path) -> None:
    # Or the beginning of its name.
    named = re.findall(r"\btest_\w+", "\n".join(spans(page)))
    begun = {name for name in named if any(one.startswith(name) for one in TESTS)}
    assert [name for name in named if name not in begun] == []


def headings(page: Path) -> set[str]:
    """As a link names them."""
    return {
        re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    }


@each_page
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.is_file(), link
        assert not heading or heading in headings(target), link


def test_readme_lists_every_page() -> None:
    text = PAGES[0].read_text()
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text] == []


def command_lines(page: Path) -> Iterator[list[str]]:
    """``raftleader ...`` in backticks, and on lines of its own."""
    indented = re.findall(r"^    (raftleader .*)$", page.read_text(), re.MULTILINE)
    for text in [*spans(page), *indented]:
        if text.startswith("raftleader ") and "..." not in text:
            yield text.partition(" -- ")[0].partition("  ")[0].split()[1:]


@each_page
def test_every_command_and_option_a_page_names_exists(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    root.commands["chaos"] = typer.main.get_command(chaos_app)
    for words in command_lines(page):
        command = root
        for word in words:
            found = getattr(command, "commands", {}).get(word)
            if found is not None:
                command = found
            elif word.startswith("-"):
                known = {name for one in command.params for name in one.opts}
                is_long = word.startswith("--") or word in known
                names = [word] if is_long else [f"-{letter}" for letter in word[1:]]
                for name in names:  # -it is -i -t
                    assert name in known | {"--help"}, (words, name)
            elif getattr(command, "commands", {}):
                assert not word.islower(), (words, word)  # COMMAND, as in a synopsis
