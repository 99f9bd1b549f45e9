"""A small random run for either engine: an unkind network, nodes cut off, peace."""

from __future__ import annotations

import random
from typing import Protocol

from chaos.zoo.stock.wires import Wires

ROUNDS = 60
ROUND_S_MAX = 1.2
PEACE_S = 20.0


class Cluster(Protocol):
    """What ``StockCluster`` and ``MemberCluster`` have in common."""

    names: str
    answered: list[str]

    @property
    def wires(self) -> Wires: ...
    def add(self, name: str, *values: str) -> None: ...
    def run(self, seconds: float) -> None: ...
    def isolate(self, name: str) -> None: ...
    def heal(self) -> None: ...
    def is_leader(self, name: str) -> bool: ...
    def values(self, name: str) -> list[str]: ...
    def lost(self, name: str) -> list[str]: ...


def run_random(cluster: Cluster, rng: random.Random) -> list[str]:
    """What is wrong in the end, one line each; nothing if all is well."""
    for number in range(ROUNDS):
        leaders = [name for name in cluster.names if cluster.is_leader(name)]
        if rng.random() < 0.4:
            cluster.heal()
            cluster.isolate(rng.choice(leaders or list(cluster.names)))
        elif rng.random() < 0.5:
            cluster.heal()
        for name in cluster.names:
            if cluster.is_leader(name):
                cluster.add(name, *(f"{number}-{name}-{i}" for i in range(4)))
        cluster.run(rng.uniform(0.1, ROUND_S_MAX))
    cluster.heal()
    cluster.wires.weather = None
    cluster.run(PEACE_S)

    problems: list[str] = []
    first = cluster.names[0]
    if any(cluster.values(name) != cluster.values(first) for name in cluster.names):
        problems.append("after the peace the states differ")
    for name in cluster.names:
        if lost := cluster.lost(name):
            problems.append(f"{name} lost {len(lost)} answered: {lost[:3]}")
        values = cluster.values(name)
        if len(values) != len(set(values)):
            problems.append(f"{name} applied something twice")
    return problems
