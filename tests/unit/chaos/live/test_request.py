from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from chaos.live.request import LiveRequest, new_folder, parse_duration
from raftleader.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60.0), ("90s", 90.0), ("2m", 120.0), ("0.5h", 1800.0), ("500ms", 0.5)],
)
def test_a_duration_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text, "--for") == seconds


@pytest.mark.parametrize("text", ["", "soon", "5x", "-3s", "0", "nan", "inf", "1sm"])
def test_no_duration_is_named_with_its_flag(text: str) -> None:
    with pytest.raises(ConfigError, match="--for"):
        parse_duration(text, "--for")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "--seed"),
        ({"for_s": 0.5}, "--for"),
        ({"leaders": 0}, "--leaders"),
        ({"leaders": 10}, "--leaders"),
        ({"agents": 0}, "--agents"),
        ({"engine": "paxos"}, "--engine: 'paxos' is none of raft, pysyncobj"),
        ({"network": "avian"}, "--network"),
        ({"disks": "tape"}, "--disks"),
        ({"snapshot_entries": 0}, "--snapshot-entries"),
        ({"agent_resources": "cpus:many"}, "--agent-resources"),
        ({"mutant": "drop-offer"}, "--mutant drop-offer: .* drop-an-offer"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_flag(
    changes: dict[str, object], words: str
) -> None:
    request = LiveRequest(**{"seed": 7, **changes})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=words):
        request.check()


def test_the_command_repeats_what_is_not_as_usual() -> None:
    assert LiveRequest(seed=7).command() == "raftleader chaos live --seed 7 --for 60s"
    request = LiveRequest(
        seed=8,
        for_s=22.5,
        faults="kill@leader,-loss",
        agents=2,
        network="proxies",
        has_house=False,
    )
    assert shlex.split(request.command())[3:] == [
        "--seed",
        "8",
        "--for",
        "22.5s",
        "--faults",
        "kill@leader,-loss",
        "--agents",
        "2",
        "--network",
        "proxies",
        "--no-house",
    ]


def test_a_new_folder_is_made_and_one_in_use_is_refused(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert new_folder(folder) == folder
    (folder / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="there is something already"):
        new_folder(folder)
    with pytest.raises(ConfigError, match="--report"):
        new_folder(folder / "run.json")
