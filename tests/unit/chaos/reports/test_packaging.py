from __future__ import annotations

from chaos.reports.rendering import asset, environment


def test_templates_lie_in_the_package() -> None:
    names = environment().list_templates()
    assert {"report.html", "index.html", "macros.html"} <= set(names)
    assert "prefers-color-scheme: dark" in asset("style.css")
    assert '"use strict"' in asset("script.js")
