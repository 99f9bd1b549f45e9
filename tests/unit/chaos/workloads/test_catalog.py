"""The kinds of workloads, by name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chaos.history.writer import HistoryWriter
from chaos.workloads.catalog import KINDS, MIXTURE, kind_named, kinds_of
from chaos.workloads.interface import Surroundings
from chaos.workloads.recorder import Recorder
from chaos.workloads.state_file import StateFile
from raftleader.errors import ConfigError


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_made_and_has_a_minimum(name: str, tmp_path: Path) -> None:
    kind = kind_named(name)
    assert kind.name == name
    assert kind.ok_per_s_min > 0
    assert kind.ok_needed
    workload = kind.make(
        Surroundings(
            name="w-1",
            leaders=["127.0.0.1:1"],
            life=1,
            rng=random.Random(1),
            recorder=Recorder("w-1", HistoryWriter(tmp_path / "history")),
            state=StateFile(tmp_path / "state"),
        )
    )
    assert workload.left() == []
    assert isinstance(workload.figures(), dict)


def test_mixed_is_five_kinds_and_all_is_all() -> None:
    assert kinds_of("mixed") == MIXTURE
    assert MIXTURE == ("churn", "hoarder", "failover", "futures", "registry")
    assert kinds_of("all") == tuple(KINDS)
    assert len(KINDS) == 8


def test_kinds_are_repeated_until_there_are_enough() -> None:
    assert kinds_of("churn, registry") == ("churn", "registry")
    assert kinds_of("churn,registry", 3) == ("churn", "registry", "churn")
    assert kinds_of("mixed", 2) == ("churn", "hoarder")


def test_unknown_kind_is_refused_with_one_like_it() -> None:
    with pytest.raises(ConfigError, match=r"--workload: .*'chrun'; did you mean churn"):
        kinds_of("mixed,chrun")
    with pytest.raises(ConfigError, match=r"known: mixed, all, churn, .*registry"):
        kind_named("xyz")
