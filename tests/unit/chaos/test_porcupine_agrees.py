"""Porcupine, a checker of linearizability in Go, is our second opinion."""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from support.register_histories import as_lines, random_history

from chaos.checkers.linearizable import check_linearizable
from chaos.checkers.registers import Register
from chaos.results import Verdict

SOURCE = Path(__file__).parents[2] / "support" / "porcupine"
BUILD_TIMEOUT_S = 120
NAMES = {"ok": Verdict.VALID, "illegal": Verdict.INVALID, "unknown": Verdict.UNKNOWN}


@pytest.fixture(scope="module")
def porcupine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Porcupine needs the capability 'go', which this machine lacks")
    folder = tmp_path_factory.mktemp("porcupine") / "source"
    shutil.copytree(SOURCE, folder)
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [go, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )

    fetched = run("mod", "download")
    if fetched.returncode:
        pytest.skip(f"Porcupine needs Go's module proxy: {fetched.stderr.strip()}")
    built = run("build", "-o", "judge", ".")
    assert built.returncode == 0, built.stderr
    return folder / "judge"


def test_porcupine_says_the_same_of_random_histories(porcupine: Path) -> None:
    rng = random.Random(11)
    histories = [
        {
            key: random_history(
                rng,
                operations=rng.randrange(5, 60),
                clients=rng.randrange(1, 6),
                in_doubt=rng.choice([0.0, 0.05, 0.2]),
                changed=rng.choice([0, 0, 1, 2]),
                has_cas=rng.random() < 0.7,
            )
            for key in ("x", "y")[: rng.randrange(1, 3)]
        }
        for _ in range(300)
    ]
    lines = [
        json.dumps([line for key, some in one.items() for line in as_lines(key, some)])
        for one in histories
    ]

    told = subprocess.run(
        [porcupine],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=True,
    )

    theirs = [NAMES[word] for word in told.stdout.split()]
    ours = [check_linearizable(one, Register()).verdict for one in histories]
    assert theirs == ours
    assert min(ours.count(Verdict.VALID), ours.count(Verdict.INVALID)) > 30
