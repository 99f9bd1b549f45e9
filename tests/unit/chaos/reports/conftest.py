"""Made-up runs, judged, as a report finds them. Whoever changes one copies it first."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.synthetic_history import make_synthetic_run

from chaos.judging.judge import judge
from chaos.judging.judgement import judgement_as_dict
from chaos.live.run_file import change_run

SECONDS = 12.0


def judged_run(folder: Path, violation: str | None = None) -> Path:
    make_synthetic_run(folder, 7, violation, seconds=SECONDS)
    change_run(folder, judgement=judgement_as_dict(judge(folder)))
    return folder


@pytest.fixture(scope="session")
def valid_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged_run(tmp_path_factory.mktemp("runs") / "valid")


@pytest.fixture(scope="session")
def violated_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged_run(tmp_path_factory.mktemp("runs") / "violated", "called-lost")
