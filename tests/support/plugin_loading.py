"""How pytest, started by a test, is told of our plugin."""

from __future__ import annotations

from importlib.metadata import entry_points

MODULE = "chaos.pytest_plugin"


def plugin_arguments() -> list[str]:
    """Nothing where we are installed: then pytest finds it by itself."""
    found = entry_points(group="pytest11")
    is_installed = any(one.value == MODULE for one in found)
    return [] if is_installed else ["-p", MODULE]
