"""The package itself: what it installs, and who else claims our names."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("raftleader", "agent", "transports", "chaos")
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))


def test_names_have_one_owner_when_installed() -> None:
    owners = importlib.metadata.packages_distributions()
    for name in PACKAGES:
        assert set(owners.get(name, ["raftleader"])) == {"raftleader"}, (
            f"another distribution installs a top-level {name!r}: give raftleader a "
            "virtual environment of its own"
        )


def test_every_package_says_what_it_is_for() -> None:
    for name in PACKAGES:
        for init in (ROOT / name).rglob("__init__.py"):
            assert init.read_text().startswith('"""'), f"{init} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('"""'), "a module begins with a docstring"
    assert len(text.splitlines()) <= 450, "split by subject"


def test_nothing_unpickles_what_the_network_sent() -> None:
    """Only a task's own payload and its result are pickles, both made by the user."""
    allowed = {
        "raftleader/framework/payload.py",
        "raftleader/framework/task_runner.py",
        "raftleader/framework/executor.py",
        "raftleader/framework/results.py",
    }
    users = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"pickle\.loads?\(", path.read_text())
    }
    assert users <= allowed


def test_child_of_the_client_library_sees_no_other_package_of_ours() -> None:
    script = (
        "import sys, raftleader.framework, raftleader.framework.task_runner\n"
        "print([n for n in ('agent', 'transports', 'chaos', 'trio')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=30,
    )
    assert done.stdout.strip() == "[]"
