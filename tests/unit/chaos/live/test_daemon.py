"""What is put around a node of a run before it begins."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator

import pytest

from chaos.live import daemon
from chaos.live.observed import ObservedNode
from raftleader.cli import daemon_leader, main
from raftleader.node import run_node


@pytest.fixture
def argv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["daemon", "leader"])
    # Back to this afterwards.
    monkeypatch.setattr(daemon_leader, "run_node", daemon_leader.run_node)


@pytest.mark.usefixtures("argv")
def test_daemon_plants_the_mutant_for_the_life_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted: list[str] = []
    seen: list[object] = []

    @contextlib.contextmanager
    def plant(name: str) -> Iterator[None]:
        planted.append(name)
        yield
        planted.clear()

    mutants = types.ModuleType("chaos.zoo.mutants")
    setattr(mutants, "planted", plant)  # noqa: B010 - a module made here
    monkeypatch.setitem(sys.modules, "chaos.zoo.mutants", mutants)
    monkeypatch.setenv("RAFTLEADER_CHAOS_MUTANT", "no-vote")
    monkeypatch.setattr(
        main, "main", lambda: seen.extend([*planted, daemon_leader.run_node])
    )

    daemon.main()

    assert seen[0] == "no-vote"
    assert getattr(seen[1], "__func__", None) is ObservedNode.run
    assert planted == []


@pytest.mark.usefixtures("argv")
def test_daemon_refuses_a_point_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAFTLEADER_CHAOS_CRASH", "after-snyc")

    with pytest.raises(SystemExit) as ended:
        daemon.main()

    assert ended.value.code == 2
    assert "after-sync" in capsys.readouterr().err
    assert daemon_leader.run_node is run_node
