"""The nice value of leaders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftleader.cli import priority
from raftleader.cli.priority import be_nice, check_nice, may_be_urgent
from raftleader.errors import ConfigError


@pytest.mark.parametrize("nice", [-21, 20])
def test_nice_value_that_does_not_exist_is_refused(nice: int) -> None:
    with pytest.raises(ConfigError, match=f"expected -20 .* to 19, got {nice}"):
        check_nice(nice)


def test_asking_whether_we_may_be_urgent_changes_nothing() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    may_be_urgent()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_nice_value_is_that_of_the_process_afterwards() -> None:
    script = (
        "import os; from raftleader.cli.priority import be_nice; be_nice(13);"
        "print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert shown.stdout.strip() == "13"


def test_priority_that_is_not_allowed_is_said_and_the_node_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "setpriority", _refuse)
    be_nice(-10)
    assert "nice: -10 is not allowed here" in caplog.text
    assert not may_be_urgent()


def _refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("is_alone", [True, False])
def test_session_gets_the_nice_value_if_it_is_ours_alone(
    is_alone: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    autogroup = tmp_path / "autogroup"
    monkeypatch.setattr(priority, "AUTOGROUP", autogroup)
    monkeypatch.setattr(os, "setpriority", lambda *_: None)
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid() if is_alone else 1)
    be_nice(7)
    assert autogroup.exists() == is_alone
    if is_alone:
        assert autogroup.read_text() == "7"
