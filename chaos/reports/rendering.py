"""From templates, which lie in the package, to a page on disk."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = "templates"


@cache
def environment() -> Environment:
    """Everything is escaped; a name that a template does not get is an error."""
    return Environment(
        loader=PackageLoader("chaos.reports", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(name: str) -> Markup:
    """A file of ours that goes into a page as it is."""
    source = resources.files("chaos.reports") / TEMPLATES / name
    return Markup(source.read_text(encoding="utf-8"))


def render(template: str, **content: object) -> str:
    """The page, with its style and script in it."""
    return (
        environment()
        .get_template(template)
        .render(style=asset("style.css"), script=asset("script.js"), **content)
    )


def write_page(path: Path, page: str) -> Path:
    """Whole or not at all; the path."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(page, encoding="utf-8", errors="replace")
    beside.replace(path)
    return path
