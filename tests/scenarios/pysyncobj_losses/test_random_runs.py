"""Nobody needs to know the faults: a random run finds a loss within a few seeds.

The network loses, doubles and delays messages, which the library is not made for; but
its own transport lets an old connection be read beside the new one.
"""

from __future__ import annotations

import random

import pytest
from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import still
from chaos.zoo.stock.losses import lost_in_weather
from chaos.zoo.stock.random_run import run_random
from chaos.zoo.stock.wires import Weather

SEEDS = range(8)
"""How many are enough for the library; ours must hold in each."""


def test_stock_loses_something_within_eight_seeds() -> None:
    found = [seed for seed in SEEDS if lost_in_weather(seed)]
    still(bool(found), "a random run loses answered commands")


@pytest.mark.parametrize("seed", SEEDS)
def test_stock_loses_nothing_on_a_network_that_keeps_the_order(seed: int) -> None:
    """So that what is found above is the library's, and not of the run."""
    assert lost_in_weather(seed, is_in_order=True) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_ours_loses_nothing_in_any_of_these(seed: int) -> None:
    rng = random.Random(seed)
    cluster = MemberCluster("ABC", snapshot_entries=50, weather=Weather(rng=rng))
    assert run_random(cluster, rng) == []
    assert len(cluster.answered) > 50
    assert len(cluster.leaders) > 1
    assert all(len(leaders) == 1 for leaders in cluster.leaders.values())
    assert cluster.first_index("A") > 1  # snapshots were made
