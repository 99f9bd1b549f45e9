"""Prints the page."""

from __future__ import annotations

from raftleader.protocol.compatibility.page import page

print(page())  # noqa: T201  # printing is what it is for
