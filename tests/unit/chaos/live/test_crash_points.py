"""Places at which a node kills itself: which there are, and when it does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import raftleader.replication
from chaos.live.crash_points import (
    ENGINE_POINTS,
    CrashingMachine,
    CrashPoints,
    agent_points,
    crash_points,
    leader_points,
    parse_point,
)
from raftleader.errors import ConfigError
from raftleader.replication.recording import RecordingMachine
from raftleader.state.commands import BeginTerm, Entry, SetWeights, encode_entry


def died_at(points: CrashPoints, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where it would have died; it lives on."""
    places: list[str] = []
    points.on_crash.append(places.append)
    monkeypatch.setattr("os.kill", lambda pid, number: None)
    return places


def entry(*commands: Any) -> bytes:
    return encode_entry(Entry(term=1, node="n", now_ms=1, commands=commands))


def test_engine_points_are_those_in_the_code() -> None:
    root = Path(raftleader.replication.__file__).parent
    text = "\n".join(path.read_text() for path in root.rglob("*.py"))
    assert set(re.findall(r'_at_point\("([a-z-]+)"\)', text)) == set(ENGINE_POINTS)


def test_points_have_names_of_commands_and_of_what_agents_do() -> None:
    assert "apply:AcceptOffers:before" in leader_points()
    assert "apply:SetQuotas:after" in leader_points()
    assert "agent:launch:after" in agent_points()
    assert len(crash_points()) == len(set(crash_points()))


@pytest.mark.parametrize(
    ("text", "point", "times"),
    [
        ("after-sync", "after-sync", 1),
        ("after-sync:12", "after-sync", 12),
        ("agent:launch:before", "agent:launch:before", 1),
        ("apply:AcceptOffers:after:3", "apply:AcceptOffers:after", 3),
    ],
)
def test_parse_point_takes_a_count_behind_it(text: str, point: str, times: int) -> None:
    assert parse_point(text) == (point, times)


@pytest.mark.parametrize("text", ["after-snyc", "after-sync:0", "apply:Accept:before"])
def test_parse_point_names_what_is_near_when_there_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no POINT\[:N\]"):
        parse_point(text)


def test_crash_points_kill_the_nth_time_and_only_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = CrashPoints()
    places = died_at(points, monkeypatch)
    points.passed("after-sync")
    points.arm("after-sync:2")
    points.passed("after-sync")
    points.passed("before-sync")
    assert places == []
    points.passed("after-sync")
    assert places == ["after-sync"]
    points.arm("")
    points.passed("after-sync")
    assert places == ["after-sync"]


def test_crashing_machine_passes_points_around_each_kind_of_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = CrashPoints()
    places = died_at(points, monkeypatch)
    inner = RecordingMachine(lambda applied: f"{applied.index}: {places}")
    machine = CrashingMachine(inner, points)
    data = entry(BeginTerm(http_address="a:1"), SetWeights(weights={"web": 1}))

    points.arm("apply:SetWeights:before")
    assert machine.apply(1, 1, data) == "1: ['apply:SetWeights:before']"
    points.arm("apply:BeginTerm:after")
    assert machine.apply(2, 1, data) == "2: ['apply:SetWeights:before']"
    assert places[1:] == ["apply:BeginTerm:after"]
    points.arm("apply:BeginTerm:after")
    machine.apply(3, 1, b"no entry")
    machine.apply(4, 1, entry())
    assert len(places) == 2
    assert [one.index for one in inner.applied] == [1, 2, 3, 4]
    assert b"".join(machine.capture())


def test_crash_is_a_sigkill_that_says_where(tmp_path: Path) -> None:
    file = tmp_path / "crash-point"
    file.write_text("before-send:2\n")
    script = (
        "import os, signal\n"
        "from chaos.live.crash_points import CrashPoints\n"
        "points = CrashPoints()\n"
        "points.arm_from(os.environ)\n"
        "points.passed('before-send')\n"
        "os.kill(os.getpid(), signal.SIGUSR2)\n"
        "points.passed('before-send')\n"
        "print('lives', flush=True)\n"
        "points.passed('before-send')\n"
        "print('not reached', flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "RAFTLEADER_CHAOS_CRASH_FILE": str(file),
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (-9, "lives\n")
    assert ended.stderr == "crash point before-send: SIGKILL to itself\n"
