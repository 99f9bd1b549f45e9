"""G and F: an exception in a callback, or in a command, applies the entry again."""

from __future__ import annotations

import contextlib

import pytest
from support.raft_members import MemberCluster

from chaos.zoo.stock.cluster import StockCluster, still


class ClientGoneError(Exception):
    """What a callback may raise when its client has hung up."""


def test_stock_applies_a_command_twice_when_its_callback_raises() -> None:
    cluster = StockCluster("ABC")
    cluster.elect("A")
    cluster.run(1.0)

    def callback(result: object, reason: int) -> None:
        raise ClientGoneError

    cluster.nodes["A"].add("once", callback=callback)
    for _ in range(50):
        with contextlib.suppress(ClientGoneError):
            cluster.run(0.1)
    assert cluster.values("B") == cluster.values("C") == ["once"]
    still(
        cluster.values("A") == ["once", "once"],
        "a callback that raises leaves the entry to be applied again, on one node",
    )


def test_stock_applies_a_command_that_raises_for_ever() -> None:
    cluster = StockCluster("ABC")
    cluster.elect("A")
    cluster.run(1.0)
    applied = 0

    def raising(value: str) -> None:
        nonlocal applied
        applied += 1
        raise ValueError(value)

    poisoned = cluster.nodes["A"]
    poisoned.values = NoAppend(raising)  # the state machine's bug, on one node
    cluster.add("A", "poison", "later")
    for _ in range(20):
        with contextlib.suppress(ValueError):
            cluster.run(0.1)
    still(applied > 10, "a command that raises is applied at every tick")
    assert cluster.answered == []
    with pytest.raises(ValueError, match="poison"):
        cluster.tick("A")


class NoAppend(list[str]):
    """A list whose ``append`` is another function."""

    def __init__(self, append: object) -> None:
        super().__init__()
        self.append = append  # type: ignore[assignment]  # that is what it is for


def test_ours_ends_the_node_when_a_callback_raises_and_applies_once() -> None:
    """Callers of a ``RaftLog`` cannot raise into it; this is the layer below."""
    cluster = MemberCluster("ABC")
    cluster.elect("A")

    def callback(result: object, error: Exception | None) -> None:
        raise ClientGoneError

    cluster.members["A"].propose(b"once", callback)
    with pytest.raises(ClientGoneError):
        cluster.run(1.0)
    assert cluster.values("A") == ["once"]
    cluster.kill("A")
    cluster.start("A")
    cluster.heal()
    cluster.connect("A")
    cluster.run(2.0)
    assert {name: cluster.values(name) for name in "ABC"} == {
        name: ["once"] for name in "ABC"
    }


def test_ours_ends_the_node_when_a_command_raises() -> None:
    cluster = MemberCluster("ABC")
    cluster.elect("A")
    machine = cluster.machines["A"]
    asked = 0

    def apply(index: int, term: int, data: bytes) -> object:
        nonlocal asked
        asked += 1
        raise ValueError(data)

    machine.apply = apply  # type: ignore[method-assign]  # the bug of one node
    cluster.add("A", "poison")
    with pytest.raises(ValueError, match="poison"):
        cluster.run(1.0)
    assert asked == 1
    cluster.kill("A")
    cluster.favour("")
    cluster.run(2.0)
    assert cluster.answered == []
    assert cluster.values("B") == cluster.values("C") == ["poison"]
