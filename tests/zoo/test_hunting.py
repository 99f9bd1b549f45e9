"""Hunts: one ends with the seed that catches, or after so many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from chaos.zoo.catalog import BY_NAME
from chaos.zoo.entry import Level, LiveRun
from chaos.zoo.hunting import hunt_for, live_arguments

OFFER = BY_NAME["drop-an-offer"]
ANSWER = BY_NAME["answer-before-commit"]


def judged(checker: str, verdict: str = "invalid") -> list[dict[str, Any]]:
    problems = [{"text": "it is gone"}, {"text": "so is that"}]
    return [
        {"checker": "enough was seen", "verdict": "valid", "problems": []},
        {"checker": checker, "verdict": verdict, "problems": problems},
    ]


@attrs.define
class FakeLive:
    """Answers one run after the other; a string is why a run said nothing."""

    answers: list[list[dict[str, Any]] | str]
    asked: list[list[str]] = attrs.field(factory=list)

    async def __call__(
        self, arguments: Sequence[str], run: LiveRun
    ) -> tuple[list[dict[str, Any]], str]:
        self.asked.append(list(arguments))
        answer = self.answers.pop(0)
        return ([], answer) if isinstance(answer, str) else (answer, "")


async def test_hunt_ends_with_the_seed_that_catches() -> None:
    counts: list[int] = []
    found = await hunt_for(
        OFFER, OFFER.hunts[0], start=1, tries=20, tried=counts.append
    )
    assert found.is_caught
    assert found.checker == "P2 offers survive or are rescinded"
    assert found.seed == found.took == len(counts) <= 3
    assert found.command == (
        f"raftleader chaos replay {found.seed} --level fast --mutant drop-an-offer"
    )
    assert found.as_json()["caught"] is True


async def test_hunt_ends_after_so_many_seeds_when_nothing_is_caught() -> None:
    hunt = attrs.evolve(OFFER.hunts[0], checkers=("somebody else",))
    found = await hunt_for(OFFER, hunt, start=7, tries=2)
    assert not found.is_caught
    assert found.seed is None
    assert found.took == 2


async def test_live_hunt_goes_on_until_a_checker_that_counts_says_invalid() -> None:
    hunt = ANSWER.hunt_at(Level.LIVE)
    assert hunt is not None and hunt.live is not None
    live = FakeLive(
        [
            judged("P1 answered means in the log", "valid"),
            judged("P4 no resource twice"),
            judged("P1 answered means in the log"),
            judged("P1 answered means in the log"),
        ]
    )
    found = await hunt_for(ANSWER, hunt, start=5, tries=4, run_live=live)
    assert (found.seed, found.took, found.message) == (7, 3, "it is gone")
    assert live.asked == [live_arguments(ANSWER, hunt.live, seed) for seed in (5, 6, 7)]
    assert found.command.startswith("raftleader chaos live --seed 7 --for ")
    assert "--mutant answer-before-commit" in found.command


async def test_live_hunt_says_why_runs_said_nothing() -> None:
    hunt = ANSWER.hunt_at(Level.LIVE)
    assert hunt is not None
    live = FakeLive(["exit code 2: no room", "exit code 2: no room", "it had no end"])
    found = await hunt_for(ANSWER, hunt, start=1, tries=3, run_live=live)
    assert not found.is_caught
    assert found.problem == "exit code 2: no room; it had no end"


@pytest.mark.parametrize("level", [Level.FAST, Level.WHOLE])
def test_live_is_asked_for_nowhere_else(level: Level) -> None:
    hunts = [one.hunt_at(level) for one in BY_NAME.values()]
    assert all(one.live is None for one in hunts if one is not None)
