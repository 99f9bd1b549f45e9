"""What a workload keeps over its own death."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.workloads.state_file import StateFile
from raftleader.errors import InvalidInputError
from raftleader.protocol.ids import FrameworkId


def test_state_is_empty_before_the_first_life(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state")
    assert (state.lives, state.framework_id, state.is_settling) == (0, None, False)
    assert not list(tmp_path.iterdir())


def test_state_is_kept_over_lives(tmp_path: Path) -> None:
    path = tmp_path / "state"
    first = StateFile(path)
    assert first.begin_life(at_least=1) == 1
    first.set_framework_id(FrameworkId("F-1"))
    first.set_settling()
    second = StateFile(path)
    assert second.begin_life(at_least=1) == 2
    assert (second.framework_id, second.is_settling) == ("F-1", True)
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_life_is_never_one_that_the_history_has_seen(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "state").begin_life(at_least=5) == 5


def test_framework_id_can_be_forgotten(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state")
    state.set_framework_id(FrameworkId("F-1"))
    state.set_framework_id(None)
    assert StateFile(tmp_path / "state").framework_id is None


def test_state_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text('{"lives": "many"}')
    with pytest.raises(InvalidInputError, match="lives"):
        StateFile(path)
