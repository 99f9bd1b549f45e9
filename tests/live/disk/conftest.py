"""Tests of this folder make file systems. Each file of them is run as a whole by a
second pytest, in namespaces that end with it: so nothing stays mounted, whatever
happens. What is seen here is what was seen there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chaos.machine.capabilities import Ability, probe

INSIDE = "RLC_TESTS_ARE_INSIDE"
FLAGS = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
TIMEOUT_S = 300
"""Of a file: half a minute is usual, a machine with other work takes longer."""
_runs: dict[Path, Mapping[str, str]] = {}


@pytest.fixture(scope="session", autouse=True)
def ability() -> None:
    if INSIDE not in os.environ and (why := probe().missing(Ability.LOOP_EXT4)):
        pytest.skip(why)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            # The first of a file takes the time of all.
            item.add_marker(pytest.mark.timeout(TIMEOUT_S + 10))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if INSIDE in os.environ:
        return None
    if pyfuncitem.path not in _runs:
        _runs[pyfuncitem.path] = _run_inside(pyfuncitem)
    outcome = _runs[pyfuncitem.path].get(pyfuncitem.name, "it was not run")
    if outcome:
        pytest.fail(outcome, pytrace=False)
    return True


def _run_inside(first: pytest.Function) -> Mapping[str, str]:
    """Of each test chosen of this file what went wrong, empty if nothing did."""
    tests = [item for item in first.session.items if item.path == first.path]
    report = first._request.getfixturevalue("tmp_path_factory").mktemp("inside") / "xml"
    ended = subprocess.run(
        [
            *("unshare", *FLAGS, sys.executable, "-m", "pytest"),
            *("-p", "no:cacheprovider", f"--junitxml={report}"),
            *(item.nodeid for item in tests),
        ],
        cwd=first.config.rootpath,
        env={**os.environ, INSIDE: "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if not report.exists():
        return dict.fromkeys((item.name for item in tests), ended.stdout + ended.stderr)
    return {
        case.attrib["name"]: "\n".join(
            problem.text or problem.tag
            for tag in ("failure", "error", "skipped")
            for problem in case.iter(tag)
        )
        for case in ElementTree.parse(report).iter("testcase")
    }
